import TensorCore
import TestSupport
import Testing

/// Every op's value and gradient against PyTorch.
struct OperationFixtureTests {
    static let file = Result { try FixtureFile("operations.h5") }
    static let cases = (try? file.get().cases()) ?? []
    static let bfloat16File = Result { try FixtureFile("operations_bf16.h5") }
    static let bfloat16Cases = (try? bfloat16File.get().cases()) ?? []

    static let volumeCases = (try? FixtureFile("volumes.h5").cases()) ?? []
    static let bfloat16VolumeCases = (try? FixtureFile("volumes_bf16.h5").cases()) ?? []

    @Test func fixturesAreThere() throws {
        #expect(Self.volumeCases.count == 26 && Self.bfloat16VolumeCases.count == 19)
        #expect(try Self.file.get().cases().count > 150)
        #expect(try Self.bfloat16File.get().operations() == Self.file.get().operations())
    }

    /// Ops that are not smooth, divide by small numbers or cancel are as exact as the formula in float32 allows, which the fixture's
    /// magnitudes account for; all have the same tolerance.
    @Test(arguments: cases + volumeCases)
    func valueAndGradientMatchPyTorch(_ fixture: FixtureCase) throws {
        try check(fixture, .fp32, tolerance: 1e-5)
    }

    /// The same for operands that are bfloat16 numbers, with parameters in float32. Its unit of rounding is 2⁻⁸. Most ops round their
    /// result alone, but none more than three times in a row: variance the mean, the differences and the result, attention's gradient the
    /// probabilities, the scores' gradient and the result, tanh's gradient y, in two factors, and the result.
    @Test(.needsBFloat16Units, arguments: bfloat16Cases + bfloat16VolumeCases)
    func valueAndGradientMatchPyTorchInBFloat16(_ fixture: FixtureCase) throws {
        try check(fixture, .bf16, tolerance: 3 * 0x1p-8)
    }

    /// How many of an op's operands flow between ops; those after them are parameters.
    private func activationCount(_ fixture: FixtureCase) -> Int {
        switch fixture.operation {
        case "linear", "conv2d", "conv3d", "conv_transpose2d", "layer_norm", "rms_norm", "batch_norm", "group_norm", "instance_norm", "global_response_norm": 1
        case "attention": 3
        default: fixture.inputs.count
        }
    }

    private func check(_ fixture: FixtureCase, _ precision: Precision, tolerance: Double) throws {
        let isTraining = try fixture.operation == "attention" || fixture.operation == "batch_norm" && fixture.arguments.boolean("training")
        let graph = Graph(mode: isTraining ? .training : .evaluation, precision: precision)
        let leaves = fixture.inputs.enumerated().map { index, value in
            // Running statistics are buffers of a module, everything else is fed.
            fixture.operation == "batch_norm" && index >= 3
                ? graph.root.buffer(index == 3 ? "running_mean" : "running_variance", value.shape, initialValue: 0)
                : graph.input("\(index)", value.shape, value.dtype)
        }
        let operands = leaves.enumerated().map { index, leaf in
            index < activationCount(fixture) && leaf.dtype == .float32 ? leaf.cast(to: precision.dtype) : leaf
        }
        let outputs = try record(fixture, operands)
        let seeds = fixture.outputGradients.map { graph.constant($0) }
        let loss = zip(outputs, seeds)
            .map { output, seed in (output * seed).sum(axes: Array(output.shape.indices)).shardSum() }
            .reduce(nil as Tensor?) { sum, next in sum.map { $0 + next } ?? next }
        let wanted = Array(leaves.prefix(fixture.gradients.count))
        let results = outputs + (loss.map { gradients(of: $0, withRespectTo: wanted) } ?? [])

        let store = ParameterStore(graph, seed: 0)
        if fixture.operation == "batch_norm" {
            store.set(fixture.inputs[3], named: "running_mean")
            store.set(fixture.inputs[4], named: "running_variance")
        }
        let fed = zip(leaves, fixture.inputs).prefix(fixture.operation == "batch_norm" ? 3 : leaves.count)
        let step = fixture.arguments["step"] == nil ? 0 : UInt64(try fixture.arguments.integer("step"))
        let values = try evaluate(results, feeding: Array(fed), store: store, step: step)
        for (index, expected) in (fixture.outputs + fixture.gradients).enumerated() {
            let what = index < outputs.count ? "output \(index)" : "gradient \(index - outputs.count)"
            assertClose(values[index], expected, tolerance: tolerance, what)
        }
        for (name, expected) in fixture.extra {
            let buffer = try #require(store.tensor(named: name))
            assertClose(buffer, expected, tolerance: tolerance, name)
        }
    }

