import CKernels

/// y = (x − mean) / √(var + ε) ∘ scale + offset over the last axis (Ba, Kiros, Hinton 2016). Saves mean (float64) and
/// 1/√(var + ε) of each row.
struct LayerNormalization: Operation {
    let epsilon: Float
    let isAffine: Bool

    var name: String { "layer norm" }
    var outputCount: Int { 3 }

    func outputTypes(_ inputs: [TensorType]) throws(ShapeError) -> [TensorType] {
        let x = inputs[0].shape
        guard x.rank >= 1, inputs[0].dtype.isActivation else { throw ShapeError("of \(inputs[0]): expected float32 or bfloat16 with at least one axis") }
        for parameter in inputs.dropFirst() where parameter != TensorType([x[-1]]) {
            throw ShapeError("of \(x): expected scale and offset [\(x[-1])] in float32, found \(parameter)")
        }
        let rows = Shape(x.dropLast())
        return [inputs[0], TensorType(rows, .float64), TensorType(rows)]
    }

    func gradients(_ node: NodeReference, _ upstream: [Tensor?]) -> [Tensor?] {
        guard let dy = upstream[0] else { return node.inputs.map { _ in nil } }
        let scale = isAffine ? [node.inputs[1]] : []
        let results = dy.graph.record(
            LayerNormalizationGradient(isAffine: isAffine), [node.inputs[0], node.outputs[1], node.outputs[2], dy] + scale)
        return isAffine ? [results[0], results[1], results[2]] : [results[0]]
    }

    func lower(_ context: LoweringContext) {
        let inputs = context.inputTypes.indices.map(context.input), outputs = (0..<3).map(context.output)
        let columns = context.inputTypes[0].shape[-1], rows = context.outputTypes[1].shape.elementCount
        let type = context.inputTypes[0].dtype.kernelType
        // A residual addition in front comes along: its sum is input 0.
        let addition = context.addition, terms = addition?.terms ?? [inputs[0]]
        context.emit(
            addition == nil ? name : "add + \(name)", reads: terms + inputs.dropFirst(), writes: outputs + (addition.map { [$0.sum] } ?? []),
            overwrites: addition.map { ($0.sum, $0.terms[0]) }
        ) { [epsilon, isAffine] c in
            kernel_layer_norm(
                c.raw(terms[0]), addition == nil ? nil : c.raw(terms[1]), c.raw(inputs[0]), isAffine ? c.floats(inputs[1]) : nil,
                isAffine ? c.floats(inputs[2]) : nil, c.raw(outputs[0]), c.doubles(outputs[1]), c.floats(outputs[2]), Int64(rows),
                Int64(columns), epsilon, type)
        }
    }
}

struct LayerNormalizationGradient: Operation {
    let isAffine: Bool
    var name: String { "layer norm gradient" }
    var outputCount: Int { isAffine ? 3 : 1 }

    func outputTypes(_ inputs: [TensorType]) -> [TensorType] {
        [inputs[0]] + (isAffine ? [inputs[4], inputs[4]] : [])
    }

    func lower(_ context: LoweringContext) {
        let inputs = context.inputTypes.indices.map(context.input), sums = context.outputTypes.indices.dropFirst().map(context.output)
        let columns = context.inputTypes[0].shape[-1], rows = context.inputTypes[1].shape.elementCount
        let type = context.inputTypes[0].dtype.kernelType
        // The gradient that goes around the norm comes along, where dx is added to one.
        let addend = context.addition?.terms[0], dx = context.addition?.sum ?? context.output(0)
        let inDouble = isAffine ? context.temporary(2 * columns * MemoryLayout<Double>.size) : nil
        context.emit(
            addend == nil ? name : "\(name) + add", reads: inputs + (addend.map { [$0] } ?? []), writes: [dx] + sums + (inDouble.map { [$0] } ?? []),
            overwrites: (dx, addend ?? inputs[3])
        ) { [isAffine] c in
            kernel_layer_norm_gradient(
                c.raw(inputs[0]), isAffine ? c.floats(inputs[4]) : nil, c.doubles(inputs[1]), c.floats(inputs[2]), c.raw(inputs[3]),
                addend.map { c.raw($0) }, c.raw(dx), isAffine ? c.floats(sums[0]) : nil, isAffine ? c.floats(sums[1]) : nil,
                inDouble.map { c.doubles($0) }, Int64(rows), Int64(columns), type)
        }
    }
}

extension Tensor {
    /// Layer normalization over the last axis, with a scale and an offset or with neither.
    public func layerNorm(scale: Tensor? = nil, offset: Tensor? = nil, epsilon: Float) -> Tensor {
        precondition((scale == nil) == (offset == nil), "layerNorm takes a scale and an offset, or neither")
        let parameters = [scale, offset].compactMap(\.self)
        return graph.record(LayerNormalization(epsilon: epsilon, isAffine: scale != nil), [self] + parameters)[0]
    }
}
