import TensorCore

/// Which connections of a layer set the scale of its initial weights.
public enum Fan: String, CaseIterable, Sendable {
    /// The inputs of one output: keeps the variance of activations.
    case `in`
    /// The outputs of one input: keeps the variance of gradients.
    case out
    /// The mean of both, a compromise.
    case average

    /// The number of connections for a weight of shape `[out, in]` or `[out, in / groups, kernel height, kernel width]`.
    ///
    /// As in PyTorch, the outputs are counted without regard to groups.
    func count(_ shape: Shape) -> Double {
        precondition(shape.rank >= 2, "a fan needs a weight with outputs and inputs, found the shape \(shape)")
        let receptiveField = shape.dimensions.dropFirst(2).reduce(1, *)
        let inputs = Double(shape[1] * receptiveField), outputs = Double(shape[0] * receptiveField)
        return switch self {
        case .in: inputs
        case .out: outputs
        case .average: (inputs + outputs) / 2
        }
    }
}
