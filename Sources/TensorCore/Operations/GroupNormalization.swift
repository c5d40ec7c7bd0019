import CKernels

// Group normalization (Wu and He 2018): an image is normalized by itself, so nothing crosses the shards but the sums of the parameters'
// gradients.

/// Mean (float64) and 1/√(var + ε) over the positions of an image and the channels of a group, once for every channel: `[B, …, C]` → twice
/// `[B, C]`. Its gradient is part of `GroupNormalization`'s.
struct GroupStatistics: Operation {
    let groups: Int
    let epsilon: Float
    var name: String { "group norm statistics" }
    var outputCount: Int { 2 }

    func outputTypes(_ inputs: [TensorType]) throws(ShapeError) -> [TensorType] {
        let x = inputs[0].shape
        guard x.rank >= 2, inputs[0].dtype.isActivation else { throw ShapeError("of \(inputs[0]): expected float32 or bfloat16 [batch, …, channels]") }
        guard groups > 0, x[-1] % groups == 0 else { throw ShapeError("of \(x): \(groups) groups do not divide \(x[-1]) channels") }
        return [TensorType([x[0], x[-1]], .float64), TensorType([x[0], x[-1]])]
    }

    func gradients(_ node: NodeReference, _ upstream: [Tensor?]) -> [Tensor?] { [nil] }

    func lower(_ context: LoweringContext) {
        let x = context.input(0), outputs = (0..<2).map(context.output), size = ImagesByChannel(context.inputTypes[0])
        let moments = context.temporary(3 * Int(size.channels) * MemoryLayout<Double>.size)
        context.emit(reads: [x], writes: outputs + [moments]) { [groups, epsilon] c in
            kernel_group_statistics(
                c.raw(x), c.doubles(moments), c.doubles(outputs[0]), c.floats(outputs[1]), size.images, size.positions, size.channels,
                Int64(groups), epsilon, size.type)
        }
    }
}

/// y = (x − mean) rstd ∘ scale + offset, and of that the positive part if asked: inputs x, mean, rstd, scale, offset.
struct GroupNormalization: Operation {
    let groups: Int
    var relu = false
    var name: String { "group norm" }

    /// One pass over memory gives y again, so the backward pass does not keep it; behind a ReLU it is kept, as it would be behind one of its own.
    var isRecomputed: Bool { !relu }

    func outputTypes(_ inputs: [TensorType]) throws(ShapeError) -> [TensorType] {
        let x = inputs[0].shape
        for parameter in inputs[3...] where parameter != TensorType([x[-1]]) {
            throw ShapeError("of \(x): expected scale and offset [\(x[-1])] in float32, found \(parameter)")
        }
        return [inputs[0]]
    }

    /// The gradient through the statistics is in dx, so mean and rstd get none.
    func gradients(_ node: NodeReference, _ upstream: [Tensor?]) -> [Tensor?] {
        guard let dy = upstream[0] else { return node.inputs.map { _ in nil } }
        let results = dy.graph.record(GroupNormalizationGradient(groups: groups, relu: relu), node.inputs + [dy])
        return [results[0], nil, nil, results[1], results[2]]
    }

    func lower(_ context: LoweringContext) {
        let inputs = context.inputTypes.indices.map(context.input), y = context.output(0), size = ImagesByChannel(context.inputTypes[0])
        context.emit(reads: inputs, writes: [y], overwrites: (y, inputs[0])) { [relu] c in
            kernel_group_norm(
                c.raw(inputs[0]), c.doubles(inputs[1]), c.floats(inputs[2]), c.floats(inputs[3]), c.floats(inputs[4]), c.raw(y),
                size.images, size.positions, size.channels, relu ? 1 : 0, size.type)
        }
    }
}

/// x, mean, rstd, scale, offset, dy → the gradients of x, scale and offset.
struct GroupNormalizationGradient: Operation {
    let groups: Int
    let relu: Bool
    var name: String { "group norm gradient" }
    var outputCount: Int { 3 }

    func outputTypes(_ inputs: [TensorType]) -> [TensorType] { [inputs[0], inputs[3], inputs[3]] }

    func lower(_ context: LoweringContext) {
        let inputs = context.inputTypes.indices.map(context.input), outputs = (0..<3).map(context.output)
        let size = ImagesByChannel(context.inputTypes[0])
        let sums = context.temporary(4 * Int(size.channels) * MemoryLayout<Double>.size)
        context.emit(reads: inputs, writes: outputs + [sums], overwrites: (outputs[0], inputs[5])) { [groups, relu] c in
            kernel_group_norm_gradient(
                c.raw(inputs[0]), c.doubles(inputs[1]), c.floats(inputs[2]), c.floats(inputs[3]), c.floats(inputs[4]), c.raw(inputs[5]),
                c.doubles(sums), c.raw(outputs[0]), c.floats(outputs[1]), c.floats(outputs[2]), size.images, size.positions, size.channels,
                Int64(groups), relu ? 1 : 0, size.type)
        }
    }
}

/// `[B, …, C]` as the kernels see it: images, positions, channels.
private struct ImagesByChannel {
    let images: Int64
    let positions: Int64
    let channels: Int64
    let type: kernel_type

    init(_ tensor: TensorType) {
        let shape = tensor.shape
        images = Int64(shape[0])
        positions = Int64(shape[1..<shape.rank - 1].reduce(1, *))
        channels = Int64(shape[-1])
        type = tensor.dtype.kernelType
    }
}

extension Tensor {
    /// Group normalization of `[B, …, C]`: with mean and variance over the positions of an image and the C / groups neighbouring channels
    /// of a group, then a scale and an offset `[C]` by channel. The same in training and in evaluation.
    ///
    /// One group normalizes over all of an image, as many groups as channels every channel of an image by itself.
    ///
    /// With `relu` what is negative becomes 0 in the same pass.
    ///
    /// Wu and He, "Group Normalization", ECCV 2018.
    public func groupNorm(groups: Int, scale: Tensor, offset: Tensor, epsilon: Float = 1e-5, relu: Bool = false) -> Tensor {
        let statistics = graph.record(GroupStatistics(groups: groups, epsilon: epsilon), [self])
        return graph.record(GroupNormalization(groups: groups, relu: relu), [self, statistics[0], statistics[1], scale, offset])[0]
    }
}
