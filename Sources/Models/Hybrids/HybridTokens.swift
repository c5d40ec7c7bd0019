import Configuration
import Layers
import TensorCore

/// How the features of a convolutional network become tokens.
public struct HybridTokens: Configurable {
    /// The side of a square of feature cells that makes one token.
    public var patch = 1
    /// The stages whose features become tokens, in their order; empty: the last one.
    public var stages: [String] = []
    /// The side of a square for each of the stages; empty: `patch` for all.
    public var patches: [Int] = []
    /// Whether feature maps that squares do not fill are continued with zeros.
    public var isPadded = false

    /// One cell of the last stage, one token.
    public init() {}

    public static let options: [Key<HybridTokens>] = [
        Key("patch", \.patch, .count, "The side of a square of feature cells that makes one token."),
        Key("stages", \.stages, .list(of: .text), writesDefault: false, paper: "Zhu et al., \"Deformable DETR\", ICLR 2021, section 4.1",
            "The stages whose features become tokens, each with a projection, positions and a level embedding of its own; absent: the last stage alone."),
        Key("patches", \.patches, .integers(in: 1...65_536), writesDefault: false, "The side of a square of cells for each of the stages; absent: patch for all."),
        paddingOption(\.isPadded, "Whether feature maps that squares do not fill are continued with zeros at the bottom and the right."),
    ]

    /// Whether tokens are told apart by stages.
    var hasSeveralStages: Bool { stages.count > 1 }

    /// Each stage that gives tokens, with the side of its squares and the key that says it.
    func parts(of backbone: BackboneDefinition) -> [(stage: String, patch: Int, key: String)] {
        let names = stages.isEmpty ? [backbone.cutAfter] : stages
        return names.enumerated().map { patches.indices.contains($0) ? ($1, patches[$0], "patches[\($0)]") : ($1, patch, "patch") }
    }

    /// Reports stages that the network has not in this order up to its cut, and numbers of patches that are not theirs.
    mutating func check(cutAfter backbone: BackboneDefinition, at fields: FieldReader) {
        let known = backbone.network.stageNames, name = type(of: backbone.network).family, places = stages.map { known.firstIndex(of: $0) }
        let misfits = fields.errors.messages.count
        for (index, stage) in stages.enumerated() {
            let isLater = places[index].map { place in place > known.firstIndex(of: backbone.cutAfter) ?? place } ?? false
            if places[index] == nil {
                fields.report("\(name) has no stage '\(stage.shortened())'; its stages: \(known.joined(separator: ", "))", at: "stages")
            } else if isLater {
                fields.report("\(stage) lies behind \(backbone.cutAfter), after which the network is cut", at: "stages")
            } else if index > 0, let place = places[index], let earlier = places[index - 1], place <= earlier {
                fields.report("found \(stage) behind \(stages[index - 1]), expected each once and in the order of the network", at: "stages")
            }
        }
        if fields.errors.messages.count == misfits, let last = stages.last, last != backbone.cutAfter {
            fields.report("the network is cut after \(backbone.cutAfter), of which no tokens are made; cut it after \(last)", at: "stages")
        }
        if !patches.isEmpty, patches.count != max(stages.count, 1) {
            fields.report("found \(patches.count) patches, expected \(max(stages.count, 1)), one for each of the stages", at: "patches")
        }
        if !patches.isEmpty, patch != HybridTokens().patch { fields.report("the squares of cells are given twice; expected either patch or patches", at: "patches") }
        if fields.errors.messages.count > misfits { (stages, patches) = ([], []) }
    }
}

/// The features of one stage as tokens: squares of cells, mapped to the width, and where there are several stages with positions and a vector of the stage.
///
/// Shapes: `[B, h, w, c]` → `[B, h / p · w / p, D]`.
struct HybridLevel {
    /// The stage's name.
    let stage: String
    /// Height and width of the tokens' grid.
    let grid: Size2D
    /// The side of the squares that the map is filled with; 1 where it stays as it is.
    private let filling: Int
    private let embedding: PatchEmbedding
    private let position: PositionEmbedding?
    private let level: Tensor?
    private let scope: Scope

    /// Declares the parameters in `scope`, or below it where the stage is one of several.
    init(
        _ stage: String, features: Shape, patch: Int, isPadded: Bool, _ transformer: TransformerConfiguration, isOneOfSeveral: Bool, in scope: Scope
    ) {
        let place = isOneOfSeveral ? scope[stage] : scope, width = transformer.width
        (self.stage, self.scope) = (stage, place)
        filling = isPadded ? patch : 1
        func patches(_ length: Int) -> Int { (isPadded ? length + patch - 1 : length) / patch }
        grid = Size2D(patches(features[1]), patches(features[2]))
        embedding = PatchEmbedding(channels: features[3], patch: patch, width: width, in: place)
        position = isOneOfSeveral
            ? PositionEmbedding(
                transformer.position, rows: grid.height, columns: grid.width, prefixTokens: 0, width: width, deviation: transformer.positionDeviation, in: place)
            : nil
        level = isOneOfSeveral ? place.parameter("level_embed", [1, 1, width], Initialization.transformer, role: .positionEmbedding) : nil
    }

    /// How many tokens the stage gives.
    var count: Int { grid.height * grid.width }

    func callAsFunction(_ features: Tensor) -> Tensor {
        let tokens = embedding(scope.record { features.filled(bySquaresOf: filling) })
        guard let position, let level else { return tokens }
        let placed = position(tokens)
        return scope.record { placed + level }
    }
}

extension OptionKind where Value == TransformerConfiguration {
    /// The map of a transformer's options; for the name of a family in it is said what to write instead.
    static var transformer: Self {
        .map.refusing { keys in advice.first { keys.contains($0.name) }.map { "found \($0.name), \($0.advice)" } }
    }

    /// What is said of families that cannot follow a network.
    private static let advice: [(name: String, advice: String)] = [
        ("vit", "expected its options themselves: width, depth and heads"),
        ("cct", "whose convolutions make tokens of images; expected width, depth and heads, with block: compact and head: {pool: sequence} as cct has them"),
        ("navit", "which takes images of several sizes; expected width, depth and heads"),
    ] + ["swin", "levit", "coatnet"].map { ($0, "which takes images and not tokens; expected width, depth and heads, or \($0) as the backbone") }
}
