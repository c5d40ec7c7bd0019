import Configuration
import TensorCore

/// `label_noise: 0.2`, or `label_noise: {pair_flip: 0.45}`: this part of the training labels is replaced.
///
///     uniform    by any other class, each as likely (Patrini et al., CVPR 2017)
///     pair_flip  by the next class, after the last one by the first (Han et al., "Co-teaching", NeurIPS 2018)
///
/// With one seed, the labels that are replaced at a lower rate are replaced at a higher one too, and by the same classes.
public struct LabelNoise: Sendable, Equatable {
    /// By which class a label is replaced.
    public enum Kind: String, CaseIterable, Sendable {
        case uniform
        case pairFlip = "pair_flip"
    }

    /// By which class a label is replaced.
    public let kind: Kind
    /// The part of the training labels that is replaced, from 0, below 1.
    public let rate: Double

    /// Noise of a kind; at the rate 0 all kinds are the same.
    public init(_ kind: Kind = .uniform, rate: Double) { (self.kind, self.rate) = (rate == 0 ? .uniform : kind, rate) }

    /// Labels stay as they are.
    public static let none = LabelNoise(rate: 0)

    /// Replaces labels.
    ///
    /// - Parameters:
    ///   - labels: by global index.
    ///   - images: global indices of the training images, ascending.
    /// - Returns: the images whose labels were replaced, ascending.
    func apply(to labels: inout [Int32], of images: [Int32], classCount: Int, seed: UInt64) -> [Int32] {
        let count = Int((rate * Double(images.count)).rounded())
        guard count > 0, classCount > 1 else { return [] }
        let chosen = shuffled(images, stream: PhiloxStream(seed: seed, name: "label noise"), time: 0).prefix(count).sorted()
        let stream = PhiloxStream(seed: seed, name: "noisy labels")
        for image in chosen {
            let label = labels[Int(image)]
            switch kind {
            case .uniform:
                var draws = stream.draws(time: 0, sample: UInt64(image))
                let other = Int32(draws.integer(below: classCount - 1))
                labels[Int(image)] = other < label ? other : other + 1
            case .pairFlip: labels[Int(image)] = (label + 1) % Int32(classCount)
            }
        }
        return chosen
    }
}

extension OptionKind where Value == LabelNoise {
    private static let rate = OptionKind<Double>.number(in: 0..<1)

    static let labelNoise = OptionKind(
        "a part from 0, below 1, or a map of \(LabelNoise.Kind.allCases.map(\.rawValue).joined(separator: " or ")) to it",
        schema: .either([rate.schema, .map(kinds)]), children: { kinds },
        read: { fields, key in
            guard let node = fields.node(key) else { return nil }
            guard node.entries != nil else { return fields.number(key, in: 0..<1).map { LabelNoise(rate: $0) } }
            guard let (name, _, _) = fields.variant(key), var options = fields.fields(key) else { return nil }
            let kind: LabelNoise.Kind? = LabelNoise.Kind(rawValue: name), rate = kind.flatMap { options.number($0.rawValue, in: 0..<1) }
            if kind == nil {
                fields.report("unknown kind of noise '\(name.shortened())'\(suggestion(for: name, among: Set(LabelNoise.Kind.allCases.map(\.rawValue))))", at: key)
            }
            return kind.flatMap { kind in rate.map { LabelNoise(kind, rate: $0) } }
        },
        write: { noise in noise.kind == .uniform ? .scalar(noise.rate) : .map([(noise.kind.rawValue, .scalar(noise.rate))]) })

    private static var kinds: [OptionDescription] {
        [
            OptionDescription("uniform", rate.summary, rate.schema, "The part of the training labels that any other class replaces.", "Patrini et al., CVPR 2017"),
            OptionDescription("pair_flip", rate.summary, rate.schema, "The part of the training labels that the next class replaces.", "Han et al., NeurIPS 2018"),
        ]
    }
}
