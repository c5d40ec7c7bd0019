import TensorCore

/// Which images of a shard are compared with which, from their labels `[B]` and 1 where a place holds an image `[B]`: two matrices `[B, B]`, and how much each
/// image counts `[B]`.
struct ShardPairs: SampleFunction {
    enum Kind: Sendable {
        /// 1 for two images of one class; 1 for two of different classes; an image counts as often as it is in a pair.
        case pairs
        /// For each image the others of its class, with weights that sum to 1; 1 for all others; an image counts 1 if it has a partner.
        case classes
        /// The same, but that the other view of an image, at the place beside it, is its only partner.
        case views
        /// For the first image of each class the second one; 1 for the second images of all classes.
        case pairsOfClasses
    }

    let kind: Kind
    /// B.
    let count: Int

    var name: String { "pairs of a shard" }
    var outputCount: Int { 3 }

    func outputShapes(_ inputs: [Shape]) throws(ShapeError) -> [Shape] {
        guard inputs[0] == [count], inputs[1] == [count] else { throw ShapeError("of \(inputs[0]) and \(inputs[1]): expected two vectors of \(count)") }
        return [[count, count], [count, count], [count]]
    }

    func compute(_ inputs: [UnsafePointer<Float>], _ outputs: [UnsafeMutablePointer<Float>]) {
        let (labels, present, partners, others, counts) = (inputs[0], inputs[1], outputs[0], outputs[1], outputs[2])
        partners.update(repeating: 0, count: count * count)
        others.update(repeating: 0, count: count * count)
        counts.update(repeating: 0, count: count)
        let ranks = kind == .pairsOfClasses ? ranksInClasses(labels, present) : []
        for image in 0..<count where present[image] != 0 {
            var found = 0, all = 0
            for other in 0..<count where other != image && present[other] != 0 {
                let isOfClass = labels[other] == labels[image], place = image * count + other
                let (isPartner, isOther) =
                    switch kind {
                    case .pairs: (isOfClass, !isOfClass)
                    case .classes: (isOfClass, true)
                    case .views: (other == image ^ 1, true)
                    case .pairsOfClasses: (isOfClass && ranks[image] == 0 && ranks[other] == 1, ranks[other] == 1)
                    }
                if isPartner { (partners[place], found) = (1, found + 1) }
                if isOther { others[place] = 1 }
                if isPartner || isOther { all += 1 }
            }
            if kind == .pairs {
                counts[image] = Float(all)
            } else if found > 0 {
                counts[image] = 1
                for place in image * count..<(image + 1) * count { partners[place] /= Float(found) }
            }
        }
    }

    /// How many images of its class stand before each image.
    private func ranksInClasses(_ labels: UnsafePointer<Float>, _ present: UnsafePointer<Float>) -> [Int] {
        (0..<count).map { image in (0..<image).count { present[$0] != 0 && labels[$0] == labels[image] } }
    }
}
