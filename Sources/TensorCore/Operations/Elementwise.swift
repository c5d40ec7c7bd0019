import CKernels

/// The nonlinearities between layers.
public enum Activation: Sendable, Hashable, Codable {
    case identity, relu, tanh, sigmoid, softplus
    case leakyReLU(slope: Float)
    /// ReLU that ends at 6 (Krizhevsky 2010).
    case relu6
    /// x · relu6(x + 3) / 6, close to x σ(x) (Howard et al. 2019).
    case hardSwish
    /// x σ(x), also called swish with β = 1 (Elfwing et al. 2017; Ramachandran et al. 2017).
    case silu
    /// x σ(βx) (Ramachandran et al. 2017).
    case swish(beta: Float)
    /// x Φ(x) (Hendrycks and Gimpel 2016).
    case gelu
    /// GELU's approximation by a tanh (ibid.).
    case geluTanh
}

/// y = f(x), element by element.
struct Unary: Operation {
    let function: kernel_unary_op
    var parameter: Float = 0
    let name: String

    static let relu = Unary(function: KERNEL_RELU, name: "relu")

    /// Functions whose derivative is cheaper from y, which frees x.
    var savesOutput: Bool {
        switch function {
        case KERNEL_EXP, KERNEL_SQRT, KERNEL_RECIPROCAL, KERNEL_TANH, KERNEL_SIGMOID, KERNEL_RELU, KERNEL_RELU6: true
        default: false
        }
    }

    /// Functions whose derivative is made with y, for they share most of their work: a second output, which takes x's place in memory.
    var makesSlope: Bool { [KERNEL_SWISH, KERNEL_GELU, KERNEL_GELU_TANH].contains(function) }

    var outputCount: Int { makesSlope ? 2 : 1 }

    func outputTypes(_ inputs: [TensorType]) throws(ShapeError) -> [TensorType] {
        guard inputs[0].dtype.isActivation else { throw ShapeError("of \(inputs[0]): expected float32 or bfloat16") }
        return makesSlope ? inputs + inputs : inputs
    }

    func gradients(_ node: NodeReference, _ upstream: [Tensor?]) -> [Tensor?] {
        guard let dy = upstream[0] else { return [nil] }
        switch function {
        case KERNEL_ADD_SCALAR: return [dy]
        case KERNEL_MULTIPLY_SCALAR: return [dy * parameter]
        case _ where makesSlope:
            return [dy.graph.record(one: Binary(function: KERNEL_MULTIPLY, name: "\(name) gradient"), node.outputs[1], dy)]
        default:
            let saved = savesOutput ? node.outputs[0] : node.inputs[0]
            return [dy.graph.record(one: UnaryGradient(unary: self), saved, dy)]
        }
    }

    func lower(_ context: LoweringContext) {
        let x = context.input(0), y = context.output(0), n = context.outputTypes[0].shape.elementCount
        let type = context.inputTypes[0].dtype.kernelType
        if makesSlope, context.isUsed(output: 1) {
            let slope = context.output(1)
            return context.emit(reads: [x], writes: [y, slope], overwrites: (slope, x)) { [function, parameter] c in
                kernel_unary_with_slope(function, c.raw(x), c.raw(y), c.raw(slope), Int64(n), parameter, type)
            }
        }
        context.emit(reads: [x], writes: [y], overwrites: (y, x)) { [function, parameter] c in
            kernel_unary(function, c.raw(x), c.raw(y), Int64(n), parameter, type)
        }
    }
}

/// The saved operand or result, and the gradient of the result → the gradient of the operand.
struct UnaryGradient: Operation {
    let unary: Unary
    var name: String { "\(unary.name) gradient" }

    func outputTypes(_ inputs: [TensorType]) -> [TensorType] { [inputs[1]] }

    func lower(_ context: LoweringContext) {
        let saved = context.input(0), dy = context.input(1), dx = context.output(0)
        let n = context.outputTypes[0].shape.elementCount, type = context.outputTypes[0].dtype.kernelType
        context.emit(reads: [saved, dy], writes: [dx], overwrites: (dx, dy)) { [unary] c in
            kernel_unary_gradient(unary.function, c.raw(saved), c.raw(dy), c.raw(dx), Int64(n), unary.parameter, type)
        }
    }
}

