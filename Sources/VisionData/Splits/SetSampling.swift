import Configuration

/// `sampling: {classes: 8, images: 4}`: images side by side that are compared with each other, so many images of each of so many classes; or
/// `sampling: {views: 2}`: so many views of each image, augmented independently; or both.
///
/// Hermans, Beyer and Leibe, "In Defense of the Triplet Loss for Person Re-Identification", 2017, section 2 (P × K); Chen et al., "A Simple Framework for
/// Contrastive Learning of Visual Representations", ICML 2020 (two views).
public struct SetSampling: Configurable {
    /// How many classes stand side by side; nil: images are drawn whatever their class.
    public var classes: Int?
    /// How many images of each.
    public var images: Int?
    /// How many views of each image.
    public var views = 1

    /// One view of every image, whatever its class.
    public init() {}

    /// So many views of so many images of so many classes.
    public init(classes: Int? = nil, images: Int? = nil, views: Int = 1) { (self.classes, self.images, self.views) = (classes, images, views) }

    public static let options: [Key<SetSampling>] = [
        Key("classes", \.classes, .integer(in: 1...10_000), "How many classes stand side by side; absent: images are drawn whatever their class."),
        Key("images", \.images, .integer(in: 1...10_000), "How many images of each of these classes."),
        Key("views", \.views, .integer(in: 1...16), paper: "Chen et al., ICML 2020", "How many times each image stands there, augmented anew each time."),
    ]

    public mutating func check(_ fields: inout FieldReader) {
        let areRead = !["classes", "images"].contains { fields.errors.hasAny(under: fields.path(of: $0)) }
        if areRead, (classes == nil) != (images == nil) {
            fields.report("goes with \(classes == nil ? "classes, how many stand side by side" : "images, how many of each class")", at: classes == nil ? "images" : "classes")
        }
    }

    /// How many places stand side by side.
    public var count: Int { (classes ?? 1) * (images ?? 1) * views }
    /// Whether classes are drawn.
    public var drawsClasses: Bool { classes != nil }
}

extension OptionKind where Value == ClassSampling {
    private enum Word: String, CaseIterable { case shuffled, balanced }

    static let sampling = OptionKind(
        "one of shuffled, balanced, or a map of classes and images, views, or both", schema: .either([.names(["shuffled", "balanced"]), .map(SetSampling.descriptions)]),
        children: { SetSampling.descriptions },
        read: { fields, key in
            guard let node = fields.node(key) else { return nil }
            guard node.entries != nil else {
                let word: Word? = fields.choice(key)
                return word.map { $0 == .shuffled ? .shuffled : .balanced }
            }
            guard var options = fields.fields(key) else { return nil }
            let sets = SetSampling(from: &options)
            options.finish()
            return .sets(sets)
        },
        write: { sampling in
            switch sampling {
            case .shuffled: .text(Word.shuffled.rawValue)
            case .balanced: .text(Word.balanced.rawValue)
            case .sets(let sets): sets.node
            }
        },
        identity: { sampling in
            switch sampling {
            case .shuffled: .text(Word.shuffled.rawValue)
            case .balanced: .text(Word.balanced.rawValue)
            case .sets(let sets): sets.identity
            }
        })
}

/// Samples that stand side by side in training: sets of some samples of some groups.
public struct SampleSets: Sendable {
    /// Of training samples, each with at least `sampleCount`.
    public let groups: [[Int32]]
    /// How many groups a set has.
    public let groupCount: Int
    /// How many samples of each.
    public let sampleCount: Int
    /// How many times each sample stands in the set, as if in epochs of its own.
    public let views: Int
}

extension SetSampling {
    /// - Throws: `UserError(.usage)` when there are fewer classes, or fewer training images of one.
    func check(_ counts: [Int], of classes: [Int], of name: String, _ describe: (Int) -> String) throws {
        guard let asked = self.classes, let images else { return }
        if asked > classes.count {
            throw UserError(at: "data.sampling.classes", "found \(grouped(asked)), but \(name) has \(grouped(classes.count)) classes to train on")
        }
        if let label = classes.first(where: { counts[$0] < images }) {
            throw UserError(
                at: "data.sampling.images", "found \(grouped(images)), but \(describe(label)) of \(name) has \(counts[label] == 1 ? "one training image" : "\(grouped(counts[label])) training images")")
        }
    }
}
