/// A value in a graph, with a static shape and element type. Recording an op on tensors returns tensors; nothing is computed yet.
///
/// A tensor belongs to one graph and is confined, with it, to one thread.
public struct Tensor {
    /// The graph that the tensor belongs to; ops take tensors of one graph only.
    public let graph: Graph
    let id: Int

    var value: Graph.Value { graph.values[id] }

    /// Shape and element type.
    public var type: TensorType { TensorType(shape, dtype) }
    /// The lengths of the axes, of one shard where the value is sharded; of a failed tensor each reads as 1.
    public var shape: Shape { isValid ? value.type.shape : .invalid }
    /// The type of every element.
    public var dtype: DType { isValid ? value.type.dtype : .float32 }
    /// Whether there is one value for the whole batch or one for each shard.
    public var placement: Placement { isValid ? value.placement : .sharded }
    /// The number of axes.
    public var rank: Int { shape.rank }
    /// False when the recording of this tensor, or of one it depends on, failed.
    public var isValid: Bool { id >= 0 }
    /// The module path under which the tensor was recorded.
    public var path: String { isValid ? graph.nodes[value.node].path : "" }
}
