import TensorCore

/// Normalization of each image over its positions and the channels of a group.
///
///     y = (x − μ) / √(σ² + ε) · scale + offset
///
/// μ and σ² are over all positions and C / groups neighbouring channels of one image, in training as in evaluation: nothing depends on
/// the rest of the batch. One group is what Wu and He compare as layer normalization of a convolutional network.
///
/// Shapes: x and y `[B, …, C]`; `weight` and `bias` `[C]`. The scale starts at `initialScale`, the offset at 0.
///
/// Errors: groups that do not divide the channels.
///
/// Wu and He, "Group Normalization", ECCV 2018.
public struct GroupNorm {
    private let scale: Tensor
    private let offset: Tensor
    private let groups: Int
    private let epsilon: Float
    private let scope: Scope

    /// Declares the parameters in `scope`; where the norm is not affine there are none, and scale and offset are 1 and 0.
    public init(_ channels: Int, groups: Int, isAffine: Bool = true, initialScale: Double = 1, epsilon: Float = 1e-5, in scope: Scope) {
        self.groups = groups
        self.epsilon = epsilon
        self.scope = scope
        guard isAffine else {
            scale = scope.graph.constant(HostTensor([channels], repeating: Float(1)))
            offset = scope.graph.constant(HostTensor([channels], repeating: Float(0)))
            return
        }
        scale = scope.parameter("weight", [channels], Initialization.constant(value: initialScale), role: .normalization)
        offset = scope.parameter("bias", [channels], Initialization.zeros, role: .normalization)
    }

    public func callAsFunction(_ x: Tensor) -> Tensor { callAsFunction(x, relu: false) }

    /// Records one call, with a ReLU behind the norm if asked.
    public func callAsFunction(_ x: Tensor, relu: Bool) -> Tensor {
        scope.record { x.groupNorm(groups: groups, scale: scale, offset: offset, epsilon: epsilon, relu: relu) }
    }
}
