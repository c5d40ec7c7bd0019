import TensorCore
import TestSupport
import Testing

@testable import Layers

/// Layers' values and gradients against PyTorch.
struct LayerFixtureTests {
    static let cases = ["multi_head_attention", "transformer_block", "patch_embedding", "convolutional_stem", "shifted_patch"].flatMap { layer in
        (try? FixtureFile("layers.h5").cases(of: layer)) ?? []
    } + [
        "local_response_norm", "adaptive_average_pool", "ceil_max_pool", "squeeze_excitation", "feature_map_attention", "instance_norm",
        "transposed_convolution",
    ].flatMap { layer in
        (try? FixtureFile("convolutional_layers.h5").cases(of: layer)) ?? []
    }

    @Test func fixturesAreThere() {
        #expect(Set(Self.cases.map(\.operation)).count == 12)
    }

    @Test(arguments: cases)
    func valueAndGradientsMatchPyTorch(_ fixture: FixtureCase) throws {
        let graph = Graph(mode: .training)
        let x = graph.input("x", fixture.inputs[0].shape)
        let y = try record(fixture, x)
        let seed = graph.constant(fixture.outputGradients[0])
        let loss = (y * seed).sum(axes: Array(y.shape.indices)).shardSum()
        let found = gradients(of: loss, withRespectTo: [x] + graph.parameterTensors)
        try graph.validate()

        #expect(Set(graph.parameters.map(\.name)) == Set(fixture.parameters.keys))
        let store = ParameterStore(graph, seed: 0)
        for (name, value) in fixture.parameters.merging(fixture.buffers, uniquingKeysWith: { a, _ in a }) {
            #expect(store.set(value, named: name), "\(name) has the shape \(value.shape)")
        }
        let values = try evaluate([y] + found, feeding: [(x, fixture.inputs[0])], store: store)
        assertClose(values[0], fixture.outputs[0], "output")
        assertClose(values[1], fixture.gradients[0], "gradient of the input")
        for (parameter, gradient) in zip(graph.parameters, values.dropFirst(2)) {
            assertClose(gradient, try #require(fixture.parameterGradients[parameter.name]), "gradient of \(parameter.name)")
        }
        for (name, expected) in fixture.buffersAfter { assertClose(try #require(store.tensor(named: name)), expected, name) }
    }

    private func record(_ fixture: FixtureCase, _ x: Tensor) throws -> Tensor {
        let arguments = fixture.arguments, scope = x.graph.root
        func square(_ name: String) throws -> Size2D { Size2D(try arguments.integer(name), try arguments.integer(name)) }
        switch fixture.operation {
        case "local_response_norm":
            return LocalResponseNorm(
                size: try arguments.integer("size"), alpha: Float(try arguments.number("alpha")), beta: Float(try arguments.number("beta")),
                k: Float(try arguments.number("k")), in: scope)(x)
        case "adaptive_average_pool": return AdaptiveAveragePooling(try square("size"), in: scope)(x)
        case "ceil_max_pool":
            return Pooling(.maximum, window: try square("kernel"), stride: try square("stride"), padding: .roundingUp(try square("padding")), in: scope)(x)
        case "squeeze_excitation": return SqueezeExcitation(x.shape[3], inner: try arguments.integer("inner"), in: scope)(x)
        case "feature_map_attention":
            let map = try arguments.boolean("bias") ? Size2D(x.shape[1], x.shape[2]) : nil
            return FeatureMapAttention(channels: x.shape[3], heads: try arguments.integer("heads"), biasFor: map, in: scope)(x)
        case "instance_norm": return InstanceNorm(x.shape[3], isAffine: try arguments.boolean("affine"), in: scope["module"])(x)
        case "transposed_convolution":
            return TransposedConvolution2D(
                x.shape[3], try arguments.integer("outputs"), kernel: try square("kernel"), stride: try square("stride"), padding: try square("padding"),
                outputPadding: try square("output_padding"), initialization: .residual, in: scope["module"])(x)
        default: break
        }
        let width = try arguments.integer("width")
        var attention = MultiHeadAttention.Options()
        attention.isScaled = try arguments["scaled"] == nil || arguments.boolean("scaled")
        attention.isLocal = try arguments["local"] != nil && arguments.boolean("local")
        switch fixture.operation {
        case "multi_head_attention":
            return MultiHeadAttention(width: width, heads: try arguments.integer("heads"), options: attention, in: scope)(x)
        case "transformer_block":
            var options = TransformerBlock.Options()
            (options.attention, options.epsilon) = (attention, Float(try arguments.number("epsilon")))
            return TransformerBlock(
                width: width, heads: try arguments.integer("heads"), hidden: width * (try arguments.integer("mlp_ratio")), options: options, in: scope)(x)
        case "shifted_patch":
            return ShiftedPatchTokenization(channels: x.shape[3], patch: try arguments.integer("patch"), width: width, in: scope)(x)
        case "convolutional_stem":
            return ConvolutionalStem(channels: x.shape[3], patch: try arguments.integer("patch"), width: width, in: scope)(x)
        default:
            return PatchEmbedding(channels: x.shape[3], patch: try arguments.integer("patch"), width: width, in: scope)(x)
        }
    }

    /// big_vision's formula.
    @Test(arguments: try FixtureFile("layers.h5").cases(of: "sin_cos_2d"))
    func sineCosinePositions(_ fixture: FixtureCase) throws {
        let rows = try fixture.arguments.integer("height"), columns = try fixture.arguments.integer("width")
        let width = try fixture.arguments.integer("channels")
        let graph = Graph()
        let x = graph.input("x", [1, 1 + rows * columns, width])
        let y = PositionEmbedding(.sinCos, rows: rows, columns: columns, prefixTokens: 1, width: width, in: graph.root)(x)
        let sum = try evaluate([y], feeding: [(x, HostTensor(x.shape, repeating: Float(0)))])[0].floats
        #expect(sum.prefix(width).allSatisfy { $0 == 0 })
        assertClose(HostTensor(fixture.outputs[0].tensor.shape, Array(sum.dropFirst(width))), fixture.outputs[0], tolerance: 1e-7)
        #expect(graph.parameters.isEmpty)
    }
}
