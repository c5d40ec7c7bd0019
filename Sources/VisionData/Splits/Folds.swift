import Configuration
import TensorCore

/// Images cut into parts of nearly the same size, each of which is the test once: cross-validation.
///
/// Every part has nearly the same number of images of each class, and images of one group lie in one part. Which images these are depends on the
/// seed alone. Without groups the images of a class are dealt to the parts in turn, each class from where the one before ended, so the parts' sizes,
/// and their numbers of images of any class, differ by at most one. With groups the largest come first, each into the part where
/// Σ (images of a class in a part / images of the class)² grows least.
///
/// Kohavi, "A Study of Cross-Validation and Bootstrap for Accuracy Estimation and Model Selection", IJCAI 1995.
struct Folds {
    /// Global indices, each part ascending.
    let parts: [[Int32]]

    /// - Parameters:
    ///   - indices: global ones, ascending.
    ///   - labels: by global index.
    ///   - group: what is not torn apart, by global index; nil for an image of its own.
    ///   - describe: a class's number in words.
    /// - Throws: `UserError(.usage)` when a class has fewer images, or there are fewer groups, than parts.
    init(
        _ count: Int, of indices: [Int32], labels: [Int32], group: ((Int32) -> String?)? = nil, seed: UInt64, of name: String, describe: (Int) -> String
    ) throws {
        let order = shuffled(indices, stream: PhiloxStream(seed: seed, name: "folds"), time: 0)
        let classes = Dictionary(grouping: order) { labels[Int($0)] }.sorted { $0.key < $1.key }
        if let least = classes.min(by: { $0.value.count < $1.value.count }), least.value.count < count {
            throw UserError(
                at: "data.folds",
                "found \(grouped(count)), expected at most \(grouped(least.value.count)), the number of training images of \(describe(Int(least.key))) in \(name)")
        }
        var parts = [[Int32]](repeating: [], count: count)
        if let group {
            try Self.deal(order, labels: labels, sizes: Dictionary(uniqueKeysWithValues: classes.map { ($0.key, Double($0.value.count)) }), by: group, of: name, to: &parts)
        } else {
            for (place, image) in classes.flatMap(\.value).enumerated() { parts[place % count].append(image) }
        }
        self.parts = parts.map { $0.sorted() }
    }

    private static func deal(
        _ order: [Int32], labels: [Int32], sizes: [Int32: Double], by group: (Int32) -> String?, of name: String, to parts: inout [[Int32]]
    ) throws {
        let groups = groupedInOrder(order, by: group)
        guard groups.count >= parts.count else {
            throw UserError(at: "data.folds", "found \(grouped(parts.count)), expected at most \(grouped(groups.count)), the number of groups of training images in \(name)")
        }
        var counts = [[Int32: Double]](repeating: [:], count: parts.count)
        for members in groups.enumerated().sorted(by: { ($1.element.count, $0.offset) < ($0.element.count, $1.offset) }).map(\.element) {
            let added = Dictionary(grouping: members) { labels[Int($0)] }.mapValues { Double($0.count) }.sorted { $0.key < $1.key }
            let costs = counts.map { counts in
                added.reduce(0.0) { sum, entry in
                    let (label, count) = entry, size = sizes[label]!
                    return sum + (2 * (counts[label] ?? 0) + count) * count / (size * size)
                }
            }
            let chosen = parts.indices.min { (costs[$0], parts[$0].count, $0) < (costs[$1], parts[$1].count, $1) }!
            parts[chosen] += members
            for (label, count) in added { counts[chosen][label, default: 0] += count }
        }
    }
}