    private func record(_ fixture: FixtureCase, _ leaves: [Tensor]) throws -> [Tensor] {
        let arguments = fixture.arguments, x = leaves[0]
        func size(_ name: String) throws -> Size2D {
            let values = try arguments.integers(name)
            return Size2D(values[0], values[1])
        }
        func padding() throws -> Padding2D {
            switch arguments["padding"] {
            case .text("valid"): return .valid
            case .text("same"): return .same
            default:
                let values = try arguments.integers("padding")
                return .explicit(top: values[0], bottom: values[1], left: values[2], right: values[3])
            }
        }
        func size3D(_ name: String) throws -> Size3D {
            let values = try arguments.integers(name)
            return Size3D(values[0], values[1], values[2])
        }
        func padding3D() throws -> Padding3D {
            switch arguments["padding"] {
            case .text("valid"): return .valid
            case .text("same"): return .same
            default:
                let values = try arguments.integers("padding")
                return .explicit(before: Size3D(values[0], values[2], values[4]), after: Size3D(values[1], values[3], values[5]))
            }
        }
        func number(_ name: String) throws -> Float { Float(try arguments.number(name)) }

        switch fixture.operation {
        case "add": return [x + leaves[1]]
        case "subtract": return [x - leaves[1]]
        case "multiply": return [x * leaves[1]]
        case "divide": return [x / leaves[1]]
        case "maximum": return [x.maximum(leaves[1])]
        case "minimum": return [x.minimum(leaves[1])]
        case "negate": return [-x]
        case "exp": return [x.exp()]
        case "log": return [x.log()]
        case "sqrt": return [x.sqrt()]
        case "square": return [x.square()]
        case "abs": return [x.abs()]
        case "reciprocal": return [x.reciprocal()]
        case "tanh": return [x.activated(.tanh)]
        case "sigmoid": return [x.activated(.sigmoid)]
        case "relu": return [x.activated(.relu)]
        case "relu6": return [x.activated(.relu6)]
        case "hard_swish": return [x.activated(.hardSwish)]
        case "silu": return [x.activated(.silu)]
        case "gelu": return [x.activated(.gelu)]
        case "gelu_tanh": return [x.activated(.geluTanh)]
        case "softplus": return [x.activated(.softplus)]
        case "leaky_relu": return [x.activated(.leakyReLU(slope: try number("slope")))]
        case "swish": return [x.activated(.swish(beta: try number("beta")))]
        case "power": return [x.power(try number("exponent"))]
        case "matmul":
            return [x.matmul(leaves[1], transposeA: try arguments.boolean("transpose_a"), transposeB: try arguments.boolean("transpose_b"))]
        case "linear": return [x.linear(weight: leaves[1], bias: try arguments.boolean("bias") ? leaves[2] : nil)]
        case "conv2d":
            return [
                x.convolution2D(
                    weight: leaves[1], bias: try arguments.boolean("bias") ? leaves[2] : nil, stride: try size("stride"),
                    padding: try padding(), dilation: try size("dilation"), groups: try arguments.integer("groups"),
                    border: try #require(Border(rawValue: try arguments.text("border"))))
            ]
        case "conv3d":
            return [
                x.convolution3D(
                    weight: leaves[1], bias: try arguments.boolean("bias") ? leaves[2] : nil, stride: try size3D("stride"), padding: try padding3D(),
                    dilation: try size3D("dilation"), groups: try arguments.integer("groups"))
            ]
        case "max_pool3d": return [x.maxPool3D(window: try size3D("kernel"), stride: try size3D("stride"), padding: try padding3D())]
        case "average_pool3d":
            return [
                x.averagePool3D(
                    window: try size3D("kernel"), stride: try size3D("stride"), padding: try padding3D(),
                    countsPadding: try arguments.boolean("count_include_pad"))
            ]
        case "conv_transpose2d":
            func square(_ name: String) throws -> Size2D { Size2D(try arguments.integer(name), try arguments.integer(name)) }
            return [
                x.transposedConvolution2D(
                    weight: leaves[1], bias: try arguments.boolean("bias") ? leaves[2] : nil, stride: try square("stride"),
                    padding: try square("padding"), outputPadding: try square("output_padding"), dilation: try square("dilation"),
                    groups: try arguments.integer("groups"))
            ]
        case "resize":
            let interpolation = try #require(Interpolation(rawValue: try arguments.text("mode")))
            return [x.resized(to: try size("size"), interpolation, antialias: try arguments.boolean("antialias"))]
        case "channel_shuffle": return [x.channelsShuffled(groups: try arguments.integer("groups"))]
        case "rms_norm": return [x.rootMeanSquareNorm(scale: leaves[1], epsilon: try number("epsilon"))]
        case "roll": return [x.rolled(axis: try arguments.integer("axis"), by: try arguments.integer("distance"))]
        case "instance_norm": return [x.groupNorm(groups: x.shape[3], scale: leaves[1], offset: leaves[2], epsilon: try number("epsilon"))]
        case "global_response_norm": return [x.globalResponseNorm(scale: leaves[1], offset: leaves[2], epsilon: try number("epsilon"))]
        case "max_pool": return [x.maxPool(window: try size("kernel"), stride: try size("stride"), padding: try padding())]
        case "min_pool": return [x.minPool(window: try size("kernel"), stride: try size("stride"), padding: try padding())]
        case "average_pool":
            return [
                x.averagePool(
                    window: try size("kernel"), stride: try size("stride"), padding: try padding(),
                    countsPadding: try arguments.boolean("count_include_pad"))
            ]
        case "global_average_pool": return [x.globalAveragePool()]
        case "global_max_pool": return [x.globalMaxPool()]
        case "layer_norm":
            let isAffine = try arguments.boolean("affine")
            return [x.layerNorm(scale: isAffine ? leaves[1] : nil, offset: isAffine ? leaves[2] : nil, epsilon: try number("epsilon"))]
        case "group_norm":
            return [x.groupNorm(groups: try arguments.integer("groups"), scale: leaves[1], offset: leaves[2], epsilon: try number("epsilon"))]
        case "batch_norm":
            return [
                x.batchNorm(
                    scale: leaves[1], offset: leaves[2], runningMean: leaves[3], runningVariance: leaves[4],
                    momentum: try number("momentum"), epsilon: try number("epsilon"))
            ]
        case "softmax": return [x.softmax(axis: try arguments.integer("axis"))]
        case "log_softmax": return [x.logSoftmax(axis: try arguments.integer("axis"))]
        case "cross_entropy": return [x.softmaxCrossEntropy(labels: leaves[1], smoothing: try number("label_smoothing")).batchMean()]
        case "mean_squared_error": return [x.meanSquaredError(leaves[1]).batchMean()]
        case "binary_cross_entropy": return [x.binaryCrossEntropy(leaves[1]).batchMean()]
        case "binary_cross_entropy_with_logits": return [x.binaryCrossEntropyWithLogits(leaves[1]).batchMean()]
        case "scaled_dot_product_attention":
            let scale = arguments["scale"] == nil ? nil : try number("scale")
            return [Tensor.scaledDotProductAttention(query: x, key: leaves[1], value: leaves[2], scale: scale)]
        case "self_attention":
            let scale = arguments["scale"] == nil ? nil : try number("scale")
            return [x.selfAttention(heads: try arguments.integer("heads"), scale: scale)]
        case "attention":
            var more = leaves.dropFirst(3)
            let scale = try arguments.boolean("scale") ? more.removeFirst() : nil, bias = try arguments.boolean("bias") ? more.removeFirst() : nil
            let rate = try number("dropout"), stream = PhiloxStream(key: SIMD2(try arguments.integers("key").map { UInt32($0) }))
            return [.attention(query: x, key: leaves[1], value: leaves[2], scale: scale, bias: bias, dropout: rate > 0 ? (rate, stream) : nil)]
        case "sum", "mean", "max", "variance":
            let axes = try arguments.integers("axes"), keeps = try arguments.boolean("keep_dimensions")
            return switch fixture.operation {
            case "sum": [x.sum(axes: axes, keepsAxes: keeps)]
            case "mean": [x.mean(axes: axes, keepsAxes: keeps)]
            case "max": [x.max(axes: axes, keepsAxes: keeps)]
            default: [x.variance(axes: axes, keepsAxes: keeps)]
            }
        case "reshape": return [x.reshaped(Shape(try arguments.integers("shape")))]
        case "broadcast_to": return [x.broadcast(to: Shape(try arguments.integers("shape")))]
        case "transpose": return [x.transposed(try arguments.integers("permutation"))]
        case "concatenate": return [Tensor.concatenated(leaves, axis: try arguments.integer("axis"))]
        case "split":
            let axis = try arguments.integer("axis")
            var start = 0
            return try arguments.integers("sizes").map { size in
                defer { start += size }
                return x.sliced(axis: axis, start..<start + size)
            }
        case "slice":
            let starts = try arguments.integers("starts"), ends = try arguments.integers("ends"), steps = try arguments.integers("steps")
            return [starts.indices.reduce(x) { $0.sliced(axis: $1, starts[$1]..<ends[$1], step: steps[$1]) }]
        case "pad":
            let values = try arguments.integers("padding")
            let mode: PaddingMode = try arguments.text("mode") == "reflect" ? .reflect : .constant(try number("value"))
            return [x.padded(before: [0, values[0], values[2], 0], after: [0, values[1], values[3], 0], mode: mode)]
        case "gather": return [x.gathered(leaves[1])]
        default:
            Issue.record("no op for the fixture \(fixture.operation)")
            return [x]
        }
    }
}
