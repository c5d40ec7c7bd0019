import CKernels

// Batch normalization (Ioffe and Szegedy 2015), exact over the whole batch: each shard finds its moments, those of the shards are joined,
// and every shard normalizes with the same statistics. The two meetings of the shards, one forward and one backward, end a segment of the
// plan. Means are double, for one in float32 would shift all that is near it where it is large beside the deviations.

/// How many samples, their mean and Σ (x − mean)² of each channel, in double: `[…, C]` → `[3, C]`. Its gradient is part of
/// `BatchNormalization`'s.
struct ChannelMoments: Operation {
    var name: String { "channel moments" }

    func outputTypes(_ inputs: [TensorType]) throws(ShapeError) -> [TensorType] {
        guard inputs[0].shape.rank >= 2, inputs[0].dtype.isActivation else { throw ShapeError("of \(inputs[0]): expected float32 or bfloat16 [batch, …, channels]") }
        return [TensorType([3, inputs[0].shape[-1]], .float64)]
    }

    func gradients(_ node: NodeReference, _ upstream: [Tensor?]) -> [Tensor?] { [nil] }

    func lower(_ context: LoweringContext) {
        let x = context.input(0), moments = context.output(0), (shape, type) = (context.inputTypes[0].shape, context.inputTypes[0].dtype.kernelType)
        context.emit(reads: [x], writes: [moments]) { c in
            kernel_channel_moments(c.raw(x), c.doubles(moments), Int64(shape.elementCount / shape[-1]), Int64(shape[-1]), type)
        }
    }
}

/// The moments of the whole batch from those of its shards, joined in the tree of `ShardSum`: `[3, C]` → `[3, C]`.
struct ShardMoments: Operation {
    var name: String { "shard moments" }
    var joinsShards: Bool { true }

    func outputTypes(_ inputs: [TensorType]) -> [TensorType] { inputs }

    func gradients(_ node: NodeReference, _ upstream: [Tensor?]) -> [Tensor?] { [nil] }

    func lower(_ context: LoweringContext) { context.emitShardSum(.moments) }
}

/// From moments and running statistics: mean (float64), 1/√(var + ε), and the new running mean and variance.
struct BatchStatistics: Operation {
    /// The values of a channel in the whole batch.
    let count: Int
    let epsilon: Float
    let momentum: Float
    var name: String { "batch statistics" }
    var outputCount: Int { 4 }

    func outputTypes(_ inputs: [TensorType]) throws(ShapeError) -> [TensorType] {
        // One value is its own mean: whatever comes in, 0 would come out. PyTorch refuses it too.
        guard count > 1 else { throw ShapeError("over a batch with one value a channel: expected more images, larger ones, or another norm") }
        let channels = Shape([inputs[0].shape[1]])
        guard inputs[1].shape == channels, inputs[2].shape == channels else {
            throw ShapeError("over \(channels[0]) channels: running statistics of \(inputs[1].shape) and \(inputs[2].shape)")
        }
        return [TensorType(channels, .float64)] + Array(repeating: TensorType(channels), count: 3)
    }

    func gradients(_ node: NodeReference, _ upstream: [Tensor?]) -> [Tensor?] { [nil, nil, nil] }

    func lower(_ context: LoweringContext) {
        let inputs = (0..<3).map(context.input), outputs = (0..<4).map(context.output), channels = context.inputTypes[1].shape[0]
        context.emit(reads: inputs, writes: outputs) { [self] c in
            kernel_batch_statistics(
                c.doubles(inputs[0]), epsilon, momentum, c.floats(inputs[1]), c.floats(inputs[2]), c.doubles(outputs[0]), c.floats(outputs[1]),
                c.floats(outputs[2]), c.floats(outputs[3]), Int64(channels))
        }
    }
}

/// From running statistics: mean (float64) and 1/√(var + ε).
struct FixedStatistics: Operation {
    let epsilon: Float
    var name: String { "fixed statistics" }
    var outputCount: Int { 2 }

    func outputTypes(_ inputs: [TensorType]) throws(ShapeError) -> [TensorType] {
        guard inputs[0].shape == inputs[1].shape else { throw ShapeError("of running statistics of \(inputs[0]) and \(inputs[1])") }
        return [TensorType(inputs[0].shape, .float64), inputs[1]]
    }

    func gradients(_ node: NodeReference, _ upstream: [Tensor?]) -> [Tensor?] { [nil, nil] }

