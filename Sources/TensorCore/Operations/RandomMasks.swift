import CKernels

/// Zeroes elements, or whole samples, at random and scales what is left by 1 / (1 − rate). Nothing is stored: the backward pass draws
/// the same mask again.
struct RandomMask: Operation {
    let rate: Float
    let stream: PhiloxStream
    let wholeSamples: Bool

    var name: String { wholeSamples ? "drop path" : "dropout" }
    var isPerShard: Bool { true }

    func outputTypes(_ inputs: [TensorType]) throws(ShapeError) -> [TensorType] {
        guard inputs[0].shape.rank >= 1, inputs[0].dtype.isActivation else { throw ShapeError("of \(inputs[0]): expected float32 or bfloat16 [batch, …]") }
        guard rate >= 0, rate < 1 else { throw ShapeError("at a rate of \(rate): expected a rate from 0 up to but not 1") }
        return inputs
    }

    func gradients(_ node: NodeReference, _ upstream: [Tensor?]) -> [Tensor?] {
        [upstream[0].map { $0.graph.record(one: self, $0) }]
    }

    func lower(_ context: LoweringContext) {
        let x = context.input(0), y = context.output(0), shape = context.inputTypes[0].shape
        let samples = shape[0], elements = shape.elementCount / max(shape[0], 1)
        let key = [stream.key[0], stream.key[1]], type = context.inputTypes[0].dtype.kernelType
        context.emit(reads: [x], writes: [y], overwrites: (y, x)) { [rate, wholeSamples] c in
            let kernel = wholeSamples ? kernel_drop_path : kernel_dropout
            kernel(
                c.raw(x), c.raw(y), Int64(samples), Int64(elements), UInt64(c.shard * samples), UInt32(truncatingIfNeeded: c.step),
                key, rate, type)
        }
    }
}

extension Tensor {
    /// Dropout (Srivastava et al. 2014) in a training graph, nothing in an evaluation graph.
    public func dropout(rate: Float, stream: PhiloxStream) -> Tensor {
        graph.mode == .evaluation || rate == 0
            ? self : graph.record(one: RandomMask(rate: rate, stream: stream, wholeSamples: false), self)
    }

    /// Stochastic depth (Huang et al. 2016) in a training graph: samples of the first axis are dropped whole.
    public func dropPath(rate: Float, stream: PhiloxStream) -> Tensor {
        graph.mode == .evaluation || rate == 0
            ? self : graph.record(one: RandomMask(rate: rate, stream: stream, wholeSamples: true), self)
    }
}
