import CKernels

/// The operand in another type: exactly from bfloat16 to float32, rounded to the nearest with ties to even the other way.
struct Cast: Operation {
    let dtype: DType
    var name: String { "cast" }

    func outputTypes(_ inputs: [TensorType]) throws(ShapeError) -> [TensorType] {
        guard inputs[0].dtype.isActivation, dtype.isActivation else { throw ShapeError("of \(inputs[0]) to \(dtype.rawValue): expected float32 or bfloat16") }
        return [TensorType(inputs[0].shape, dtype)]
    }

    func gradients(_ node: NodeReference, _ upstream: [Tensor?]) -> [Tensor?] { [upstream[0]?.cast(to: node.inputs[0].dtype)] }

    func lower(_ context: LoweringContext) {
        context.emitCast(from: context.input(0), context.inputTypes[0], to: context.output(0), dtype)
    }
}

extension Tensor {
    /// The same values as `dtype`, float32 or bfloat16.
    public func cast(to dtype: DType) -> Tensor { dtype == self.dtype ? self : graph.record(one: Cast(dtype: dtype), self) }

    /// What a matrix product or a convolution of this graph takes.
    func inGraphPrecision() -> Tensor { isValid && dtype == .float32 ? cast(to: graph.precision.dtype) : self }
}

extension DType {
    /// The type of what operands of several types become together: bfloat16 where one of them is.
    static func joined(_ types: [DType]) -> DType { types.contains(.bfloat16) ? .bfloat16 : types[0] }

    /// How C kernels call the type, which the shape rule of an op must have checked: they compute with no other.
    var kernelType: kernel_type {
        switch self {
        case .float32: KERNEL_FLOAT32
        case .bfloat16: KERNEL_BFLOAT16
        case .float64, .int32: preconditionFailure("no kernel takes \(rawValue) where it takes float32 or bfloat16")
        }
    }
}

extension LoweringContext {
    /// Emits the conversion of a buffer of `type` to `dtype`, which may be its own.
    func emitCast(from x: BufferID, _ type: TensorType, to y: BufferID, _ dtype: DType) {
        let n = Int64(type.shape.elementCount)
        switch (type.dtype, dtype) {
        case (.bfloat16, .float32): emit("cast", reads: [x], writes: [y]) { kernel_widen($0.bfloats(x), $0.floats(y), n) }
        case (.float32, .bfloat16): emit("cast", reads: [x], writes: [y]) { kernel_narrow($0.floats(x), $0.bfloats(y), n) }
        default: emit("copy", reads: [x], writes: [y]) { $0.raw(y).copyMemory(from: $0.raw(x), byteCount: type.byteCount) }
        }
    }

    /// The buffer of an input as `dtype`: a copy where it is of another.
    func input(_ index: Int, as dtype: DType) -> BufferID {
        let type = inputTypes[index], buffer = input(index)
        guard type.dtype != dtype else { return buffer }
        let copy = temporary(type.shape.elementCount * dtype.byteCount)
        emitCast(from: buffer, type, to: copy, dtype)
        return copy
    }

    /// Lets a kernel write an output in float32: `body` emits it, and what is bfloat16 is rounded after it.
    func withFloatOutput(_ index: Int, _ body: (BufferID) -> Void) {
        let type = outputTypes[index], buffer = output(index)
        guard type.dtype == .bfloat16 else { return body(buffer) }
        let floats = temporary(type.shape.elementCount * MemoryLayout<Float>.size)
        body(floats)
        emitCast(from: floats, TensorType(type.shape), to: buffer, .bfloat16)
    }
}
