/// Whose names parameters and buffers have, and so whose files of weights load as they are.
public enum WeightNames: String, CaseIterable, Sendable, Comparable {
    /// The PyTorch Image Models.
    case timm
    case torchvision

    /// By name.
    public static func < (a: WeightNames, b: WeightNames) -> Bool { a.rawValue < b.rawValue }
}

extension ModelDefinition {
    /// Whose names the model's parameters and buffers have; none where no library has such a network.
    public var weightNames: [WeightNames] { type(of: configuration).weightNames }

    /// The conventions into which the model's own names can be translated, with its own.
    public var knownWeightNames: [WeightNames] {
        switch configuration {
        case is VisionTransformerConfiguration: WeightNames.allCases
        case let hybrid as HybridConfiguration: hybrid.hasNamesOfTimm ? [.timm] : []
        default: weightNames
        }
    }
}