    func lower(_ context: LoweringContext) {
        let inputs = (0..<2).map(context.input), outputs = (0..<2).map(context.output), channels = context.inputTypes[0].shape.elementCount
        context.emit(reads: inputs, writes: outputs) { [epsilon] c in
            for channel in 0..<channels {
                c.doubles(outputs[0])[channel] = Double(c.floats(inputs[0])[channel])
                c.floats(outputs[1])[channel] = Float(1 / (Double(c.floats(inputs[1])[channel]) + Double(epsilon)).squareRoot())
            }
        }
    }
}

/// y = (x − mean) rstd ∘ scale + offset by channel, plus a residual if there is one, then ReLU if asked: inputs x, mean, rstd, scale,
/// offset, [residual].
struct BatchNormalization: Operation {
    /// The samples behind the batch's statistics; nil when they are fixed.
    let count: Int?
    let hasReLU: Bool

    var name: String { "batch norm" }

    /// One pass over memory gives y again, so the backward pass does not keep it.
    var isRecomputed: Bool { true }

    func outputTypes(_ inputs: [TensorType]) throws(ShapeError) -> [TensorType] {
        let x = inputs[0].shape
        guard x.rank >= 1, inputs[0].dtype.isActivation else { throw ShapeError("of \(inputs[0]): expected float32 or bfloat16 […, channels]") }
        for parameter in inputs[2..<5] + [TensorType(inputs[1].shape)] where parameter != TensorType([x[-1]]) {
            throw ShapeError("of \(x): expected parameters [\(x[-1])] in float32, found \(parameter)")
        }
        if inputs.count > 5, inputs[5] != inputs[0] { throw ShapeError("of \(x): expected a residual of that shape and type, found \(inputs[5])") }
        return [inputs[0]]
    }

    /// The gradient through the batch's own statistics is in dx, so mean and rstd get none.
    func gradients(_ node: NodeReference, _ upstream: [Tensor?]) -> [Tensor?] {
        guard var dy = upstream[0] else { return node.inputs.map { _ in nil } }
        let graph = dy.graph, hasResidual = node.inputs.count > 5
        // A residual needs the gradient behind the ReLU too; without one, every pass takes the mask from x.
        if hasReLU, hasResidual { dy = graph.record(one: UnaryGradient(unary: .relu), node.outputs[0], dy) }
        let inputs = Array(node.inputs[..<5]) + [dy]
        let sums = graph.record(BatchNormalizationGradientSums(hasReLU: hasReLU && !hasResidual), inputs)[0].shardSum()
        let dx = graph.record(BatchNormalizationGradient(count: count, hasReLU: hasReLU && !hasResidual), inputs + (count == nil ? [] : [sums]))[0]
        let parts = graph.record(SplitSums(), [sums])
        return [dx, nil, nil, parts[1], parts[0]] + (hasResidual ? [dy] : [])
    }

    func lower(_ context: LoweringContext) {
        let inputs = context.inputTypes.indices.map(context.input), y = context.output(0), shape = context.inputTypes[0].shape
        let residual = inputs.count > 5 ? inputs[5] : nil, type = context.inputTypes[0].dtype.kernelType
        context.emit(reads: inputs, writes: [y], overwrites: (y, residual ?? inputs[0])) { [hasReLU] c in
            kernel_batch_norm(
                c.raw(inputs[0]), c.doubles(inputs[1]), c.floats(inputs[2]), c.floats(inputs[3]), c.floats(inputs[4]),
                residual.map(c.raw), c.raw(y), Int64(shape.elementCount / shape[-1]), Int64(shape[-1]), hasReLU ? 1 : 0, type)
        }
    }
}

/// Σdy and Σdy x̂ of each channel, in double: x, mean, rstd, scale, offset, dy → `[2, C]`.
struct BatchNormalizationGradientSums: Operation {
    let hasReLU: Bool
    var name: String { "batch norm gradient (sums)" }

    func outputTypes(_ inputs: [TensorType]) -> [TensorType] { [TensorType([2, inputs[0].shape[-1]], .float64)] }

