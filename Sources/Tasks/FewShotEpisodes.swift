import TensorCore

/// N-way K-shot episodes: N classes, of each K examples and some other images, which get the class of the nearest prototype, or of the nearest example, by Euclidean
/// distance; of equal ones the first.
///
/// An episode's classes and images are a function of its number alone, so all models are asked the same. Classes with too few images take no part.
///
/// Vinyals et al., "Matching Networks for One Shot Learning", NIPS 2016; Snell, Swersky and Zemel, "Prototypical Networks for Few-shot Learning", NeurIPS 2017.
struct FewShotEpisodes {
    private let options: FewShotOptions
    private let classes: [Int]

    init(_ options: FewShotOptions, among classes: [Int]) { (self.options, self.classes) = (options, classes) }

    /// The share of images that get their class, over all episodes; NaN where too few classes have enough images.
    ///
    /// - Parameter embeddings: row after row, of `length` finite numbers each.
    func accuracy(of embeddings: [Float], length: Int, _ labels: [Int32]) -> Double {
        var hits = 0
        let members = members(labels)
        guard members.count >= options.ways else { return .nan }
        for episode in 0..<options.episodes {
            let drawn = images(of: episode, among: members)
            let examples = drawn.map { images in
                let shots = images.prefix(options.shots).map { row in (0..<length).map { Double(embeddings[row * length + $0]) } }
                guard options.classifier == .prototypes else { return shots }
                return [(0..<length).map { place in shots.reduce(0) { $0 + $1[place] } / Double(shots.count) }]
            }
            for (label, images) in drawn.enumerated() {
                for row in images.dropFirst(options.shots) {
                    var best = (distance: Double.infinity, label: -1)
                    for (other, vectors) in examples.enumerated() {
                        for vector in vectors {
                            var distance = 0.0
                            for place in 0..<length {
                                let difference = Double(embeddings[row * length + place]) - vector[place]
                                distance += difference * difference
                            }
                            if distance < best.distance { best = (distance, other) }
                        }
                    }
                    if best.label == label { hits += 1 }
                }
            }
        }
        return Double(hits) / Double(options.episodes * options.ways * options.queries)
    }

    /// The rows of each class that has enough.
    func members(_ labels: [Int32]) -> [[Int]] {
        let members = Dictionary(grouping: labels.indices) { Int(labels[$0]) }
        return classes.compactMap { members[$0] }.filter { $0.count >= options.imagesPerClass }
    }

    /// The rows of an episode's images, class by class, the examples first.
    func images(of episode: Int, among members: [[Int]]) -> [[Int]] {
        var draws = PhiloxStream(seed: 0, name: "few-shot episodes").draws(time: 0, sample: UInt64(episode))
        /// The first few of a random order.
        func draw<Item>(_ count: Int, of items: inout [Item]) -> [Item] {
            for place in 0..<count { items.swapAt(place, place + draws.integer(below: items.count - place)) }
            return Array(items.prefix(count))
        }
        var members = members
        return draw(options.ways, of: &members).map { rows in
            var rows = rows
            return draw(options.imagesPerClass, of: &rows)
        }
    }
}
