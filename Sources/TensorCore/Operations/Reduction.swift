import CKernels

/// The sum or the maximum over some axes, which stay with length 1 or go.
struct Reduce: Operation {
    let function: kernel_reduction_op
    let axes: [Int]
    let keepsAxes: Bool
    /// The type of the result; sums of bfloat16 are made in float32 and may stay so.
    let dtype: DType

    var name: String { function == KERNEL_SUM ? "sum" : "max" }

    private func kept(_ shape: Shape) -> Shape { Shape(shape.indices.map { axes.contains($0) ? 1 : shape[$0] }) }

    func outputTypes(_ inputs: [TensorType]) throws(ShapeError) -> [TensorType] {
        let shape = inputs[0].shape
        guard inputs[0].dtype.isActivation, dtype.isActivation else {
            throw ShapeError("of \(inputs[0]) as \(dtype.rawValue): expected float32 or bfloat16")
        }
        guard axes.allSatisfy(shape.indices.contains), Set(axes).count == axes.count else {
            throw ShapeError("of \(shape) over the axes \(axes): there are \(shape.rank) axes")
        }
        if keepsAxes { return [TensorType(kept(shape), dtype)] }
        return [TensorType(Shape(shape.indices.filter { !axes.contains($0) }.map { shape[$0] }), dtype)]
    }

    func gradients(_ node: NodeReference, _ upstream: [Tensor?]) -> [Tensor?] {
        guard let dy = upstream[0] else { return [nil] }
        let x = node.inputs[0]
        let gradient = dy.reshaped(kept(x.shape)).cast(to: x.dtype)
        if function == KERNEL_SUM { return [gradient.broadcast(to: x.shape)] }
        // Equal maxima share the gradient.
        let isMaximum = x.equals(node.outputs[0].reshaped(kept(x.shape)))
        return [isMaximum.gating(gradient / isMaximum.sum(axes: axes, keepsAxes: true, dtype: .float32))]
    }

    func lower(_ context: LoweringContext) {
        let shape = context.inputTypes[0].shape
        // Runs of neighbouring axes, from the last to the first: each is one reduction of [outer, length, inner].
        var steps: [(outer: Int, length: Int, inner: Int)] = []
        var lengths = shape.dimensions, axis = shape.rank - 1
        while axis >= 0 {
            guard axes.contains(axis) else {
                axis -= 1
                continue
            }
            var first = axis
            while first > 0, axes.contains(first - 1) { first -= 1 }
            let step = (
                outer: lengths[..<first].reduce(1, *), length: lengths[first...axis].reduce(1, *),
                inner: lengths[(axis + 1)...].reduce(1, *)
            )
            if step.length != 1 { steps.append(step) }
            for reduced in first...axis { lengths[reduced] = 1 }
            axis = first - 1
        }
        let type = context.inputTypes[0]
        guard !steps.isEmpty else {
            if type.dtype == dtype { return context.alias(output: 0, input: 0) }
            return context.emitCast(from: context.input(0), type, to: context.output(0), dtype)
        }
        var source = context.input(0)
        for (index, step) in steps.enumerated() {
            let from = source, fromType = (index == 0 ? type.dtype : .float32).kernelType
            let target = index == steps.count - 1
                ? context.output(0) : context.temporary(step.outer * step.inner * MemoryLayout<Float>.size)
            let targetType = (index == steps.count - 1 ? dtype : .float32).kernelType
            context.emit(reads: [from], writes: [target]) { [function] c in
                kernel_reduce(
                    function, c.raw(from), c.raw(target), Int64(step.outer), Int64(step.length), Int64(step.inner), fromType, targetType)
            }
            source = target
        }
    }
}

extension Tensor {
    /// Negative axes count from the end.
    private func resolved(_ axes: [Int]) -> [Int] { axes.map { $0 < 0 ? $0 + rank : $0 }.sorted() }

    /// The sum, in this tensor's type unless another is asked for.
    public func sum(axes: [Int], keepsAxes: Bool = false, dtype: DType? = nil) -> Tensor {
        graph.record(one: Reduce(function: KERNEL_SUM, axes: resolved(axes), keepsAxes: keepsAxes, dtype: dtype ?? self.dtype), self)
    }

    /// The largest element over `axes`, which stay with length 1 or go; equal ones share the gradient. Negative axes count from the end.
    public func max(axes: [Int], keepsAxes: Bool = false) -> Tensor {
        graph.record(one: Reduce(function: KERNEL_MAX, axes: resolved(axes), keepsAxes: keepsAxes, dtype: dtype), self)
    }

    /// The mean over `axes`, summed in float32, in this tensor's type. The axes stay with length 1 or go.
    public func mean(axes: [Int], keepsAxes: Bool = false) -> Tensor {
        let total = sum(axes: axes, keepsAxes: keepsAxes, dtype: .float32)
        guard total.isValid else { return total }
        return (total / Float(resolved(axes).map { shape[$0] }.reduce(1, *))).cast(to: dtype)
    }

    /// The variance without Bessel's correction: mean((x − mean x)²).
    public func variance(axes: [Int], keepsAxes: Bool = false) -> Tensor {
        (self - mean(axes: axes, keepsAxes: true)).square().mean(axes: axes, keepsAxes: keepsAxes)
    }
}

/// The sum of one value over all shards, in a fixed binary tree: with `ShardMoments` the only way from sharded to shared.
struct ShardSum: Operation {
    var name: String { "shard sum" }
    var joinsShards: Bool { true }

    func outputTypes(_ inputs: [TensorType]) throws(ShapeError) -> [TensorType] {
        guard inputs[0].dtype == .float32 || inputs[0].dtype == .float64 else { throw ShapeError("of \(inputs[0]): expected float32 or float64") }
        return inputs
    }

    /// Every shard's value enters the sum with weight 1.
    func gradients(_ node: NodeReference, _ upstream: [Tensor?]) -> [Tensor?] { upstream }

    func lower(_ context: LoweringContext) { context.emitShardSum(.sum(context.inputTypes[0].dtype)) }
}

/// A shared value as every shard's own: nothing moves.
struct EachShard: Operation {
    var name: String { "each shard" }
    var isPerShard: Bool { true }

    func outputTypes(_ inputs: [TensorType]) -> [TensorType] { inputs }

    func gradients(_ node: NodeReference, _ upstream: [Tensor?]) -> [Tensor?] { [upstream[0]?.shardSum()] }

    func lower(_ context: LoweringContext) { context.alias(output: 0, input: 0) }
}

extension Tensor {
    /// This value, or if it is shared, one of its own for each shard.
    func inEachShard() -> Tensor { placement == .sharded ? self : graph.record(one: EachShard(), self) }

    /// The sum over the shards of the batch, in float32 at least. A shared tensor counts once for each shard, as if every shard had its
    /// own copy.
    public func shardSum() -> Tensor {
        guard placement == .sharded else { return self * Float(graph.shardCount) }
        if dtype == .bfloat16 { return cast(to: .float32).shardSum().cast(to: .bfloat16) }
        return graph.record(one: ShardSum(), self)
    }

    /// The mean over the whole batch of a value for each sample: `[B]` in each shard → a shared scalar in float32.
    public func batchMean() -> Tensor {
        let total = sum(axes: Array(shape.indices), dtype: .float32).shardSum()
        return total / Float(shape.elementCount * graph.shardCount)
    }
}
