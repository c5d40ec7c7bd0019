/// The index of the largest value along the last axis, of equal ones the lowest, of NaN the first: float32 `[…, C]` → int32 `[…]`. Has no
/// gradient.
struct LargestIndex: Operation {
    var name: String { "largest index" }

    func outputTypes(_ inputs: [TensorType]) throws(ShapeError) -> [TensorType] {
        let shape = inputs[0].shape
        guard inputs[0].dtype == .float32, shape.rank >= 1, shape[-1] > 0 else {
            throw ShapeError("of \(inputs[0]): expected float32 […, classes]")
        }
        return [TensorType(Shape(shape.dropLast()), .int32)]
    }

    func lower(_ context: LoweringContext) {
        let x = context.input(0), y = context.output(0), shape = context.inputTypes[0].shape, columns = shape[-1]
        let rows = shape.elementCount / columns
        context.emit(reads: [x], writes: [y]) { c in
            let values = c.floats(x), indices = c.integers(y)
            for row in 0..<rows {
                let start = values + row * columns
                var best = 0
                // NaN, which is not equal to itself, stands for the largest, as in PyTorch.
                for column in 1..<columns where start[column] > start[best] || (start[column].isNaN && !start[best].isNaN) { best = column }
                indices[row] = Int32(best)
            }
        }
    }
}

/// 1 where two int32 tensors of one shape are equal, 0 elsewhere, in float32. Has no gradient.
struct IsEqual: Operation {
    var name: String { "is equal" }

    func outputTypes(_ inputs: [TensorType]) throws(ShapeError) -> [TensorType] {
        guard inputs[0].dtype == .int32, inputs[0] == inputs[1] else {
            throw ShapeError("of \(inputs[0]) and \(inputs[1]): expected int32 of one shape")
        }
        return [TensorType(inputs[0].shape)]
    }

    func lower(_ context: LoweringContext) {
        let a = context.input(0), b = context.input(1), y = context.output(0), count = context.outputTypes[0].shape.elementCount
        context.emit(reads: [a, b], writes: [y]) { c in
            let (left, right, equal) = (c.integers(a), c.integers(b), c.floats(y))
            for place in 0..<count { equal[place] = left[place] == right[place] ? 1 : 0 }
        }
    }
}

extension Tensor {
    /// The index of the largest value along the last axis, of equal ones the lowest, of NaN the first: `[…, C]` → int32 `[…]`. Has no gradient.
    public func indexOfLargest() -> Tensor { graph.record(one: LargestIndex(), cast(to: .float32)) }

    /// 1 where these int32 numbers equal `other` of the same shape, 0 elsewhere, in float32. Has no gradient.
    public func isEqual(to other: Tensor) -> Tensor { graph.record(one: IsEqual(), self, other) }
}
