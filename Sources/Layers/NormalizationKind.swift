import Configuration

/// What normalizes the features of a convolutional network, as a definition names it: `batch`, `layer`, `instance`, `none`,
/// `{group: {groups: 8}}`.
public enum NormalizationKind: Equatable, Sendable {
    /// Each channel over the batch.
    case batch
    /// Each image over all its channels and positions: group norm with one group, which definitions call `layer` as Wu and He do. The layer norm
    /// of transformers is another: it is over the channels of one position (`LayerNorm`).
    case oneGroup
    /// Each image over its positions and C / groups neighbouring channels.
    case group(groups: Int)
    /// Each channel of each image over its positions.
    case instance
    /// Each channel by statistics, a scale and an offset that no training changes.
    case frozenBatch
    /// Nothing; the convolution has a bias instead.
    case none

    /// Wu and He (2018) take 32 for networks of 64 channels and more; the narrow ones for small images have 16.
    public static let defaultGroups = 8
}

extension OptionKind where Value == NormalizationKind {
    /// What normalizes a convolutional network: `batch`, `layer`, `group`, `{group: {groups: 4}}`, `instance`, `frozen_batch`, `none`.
    public static let normalization = variants("normalization", writesNames: true, [
        Variant("batch", .batch, paper: "Ioffe and Szegedy, ICML 2015", "Each channel over the batch."),
        Variant("layer", .oneGroup, paper: "Ba, Kiros and Hinton, 2016", "Each image over all its channels and positions."),
        Variant("group", Groups(), paper: "Wu and He, ECCV 2018", "Each image over its positions and groups of neighbouring channels.",
            make: { .group(groups: $0.groups) }, options: { if case .group(let groups) = $0 { Groups(groups: groups) } else { nil } }),
        Variant("instance", .instance, paper: "Ulyanov, Vedaldi and Lempitsky, 2016", "Each channel of each image over its positions."),
        Variant("frozen_batch", .frozenBatch, "Each channel by statistics, a scale and an offset that come from a file of weights and that no training changes."),
        Variant("none", .none, "Nothing; convolutions have biases instead."),
    ])
}

private struct Groups: Configurable {
    var groups = NormalizationKind.defaultGroups
    static let options: [Key<Groups>] = [Key("groups", \.groups, .count, role: .widthDivisor, "How many groups; they have to divide the channels.")]
}

extension OptionKind where Value == Int {
    /// A number of heads, channels or cells: enough for any network, and no product of them overflows.
    public static var count: Self { .integer(in: 1...65_536) }
    /// A number of layers: deeper networks would take minutes to plan.
    public static var depth: Self { .integer(in: 1...2_048) }
}

extension OptionKind where Value == Double {
    /// A share from 0, below 1.
    public static var rate: Self { .number(in: 0..<1) }
}