    func lower(_ context: LoweringContext) {
        let inputs = context.inputTypes.indices.map(context.input), sums = context.output(0), shape = context.inputTypes[0].shape
        let type = context.inputTypes[0].dtype.kernelType
        context.emit(reads: inputs, writes: [sums]) { [hasReLU] c in
            kernel_batch_norm_gradient_sums(
                c.raw(inputs[0]), c.doubles(inputs[1]), c.floats(inputs[2]), c.floats(inputs[3]), c.floats(inputs[4]),
                c.raw(inputs[5]), c.doubles(sums), Int64(shape.elementCount / shape[-1]), Int64(shape[-1]), hasReLU ? 1 : 0, type)
        }
    }
}

/// x, mean, rstd, scale, offset, dy, and where the statistics are the batch's own the sums over it → dx.
struct BatchNormalizationGradient: Operation {
    /// The samples behind the batch's statistics; nil when they are fixed.
    let count: Int?
    let hasReLU: Bool
    var name: String { "batch norm gradient" }

    func outputTypes(_ inputs: [TensorType]) -> [TensorType] { [inputs[0]] }

    func lower(_ context: LoweringContext) {
        let inputs = context.inputTypes.indices.map(context.input), dx = context.output(0), shape = context.inputTypes[0].shape
        let type = context.inputTypes[0].dtype.kernelType
        context.emit(reads: inputs, writes: [dx], overwrites: (dx, inputs[5])) { [count, hasReLU] c in
            kernel_batch_norm_gradient(
                c.raw(inputs[0]), c.doubles(inputs[1]), c.floats(inputs[2]), c.floats(inputs[3]), c.floats(inputs[4]),
                c.raw(inputs[5]), count == nil ? nil : UnsafePointer(c.doubles(inputs[6])), Double(count ?? 0), c.raw(dx), Int64(shape.elementCount / shape[-1]),
                Int64(shape[-1]), hasReLU ? 1 : 0, type)
        }
    }
}

/// The two rows of sums in double as two vectors in float.
struct SplitSums: Operation {
    var name: String { "split sums" }
    var outputCount: Int { 2 }

    func outputTypes(_ inputs: [TensorType]) -> [TensorType] {
        Array(repeating: TensorType([inputs[0].shape[1]]), count: 2)
    }

    func lower(_ context: LoweringContext) {
        let sums = context.input(0), outputs = (0..<2).map(context.output), channels = context.inputTypes[0].shape[1]
        context.emit(reads: [sums], writes: outputs) { c in
            for row in 0..<2 {
                for channel in 0..<channels { c.floats(outputs[row])[channel] = Float(c.doubles(sums)[row * channels + channel]) }
            }
        }
    }
}

extension Tensor {
    /// Batch normalization of `[…, C]` by channel, plus a residual of the same shape, followed by a ReLU if asked.
    ///
    /// In a training graph with the statistics of the whole batch, over all shards; the running buffers then move towards them:
    /// `running ← (1 − momentum) running + momentum batch`, with the unbiased variance, as in PyTorch. In an evaluation graph, and where
    /// scale and offset are frozen, with the running statistics as they are.
    public func batchNorm(
        scale: Tensor, offset: Tensor, runningMean: Tensor, runningVariance: Tensor, momentum: Float = 0.1, epsilon: Float = 1e-5,
        residual: Tensor? = nil, relu: Bool = false
    ) -> Tensor {
        guard isValid, runningMean.isValid, runningVariance.isValid else { return self }
        func normalized(count: Int?, mean: Tensor, rstd: Tensor) -> Tensor {
            graph.record(BatchNormalization(count: count, hasReLU: relu), [self, mean, rstd, scale, offset] + (residual.map { [$0] } ?? []))[0]
        }
        if graph.mode == .training, !(graph.isFrozen(scale) && graph.isFrozen(offset)) {
            let count = shape.elementCount / Swift.max(shape[-1], 1) * graph.shardCount
            let moments = graph.record(one: ShardMoments(), graph.record(one: ChannelMoments(), self))
            // A layer that is called again moves on from where its last call left the running statistics.
            let running = [graph.newestValue(of: runningMean), graph.newestValue(of: runningVariance)]
            let momentum = graph.momentum(of: runningMean, usually: momentum)
            let statistics = graph.record(BatchStatistics(count: count, epsilon: epsilon, momentum: momentum), [moments] + running)
            graph.update(runningMean, to: statistics[2])
            graph.update(runningVariance, to: statistics[3])
            return normalized(count: count, mean: statistics[0], rstd: statistics[1])
        }
        let statistics = graph.record(FixedStatistics(epsilon: epsilon), [runningMean, runningVariance])
        return normalized(count: nil, mean: statistics[0], rstd: statistics[1])
    }
}
