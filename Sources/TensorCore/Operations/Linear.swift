import COneDNN

/// y = x Wᵀ + b over the last axis: x `[…, in]`, W `[out, in]`, b `[out]`, y `[…, out]`. Parameters are float32; y has x's type.
struct Linear: Operation {
    let hasBias: Bool

    var name: String { "linear" }

    func outputTypes(_ inputs: [TensorType]) throws(ShapeError) -> [TensorType] {
        let (x, weight) = (inputs[0].shape, inputs[1].shape)
        guard inputs[0].dtype.isActivation, inputs.dropFirst().allSatisfy({ $0.dtype == .float32 }) else {
            throw ShapeError("of \(inputs[0]) with \(inputs[1]): expected float32 or bfloat16 with parameters in float32")
        }
        guard x.rank >= 1, weight.rank == 2 else { throw ShapeError("of \(x) with weights \(weight): expected weights [out, in]") }
        guard x[-1] == weight[1] else { throw ShapeError("of \(x) with weights \(weight): \(x[-1]) ≠ \(weight[1])") }
        if hasBias, inputs[2].shape != [weight[0]] {
            throw ShapeError("of \(x) with weights \(weight): expected a bias [\(weight[0])], found \(inputs[2].shape)")
        }
        return [TensorType(Shape(x.dropLast() + [weight[0]]), inputs[0].dtype)]
    }

    func multiplyAdds(_ inputs: [TensorType], _ outputs: [TensorType]) -> Int {
        outputs[0].shape.elementCount * inputs[1].shape[1]
    }

    func gradients(_ node: NodeReference, _ upstream: [Tensor?]) -> [Tensor?] {
        guard let dy = upstream[0] else { return node.inputs.map { _ in nil } }
        return gradients(of: node.inputs[0], node.inputs[1], dy, node.needsGradient)
    }

    /// The gradients that are needed, of x, W and b.
    func gradients(of x: Tensor, _ weight: Tensor, _ dy: Tensor, _ needsGradient: [Bool]) -> [Tensor?] {
        let rows = dy.reshaped([dy.shape.elementCount / dy.shape[-1], dy.shape[-1]])
        var result: [Tensor?] = [nil, nil]
        if needsGradient[0] { result[0] = dy.graph.record(one: LinearBackwardData(), dy, weight) }
        if needsGradient[1] {
            result[1] = rows.matmul(x.reshaped([rows.shape[0], x.shape[-1]]), transposeA: true, dtype: .float32)
        }
        if hasBias { result.append(needsGradient[2] ? rows.sum(axes: [0], dtype: .float32) : nil) }
        return result
    }

    func lower(_ context: LoweringContext) throws {
        let weight = context.inputTypes[1].shape
        try context.emitLinear(lengths: [weight[1], weight[0]], strides: [1, weight[1]], hasBias: hasBias)
    }
}

/// The gradient of a linear map with respect to x: dx = dy W.
struct LinearBackwardData: Operation {
    var name: String { "linear gradient (data)" }

    func outputTypes(_ inputs: [TensorType]) -> [TensorType] {
        [TensorType(Shape(inputs[0].shape.dropLast() + [inputs[1].shape[1]]), inputs[0].dtype)]
    }

    func lower(_ context: LoweringContext) throws {
        let weight = context.inputTypes[1].shape
        // Weights that fill a core's cache, and many rows whose columns do not fill the blocks of 64 of oneDNN's other kernel.
        let rows = context.inputTypes[0].shape.dropLast().reduce(1, *)
        let packs = weight.elementCount >= 1 << 18 || (rows >= 1024 && weight[1] % 64 != 0)
        try context.emitLinear(lengths: weight.dimensions, strides: weight.strides, hasBias: false, packs: packs)
    }
}

extension LoweringContext {
    /// Emits the product of input 0, as rows, with the matrix that is seen in input 1 through `lengths` and `strides`.
    ///
    /// For many rows, and in bfloat16, the matrix is brought once a step into panels, or into the layout that oneDNN likes best; else it is read where it
    /// lies.
    ///
    /// - Parameter packs: whether oneDNN's kernel in float32 packs both of them.
    fileprivate func emitLinear(lengths: [Int], strides: [Int], hasBias: Bool, packs: Bool = false) throws {
        if !packs, let product = PanelProduct(self, lengths: lengths, isTransposed: strides[0] == 1) { return product.emit(self, hasBias: hasBias) }
        let dtype = inputTypes[0].dtype, rows = inputTypes[0].shape.dropLast().reduce(1, *)
        // That costs as much as about 800 rows gain, and memory.
        let staysInPlace = dtype == .float32 && (packs || rows * shardCount < 3000)
        var a = onednn_tensor(lengths: [rows, lengths[0]], strides: [lengths[0], 1], dtype: dtype)
        var b = onednn_tensor(lengths: lengths, strides: staysInPlace ? strides : nil, dtype: dtype)
        var c = onednn_tensor(lengths: [rows, lengths[1]], strides: [lengths[1], 1], dtype: dtype)
        var bias = onednn_tensor(lengths: [1, lengths[1]], strides: [lengths[1], 1], dtype: .float32)
        let primitive = try Primitive("\(node.operation.name) of \(inputTypes[0].shape) with weights \(inputTypes[1].shape)") {
            let workers = Int32(workerCount)
            return if hasBias { onednn_matmul(&a, &b, &bias, &c, workers) }
                else if packs, dtype == .float32 { onednn_matmul_packing(&a, &b, &c, workers) }
                else { onednn_matmul(&a, &b, nil, &c, workers) }
        }
        let weight = input(1, in: primitive.layout(ofArgument: 1), lengths: lengths, strides: strides)
        let reads = [input(0), weight] + (hasBias ? [input(2)] : []), y = output(0)
        emit(primitive, reads: reads, writes: [y], arguments: reads + [y])
    }
}

extension Tensor {
    /// x Wᵀ + b with weights `[out, in]` and a bias `[out]`, in the graph's precision.
    public func linear(weight: Tensor, bias: Tensor? = nil) -> Tensor {
        graph.record(Linear(hasBias: bias != nil), [inGraphPrecision(), weight] + (bias.map { [$0] } ?? []))[0]
    }
}
