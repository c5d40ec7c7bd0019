/// A function of each sample by itself in plain Swift, for what is compared and chosen and has no gradient: which box of an answer stands for which of the
/// truth. Equal ones compute the same.
public protocol SampleFunction: Sendable, Equatable {
    /// What it is called in errors, listings and profiles.
    var name: String { get }

    /// How many tensors it gives.
    var outputCount: Int { get }

    /// The shapes of what it gives for one sample, from those of its operands, or a `ShapeError` that goes on from its name.
    func outputShapes(_ inputs: [Shape]) throws(ShapeError) -> [Shape]

    /// How many multiply-adds one sample takes, as `check` shows them and caches of features judge what they save; 0 where the function is no part of a network.
    func multiplyAdds(_ inputs: [Shape]) -> Int

    /// Computes all elements of a sample's outputs from its inputs, in row-major order; may depend on nothing else. The memory is valid during the call.
    func compute(_ inputs: [UnsafePointer<Float>], _ outputs: [UnsafeMutablePointer<Float>])
}

extension SampleFunction {
    public var outputCount: Int { 1 }
    public func multiplyAdds(_ inputs: [Shape]) -> Int { 0 }

    /// Records one call: float32 `[B, …]`, all of one B → float32 `[B, …]`, which have no gradient.
    public func callAsFunction(_ tensors: Tensor...) -> [Tensor] { tensors[0].graph.record(SampleByItself(function: self), tensors) }
}

private struct SampleByItself<Function: SampleFunction>: Operation {
    let function: Function
    var name: String { function.name }
    var outputCount: Int { function.outputCount }

    func outputTypes(_ inputs: [TensorType]) throws(ShapeError) -> [TensorType] {
        guard let first = inputs.first?.shape, inputs.allSatisfy({ $0.dtype == .float32 && $0.shape.rank > 0 && $0.shape[0] == first[0] }) else {
            throw ShapeError("of \(inputs.map(\.description).joined(separator: ", ")): expected float32 with one number of samples")
        }
        return try function.outputShapes(inputs.map { Shape($0.shape.dropFirst()) }).map { TensorType(Shape([first[0]] + $0.dimensions)) }
    }

    func multiplyAdds(_ inputs: [TensorType], _ outputs: [TensorType]) -> Int {
        inputs[0].shape[0] * function.multiplyAdds(inputs.map { Shape($0.shape.dropFirst()) })
    }

    func gradients(_ node: NodeReference, _ upstream: [Tensor?]) -> [Tensor?] { node.inputs.map { _ in nil } }

    func lower(_ context: LoweringContext) {
        let inputs = context.inputTypes.indices.map { context.input($0) }, outputs = context.outputTypes.indices.map { context.output($0) }
        let count = context.inputTypes[0].shape[0]
        func lengths(_ types: [TensorType]) -> [Int] { types.map { $0.shape.elementCount / max(count, 1) } }
        let read = lengths(context.inputTypes), written = lengths(context.outputTypes)
        context.emit(reads: inputs, writes: outputs) { [function] c in
            for sample in 0..<count {
                function.compute(
                    zip(inputs, read).map { UnsafePointer(c.floats($0) + sample * $1) }, zip(outputs, written).map { c.floats($0) + sample * $1 })
            }
        }
    }
}
