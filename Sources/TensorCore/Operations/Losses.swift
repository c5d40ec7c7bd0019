import CKernels

/// −Σ q log softmax(x) of each row, q = (1 − smoothing) one-hot(label) + smoothing / C (Szegedy et al. 2016): logits `[…, C]`, int32
/// labels `[…]` → losses `[…]`, and the softmax for the backward pass.
struct CrossEntropy: Operation {
    let smoothing: Float
    var name: String { "softmax cross-entropy" }
    var outputCount: Int { 2 }

    func outputTypes(_ inputs: [TensorType]) throws(ShapeError) -> [TensorType] {
        let (logits, labels) = (inputs[0], inputs[1])
        guard logits.shape.rank >= 1, logits.dtype == .float32, labels.dtype == .int32, Shape(logits.shape.dropLast()) == labels.shape else {
            throw ShapeError("of \(logits) with labels \(labels): expected float32 logits […, classes] and int32 labels […]")
        }
        return [TensorType(labels.shape), logits]
    }

    func gradients(_ node: NodeReference, _ upstream: [Tensor?]) -> [Tensor?] {
        [upstream[0].map { $0.graph.record(one: CrossEntropyGradient(smoothing: smoothing), node.outputs[1], node.inputs[1], $0) }, nil]
    }

    func lower(_ context: LoweringContext) {
        let logits = context.input(0), labels = context.input(1), loss = context.output(0), probabilities = context.output(1)
        let shape = context.inputTypes[0].shape, rows = Int64(shape.elementCount / shape[-1]), columns = Int64(shape[-1])
        context.emit(reads: [logits, labels], writes: [loss, probabilities]) { [smoothing] c in
            kernel_cross_entropy(
                c.floats(logits), c.integers(labels), c.floats(loss), c.floats(probabilities), rows, columns, smoothing)
        }
    }
}

struct CrossEntropyGradient: Operation {
    let smoothing: Float
    var name: String { "softmax cross-entropy gradient" }

    func outputTypes(_ inputs: [TensorType]) -> [TensorType] { [inputs[0]] }

    func lower(_ context: LoweringContext) {
        let inputs = (0..<3).map(context.input), dx = context.output(0), shape = context.inputTypes[0].shape
        let rows = Int64(shape.elementCount / shape[-1]), columns = Int64(shape[-1])
        context.emit(reads: inputs, writes: [dx]) { [smoothing] c in
            kernel_cross_entropy_gradient(
                c.floats(inputs[0]), c.integers(inputs[1]), c.floats(inputs[2]), c.floats(dx), rows, columns, smoothing)
        }
    }
}

/// −t log p − (1 − t) log(1 − p) with logarithms cut at −100: p and t of one shape; the targets have no gradient.
struct BinaryCrossEntropy: Operation {
    var name: String { "binary cross-entropy" }

    func outputTypes(_ inputs: [TensorType]) throws(ShapeError) -> [TensorType] {
        guard inputs[0].dtype == .float32, inputs[0] == inputs[1] else {
            throw ShapeError("of \(inputs[0]) with targets \(inputs[1]): expected float32 of one shape")
        }
        return [inputs[0]]
    }

    func gradients(_ node: NodeReference, _ upstream: [Tensor?]) -> [Tensor?] {
        guard let dy = upstream[0] else { return [nil, nil] }
        let (p, t) = (node.inputs[0], node.inputs[1])
        // PyTorch's: where p is 0 or 1 the denominator does not vanish.
        return [dy * ((p - t) / (p * (1 - p)).maximum(p.graph.constant(1e-12))), nil]
    }

    func lower(_ context: LoweringContext) {
        let p = context.input(0), t = context.input(1), y = context.output(0), n = Int64(context.outputTypes[0].shape.elementCount)
        context.emit(reads: [p, t], writes: [y]) { c in kernel_binary_cross_entropy(c.floats(p), c.floats(t), c.floats(y), n) }
    }
}

extension Tensor {
    // Losses are float32 whatever their operands are.

    /// The cross-entropy of the softmax of these logits `[B, C]` with int32 labels `[B]`, for each sample: `[B]`.
    public func softmaxCrossEntropy(labels: Tensor, smoothing: Float = 0) -> Tensor {
        graph.record(CrossEntropy(smoothing: smoothing), [cast(to: .float32), labels])[0]
    }

    /// The same with a weight for each class, as PyTorch has it: `losses[i]` is `weights[labels[i]]` times the cross-entropy, and with smoothing its
    /// part of all classes is weighted by each class's own weight. The mean over a batch is Σ losses / Σ counts.
    ///
    /// - Parameter weights: one number above 0 for each class.
    /// - Returns: the losses `[B]`, and the weight of each sample `[B]`.
    public func softmaxCrossEntropy(labels: Tensor, weights: [Float], smoothing: Float = 0) -> (losses: Tensor, counts: Tensor) {
        let counts = graph.constant(HostTensor([weights.count, 1], weights)).gathered(labels).reshaped(labels.shape)
        let losses = softmaxCrossEntropy(labels: labels) * counts
        if smoothing == 0 { return (losses, counts) }
        let all = (cast(to: .float32).logSoftmax(axis: -1) * graph.constant(HostTensor([weights.count], weights))).sum(axes: [-1])
        return (losses * (1 - smoothing) - all * (smoothing / Float(weights.count)), counts)
    }

    /// The mean over everything but the first axis: a value for each sample.
    private func sampleMean() -> Tensor { rank > 1 ? mean(axes: Array(1..<rank)) : self }

    /// The mean squared error of each sample: `[B, …]` → `[B]`.
    public func meanSquaredError(_ target: Tensor) -> Tensor { (cast(to: .float32) - target.cast(to: .float32)).square().sampleMean() }

    /// −t log p − (1 − t) log(1 − p), averaged over each sample: `[B, …]` → `[B]`. Logarithms are cut at −100, as in PyTorch.
    public func binaryCrossEntropy(_ target: Tensor) -> Tensor {
        graph.record(one: BinaryCrossEntropy(), cast(to: .float32), target.cast(to: .float32)).sampleMean()
    }

    /// The binary cross-entropy of σ(x), averaged over each sample: max(x, 0) − x t + log(1 + e^−|x|).
    public func binaryCrossEntropyWithLogits(_ target: Tensor) -> Tensor {
        let x = cast(to: .float32)
        return (x.softplus() - x * target.cast(to: .float32)).sampleMean()
    }
}
