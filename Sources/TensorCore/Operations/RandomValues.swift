import CKernels

/// Numbers drawn for each sample, float32 `[B] + shape`. The draws of a sample depend on the stream, the step and the sample's place in the batch alone.
struct RandomValues: Operation {
    enum Distribution: Hashable {
        /// Mean 0, variance 1.
        case normal
        /// From 0 up to 1.
        case uniform
        /// 1 with this probability, else 0.
        case bernoulli(probability: Float)
    }

    let distribution: Distribution
    /// Of one sample.
    let shape: Shape
    let stream: PhiloxStream

    var name: String { "random values" }
    var isPerShard: Bool { true }

    func outputTypes(_ inputs: [TensorType]) throws(ShapeError) -> [TensorType] {
        guard inputs[0].shape.rank > 0 else { throw ShapeError("of \(inputs[0]): expected [batch, …]") }
        return [TensorType(Shape([inputs[0].shape[0]] + shape.dimensions))]
    }

    func gradients(_ node: NodeReference, _ upstream: [Tensor?]) -> [Tensor?] { [nil] }

    func lower(_ context: LoweringContext) {
        let y = context.output(0), samples = context.inputTypes[0].shape[0], elements = shape.elementCount
        let key = [stream.key[0], stream.key[1]]
        context.emit(reads: [], writes: [y]) { [distribution] c in
            let (kind, probability): (kernel_random_kind, Float) =
                switch distribution {
                case .normal: (KERNEL_NORMAL, 0)
                case .uniform: (KERNEL_UNIFORM, 0)
                case .bernoulli(let probability): (KERNEL_BERNOULLI, probability)
                }
            kernel_random(
                kind, c.floats(y), Int64(samples), Int64(elements), UInt64(c.shard * samples), UInt32(truncatingIfNeeded: c.step), key, probability)
        }
    }
}

extension Tensor {
    private func random(_ distribution: RandomValues.Distribution, _ shape: Shape, _ stream: PhiloxStream) -> Tensor {
        graph.record(one: RandomValues(distribution: distribution, shape: shape, stream: stream), self)
    }

    /// Numbers of mean 0 and variance 1 for each sample of this tensor `[B, …]`: float32 `[B] + shape`.
    public func randomNormal(_ shape: Shape, stream: PhiloxStream) -> Tensor { random(.normal, shape, stream) }
    /// Numbers from 0 up to 1 for each sample of this tensor `[B, …]`: float32 `[B] + shape`.
    public func randomUniform(_ shape: Shape, stream: PhiloxStream) -> Tensor { random(.uniform, shape, stream) }
    /// 1 with a probability, else 0, for each sample of this tensor `[B, …]`: float32 `[B] + shape`.
    public func randomChoices(_ shape: Shape, probability: Float, stream: PhiloxStream) -> Tensor { random(.bernoulli(probability: probability), shape, stream) }
}
