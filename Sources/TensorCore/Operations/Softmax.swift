import CKernels

/// softmax(x) or its logarithm over the last axis.
struct Softmax: Operation {
    let isLogarithm: Bool
    var name: String { isLogarithm ? "log softmax" : "softmax" }

    func outputTypes(_ inputs: [TensorType]) throws(ShapeError) -> [TensorType] {
        guard inputs[0].shape.rank >= 1, inputs[0].dtype.isActivation else { throw ShapeError("of \(inputs[0]): expected float32 or bfloat16 with at least one axis") }
        return inputs
    }

    func gradients(_ node: NodeReference, _ upstream: [Tensor?]) -> [Tensor?] {
        [upstream[0].map { $0.graph.record(one: SoftmaxGradient(softmax: self), node.outputs[0], $0) }]
    }

    func lower(_ context: LoweringContext) {
        let x = context.input(0, as: .float32), shape = context.inputTypes[0].shape
        let rows = Int64(shape.elementCount / shape[-1]), columns = Int64(shape[-1])
        context.withFloatOutput(0) { y in
            context.emit(reads: [x], writes: [y], overwrites: (y, x)) { [isLogarithm] c in
                if isLogarithm {
                    kernel_log_softmax(c.floats(x), c.floats(y), rows, columns)
                } else {
                    kernel_softmax(c.floats(x), c.floats(y), rows, columns, 1)
                }
            }
        }
    }
}

/// The result and its gradient → the gradient of the operand.
struct SoftmaxGradient: Operation {
    let softmax: Softmax
    var name: String { "\(softmax.name) gradient" }

    func outputTypes(_ inputs: [TensorType]) -> [TensorType] { [inputs[0]] }

    func lower(_ context: LoweringContext) {
        let y = context.input(0, as: .float32), dy = context.input(1, as: .float32), shape = context.inputTypes[0].shape
        let rows = Int64(shape.elementCount / shape[-1]), columns = Int64(shape[-1])
        context.withFloatOutput(0) { dx in
            context.emit(reads: [y, dy], writes: [dx], overwrites: (dx, dy)) { [softmax] c in
                if softmax.isLogarithm {
                    kernel_log_softmax_gradient(c.floats(y), c.floats(dy), c.floats(dx), rows, columns)
                } else {
                    kernel_softmax_gradient(c.floats(y), c.floats(dy), c.floats(dx), rows, columns, 1, KERNEL_FLOAT32)
                }
            }
        }
    }
}

extension Tensor {
    private func softmax(isLogarithm: Bool, axis: Int) -> Tensor {
        let axis = axis < 0 ? axis + rank : axis
        guard shape.indices.contains(axis), axis != rank - 1 else { return graph.record(one: Softmax(isLogarithm: isLogarithm), self) }
        var permutation = Array(shape.indices)
        permutation.swapAt(axis, rank - 1)
        return graph.record(one: Softmax(isLogarithm: isLogarithm), transposed(permutation)).transposed(permutation)
    }

    /// e^x / Σ e^x along an axis.
    public func softmax(axis: Int = -1) -> Tensor { softmax(isLogarithm: false, axis: axis) }

    /// x − log Σ e^x along an axis.
    public func logSoftmax(axis: Int = -1) -> Tensor { softmax(isLogarithm: true, axis: axis) }
}
