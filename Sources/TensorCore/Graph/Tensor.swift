/// A value in a graph, with a static shape and element type. Recording an op on tensors returns tensors; nothing is computed yet.
///
/// A tensor belongs to one graph and is confined, with it, to one thread.
public struct Tensor {
    public let graph: Graph
    let id: Int

    var value: Graph.Value { graph.values[id] }

    public var type: TensorType { TensorType(shape, dtype) }
    public var shape: Shape { isValid ? value.type.shape : .invalid }
    public var dtype: DType { isValid ? value.type.dtype : .float32 }
    public var placement: Placement { isValid ? value.placement : .sharded }
    public var rank: Int { shape.rank }
    /// False when the recording of this tensor, or of one it depends on, failed.
    public var isValid: Bool { id >= 0 }
    /// The module path under which the tensor was recorded.
    public var path: String { isValid ? graph.nodes[value.node].path : "" }
}