extension Tensor {
    private func unary(_ function: kernel_unary_op, _ name: String, _ parameter: Float = 0) -> Tensor {
        graph.record(Unary(function: function, parameter: parameter, name: name), [self])[0]
    }

    /// eˣ of each element.
    public func exp() -> Tensor { unary(KERNEL_EXP, "exp") }
    /// The natural logarithm of each element.
    public func log() -> Tensor { unary(KERNEL_LOG, "log") }
    /// The square root of each element.
    public func sqrt() -> Tensor { unary(KERNEL_SQRT, "sqrt") }
    /// x² of each element.
    public func square() -> Tensor { unary(KERNEL_SQUARE, "square") }
    /// |x| of each element; its gradient at 0 is 0.
    public func abs() -> Tensor { unary(KERNEL_ABS, "abs") }
    /// 1/x of each element.
    public func reciprocal() -> Tensor { unary(KERNEL_RECIPROCAL, "reciprocal") }
    /// The hyperbolic tangent of each element.
    public func tanh() -> Tensor { unary(KERNEL_TANH, "tanh") }
    /// 1 / (1 + e⁻ˣ) of each element.
    public func sigmoid() -> Tensor { unary(KERNEL_SIGMOID, "sigmoid") }
    /// log(1 + eˣ) of each element.
    public func softplus() -> Tensor { unary(KERNEL_SOFTPLUS, "softplus") }
    /// max(x, 0) of each element.
    public func relu() -> Tensor { graph.record(one: Unary.relu, self) }
    /// x above 0, `slope` · x below, of each element.
    public func leakyReLU(slope: Float) -> Tensor { unary(KERNEL_LEAKY_RELU, "leaky relu", slope) }
    /// min(max(x, 0), 6) of each element.
    public func relu6() -> Tensor { unary(KERNEL_RELU6, "relu6") }
    /// x · min(max(x + 3, 0), 6) / 6 of each element.
    public func hardSwish() -> Tensor { unary(KERNEL_HARD_SWISH, "hard swish") }
    /// x σ(x) of each element.
    public func silu() -> Tensor { unary(KERNEL_SWISH, "silu", 1) }
    /// x σ(βx) of each element.
    public func swish(beta: Float) -> Tensor { unary(KERNEL_SWISH, "swish", beta) }
    /// x Φ(x) of each element, with the error function.
    public func gelu() -> Tensor { unary(KERNEL_GELU, "gelu") }
    /// GELU's approximation by a hyperbolic tangent, of each element.
    public func geluTanh() -> Tensor { unary(KERNEL_GELU_TANH, "gelu tanh") }
    /// x to a fixed exponent, element by element.
    public func power(_ exponent: Float) -> Tensor { unary(KERNEL_POWER, "power", exponent) }

    /// The activation of each element; for `identity` the tensor itself.
    public func activated(_ activation: Activation) -> Tensor {
        switch activation {
        case .identity: self
        case .relu: relu()
        case .tanh: tanh()
        case .sigmoid: sigmoid()
        case .softplus: softplus()
        case .leakyReLU(let slope): leakyReLU(slope: slope)
        case .relu6: relu6()
        case .hardSwish: hardSwish()
        case .silu: silu()
        case .swish(let beta): swish(beta: beta)
        case .gelu: gelu()
        case .geluTanh: geluTanh()
        }
    }

    /// −x of each element.
    public static prefix func - (x: Tensor) -> Tensor { x * -1 }
    /// A number added to each element.
    public static func + (x: Tensor, value: Float) -> Tensor { x.unary(KERNEL_ADD_SCALAR, "add", value) }
    /// A number subtracted from each element.
    public static func - (x: Tensor, value: Float) -> Tensor { x + (-value) }
    /// Each element times a number.
    public static func * (x: Tensor, value: Float) -> Tensor { x.unary(KERNEL_MULTIPLY_SCALAR, "multiply", value) }
    /// Each element divided by a number.
    public static func / (x: Tensor, value: Float) -> Tensor { x * (1 / value) }
    /// A number added to each element.
    public static func + (value: Float, x: Tensor) -> Tensor { x + value }
    /// A number minus each element.
    public static func - (value: Float, x: Tensor) -> Tensor { -x + value }
    /// Each element times a number.
    public static func * (value: Float, x: Tensor) -> Tensor { x * value }
    /// A number divided by each element.
    public static func / (value: Float, x: Tensor) -> Tensor { x.reciprocal() * value }
}
