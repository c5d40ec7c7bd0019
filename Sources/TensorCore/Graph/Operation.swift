/// Whether a value is one for the whole batch or one for each shard of it.
///
/// Parameters and what is computed from them alone are `shared`: the plan computes them once a step. Whatever depends on the batch
/// is `sharded`. Only `ShardSum` and `ShardMoments` lead back from sharded to shared.
public enum Placement: Sendable, Hashable { case shared, sharded }

/// What is known of a value before anything runs.
public struct TensorType: Sendable, Hashable, CustomStringConvertible {
    /// The lengths of the axes; of one shard where the value is sharded.
    public var shape: Shape
    /// The type of every element.
    public var dtype: DType

    /// A shape of elements of a type, float32 unless given.
    public init(_ shape: Shape, _ dtype: DType = .float32) {
        self.shape = shape
        self.dtype = dtype
    }

    /// The bytes of all elements in row-major order.
    public var byteCount: Int { shape.elementCount * dtype.byteCount }
    /// The shape, and the element type where it is not float32.
    public var description: String { dtype == .float32 ? "\(shape)" : "\(shape) \(dtype.rawValue)" }
}

/// A sentence about shapes that do not fit; the graph adds the operation and the module path.
public struct ShapeError: Error {
    /// What does not fit, to be read behind the operation's name.
    public let message: String
    /// A sentence that goes on from the operation's name, such as `of [2, 3] and [4]: the shapes do not broadcast`.
    public init(_ message: String) { self.message = message }
}

/// One entry of the op table: a shape rule, a vector-Jacobian rule and a lowering to a kernel. Equal ones compute the same.
public protocol Operation: Sendable, Equatable {
    /// The op's kind in errors, listings and profiles.
    var name: String { get }

    /// How many outputs the op has, 1 unless it says otherwise: what recording returns where the shapes do not fit, and no types are known.
    var outputCount: Int { get }

    /// What taps call the outputs after the first, in their order; those that nobody looks at have no name.
    var furtherOutputNames: [String] { get }

    /// The shape rule: the types of the outputs, or a `ShapeError` that says what does not fit.
    func outputTypes(_ inputs: [TensorType]) throws(ShapeError) -> [TensorType]

    /// The vector-Jacobian rule, recorded in terms of other ops: a gradient for each input, nil where it is zero or not needed.
    func gradients(_ node: NodeReference, _ upstream: [Tensor?]) -> [Tensor?]

    /// Emits the kernels that compute the outputs.
    func lower(_ context: LoweringContext) throws

    /// Multiply-adds of one evaluation, counted as in the literature (convolutions and matrix products only).
    func multiplyAdds(_ inputs: [TensorType], _ outputs: [TensorType]) -> Int

    /// Whether the backward pass computes the value again where it reads it, instead of keeping it: for ops that only move memory.
    var isRecomputed: Bool { get }
    /// Whether each shard gets a value of its own even if all inputs are shared (random masks).
    var isPerShard: Bool { get }
    /// Whether the value is one for the whole batch although its inputs are sharded (`ShardSum`, `ShardMoments`).
    var joinsShards: Bool { get }
}

extension Operation {
    public var outputCount: Int { 1 }
    public var furtherOutputNames: [String] { [] }
    public func gradients(_ node: NodeReference, _ upstream: [Tensor?]) -> [Tensor?] {
        preconditionFailure("\(name) has no gradient rule")
    }
    public func multiplyAdds(_ inputs: [TensorType], _ outputs: [TensorType]) -> Int { 0 }
    public var isRecomputed: Bool { false }
    public var isPerShard: Bool { false }
    public var joinsShards: Bool { false }
}

/// A recorded node, as its op's gradient rule sees it: values that are computed again stand in for those that are not kept.
public struct NodeReference {
    /// The operands, in the order in which they were recorded.
    public let inputs: [Tensor]
    /// The results, in the order of `Operation.outputTypes`.
    public let outputs: [Tensor]
    /// Which inputs a gradient is asked for.
    public let needsGradient: [Bool]
}
