import Configuration
import Layers
import TensorCore
import TestSupport
import Testing

@testable import Models

/// Every model: forward without NaN, a gradient for every parameter, names, cuts, modes.
struct ModelTests {
    private func images(_ batch: Int, seed: UInt64 = 1) -> HostTensor {
        var draws = PhiloxStream(seed: seed, name: "images").draws(time: 0, sample: 0)
        return HostTensor([batch, 28, 28, 1], (0..<batch * 784).map { _ in draws.uniform() })
    }

    private func parameters(_ json: String, _ input: ImageShape = ImageShape(height: 28, width: 28, channels: 1)) throws -> [String: Shape] {
        let graph = Graph()
        _ = try definition(json).record(graph.input("images", [1, input.height, input.width, input.channels]), classes: 10)
        try graph.validate()
        return Dictionary(uniqueKeysWithValues: graph.parameters.map { ($0.name, $0.shape) })
    }

    @Test(arguments: smallDefinitions)
    func everyParameterGetsAGradient(json: String) throws { try checkGradients(json, .fp32) }

    @Test(.needsBFloat16Units, arguments: smallDefinitions)
    func everyParameterGetsAGradientInBFloat16(json: String) throws { try checkGradients(json, .bf16) }

    private func checkGradients(_ json: String, _ precision: Precision) throws {
        let graph = Graph(mode: .training, shardCount: 2, seed: 5, precision: precision)
        let images = graph.input("images", [4, 28, 28, 1]), labels = graph.input("labels", [4], .int32)
        let logits = try definition(json).record(images, classes: 10).cast(to: .float32)
        #expect(logits.shape == [4, 10])
        let loss = logits.softmaxCrossEntropy(labels: labels).batchMean()
        let found = gradients(of: loss, withRespectTo: graph.parameterTensors)
        let store = ParameterStore(graph, seed: 5)
        for entry in store.entries {
            let initial = try #require(store.tensor(named: entry.name))
            #expect(initial.floats.allSatisfy { $0.isFinite }, "\(entry.name)")
            // A layer that starts at zero gives its inputs no gradient; disturb it.
            if initial.floats.allSatisfy({ $0 == 0 }) {
                var draws = PhiloxStream(seed: 1, name: entry.name).draws(time: 0, sample: 0)
                store.set(HostTensor(entry.shape, (0..<entry.count).map { _ in draws.uniform(-0.1, 0.1) }), named: entry.name)
            }
        }
        let values = try evaluate(
            [logits, loss] + found,
            feeding: [(images, self.images(8)), (labels, HostTensor([8], (0..<8).map(Int32.init)))], store: store)
        #expect(values[0].floats.allSatisfy { $0.isFinite })
        #expect(values[1].floats[0].isFinite)
        for (parameter, gradient) in zip(graph.parameters, values.dropFirst(2)) {
            #expect(gradient.floats.allSatisfy { $0.isFinite }, "\(parameter.name)")
            #expect(gradient.floats.contains { $0 != 0 }, "\(parameter.name) gets no gradient")
        }
    }

    /// In evaluation an image's logits depend on that image alone, and random layers are off.
    @Test(arguments: smallDefinitions)
    func evaluationIsByImage(json: String) throws {
        let model = try definition(json)
        func logits(_ images: HostTensor) throws -> HostTensor {
            let graph = Graph()
            let input = graph.input("images", images.shape)
            let logits = model.record(input, classes: 10)
            return try evaluate([logits], feeding: [(input, images)], store: ParameterStore(graph, seed: 5))[0]
        }
        let both = images(2)
        let second = HostTensor([1, 28, 28, 1], Array(both.floats.suffix(784)))
        let alone = try logits(second)
        assertClose(HostTensor([1, 10], Array(try logits(both).floats.suffix(10))), alone)
        #expect(Set(alone.floats).count > 1 || json.contains("logistic"))
    }

    /// The training graph and the evaluation graph of a model share one store.
    @Test(arguments: smallDefinitions)
    func bothModesDeclareTheSame(json: String) throws {
        let model = try definition(json)
        let names = [Graph.Mode.training, .evaluation].map { mode in
            let graph = Graph(mode: mode)
            _ = model.record(graph.input("images", [2, 28, 28, 1]), classes: 10)
            return (graph.parameters + graph.buffers).map { "\($0.name) \($0.shape)" }
        }
        #expect(names[0] == names[1])
    }

    // MARK: Names

    /// The reference networks of the fixtures have timm's and torchvision's names.
    @Test(arguments: [
        ("lenet5", #"{"lenet5": {}}"#),
        ("resnet20", #"{"resnet": {"depth": 20}}"#),
        ("vit", #"{"vit": {"patch": 7, "width": 32, "depth": 2, "heads": 2}}"#),
        ("hybrid", #"{"backbone": {"resnet": {"depth": 20, "width": 8, "cut_after": "stage2"}}, "transformer": {"width": 32, "depth": 2, "heads": 2}, "head": {"pool": "mean"}}"#),
    ])
    func namesAndShapesAreTheReferences(model: String, json: String) throws {
        let expected = try TrainingFixture(model).initialParameters.mapValues(\.shape)
        #expect(try parameters(json) == expected)
    }

    @Test func projectionShortcutsAndStems() throws {
        let option = try parameters(#"{"resnet": {"depth": 20, "shortcut": "B"}}"#)
        #expect(option["layer2.0.downsample.0.weight"] == [32, 16, 1, 1])
        #expect(option["layer2.0.downsample.1.bias"] == [32])
        #expect(option["layer1.0.downsample.0.weight"] == nil)
        #expect(option["layer2.1.downsample.0.weight"] == nil)
        #expect(try parameters(#"{"resnet": {"depth": 18}}"#)["conv1.weight"] == [64, 1, 3, 3])
        let large = ImageShape(height: 65, width: 65, channels: 3)
        #expect(try parameters(#"{"resnet": {"depth": 18}}"#, large)["conv1.weight"] == [64, 3, 7, 7])
        #expect(try parameters(#"{"resnet": {"depth": 18, "stem": "3x3"}}"#, large)["conv1.weight"] == [64, 3, 3, 3])
        #expect(try parameters(#"{"mlp": {"widths": [5, 4]}}"#).mapValues(\.dimensions) == [
            "fc1.weight": [5, 784], "fc1.bias": [5], "fc2.weight": [4, 5], "fc2.bias": [4], "fc3.weight": [10, 4], "fc3.bias": [10],
        ])
        #expect(try parameters(#""logistic_regression""#).mapValues(\.dimensions) == ["fc.weight": [10, 784], "fc.bias": [10]])
    }

    @Test func tokensAndPositionsAreDeclaredWhereTheyAreUsed() throws {
        let mean = try parameters(#"{"vit": {"patch": 4, "width": 16, "depth": 1, "heads": 2, "pool": "mean"}}"#)
        #expect(mean["cls_token"] == nil)
        #expect(mean["pos_embed"] == [1, 49, 16])
        let fixed = try parameters(#"{"vit": {"patch": 4, "width": 16, "depth": 1, "heads": 2, "position": "sincos"}}"#)
        #expect(fixed["cls_token"] == [1, 1, 16])
        #expect(fixed["pos_embed"] == nil)
    }

    /// What weight decay spares.
    @Test func rolesOfATransformersParameters() throws {
        let graph = Graph()
        let vit = try definition(#"{"vit": {"patch": 7, "width": 16, "depth": 1, "heads": 2}}"#)
        _ = vit.record(graph.input("images", [1, 28, 28, 1]), classes: 10)
        let weights = graph.parameters.filter { $0.role == .weight }.map(\.name)
        #expect(Set(weights) == [
            "patch_embed.proj.weight", "blocks.0.attn.qkv.weight", "blocks.0.attn.proj.weight", "blocks.0.mlp.fc1.weight",
            "blocks.0.mlp.fc2.weight", "head.weight",
        ])
    }

    // MARK: Initialization

    @Test func initialWeightsAreThePublishedOnes() throws {
        let graph = Graph()
        let vit = try definition(#"{"vit": {"patch": 4, "width": 96, "depth": 1, "heads": 2}}"#)
        _ = vit.record(graph.input("images", [1, 28, 28, 3]), classes: 10)
        let store = ParameterStore(graph, seed: 2)
        func deviation(_ name: String) throws -> Double {
            let values = try #require(store.tensor(named: name)).floats.map(Double.init)
            return (values.reduce(0) { $0 + $1 * $1 } / Double(values.count)).squareRoot()
        }
        for name in ["blocks.0.attn.qkv.weight", "blocks.0.attn.proj.weight", "blocks.0.mlp.fc1.weight", "blocks.0.mlp.fc2.weight", "pos_embed"] {
            #expect(abs(try deviation(name) / 0.02 - 1) < 0.06, "\(name)")
        }
        #expect(abs(try deviation("head.weight") / 0.02 - 1) < 0.12)
        #expect(abs(try deviation("cls_token") / 1e-6 - 1) < 0.3)
        #expect(abs(try deviation("patch_embed.proj.weight") / (1 / 48.0.squareRoot()) - 1) < 0.06)
        #expect(try deviation("blocks.0.attn.qkv.bias") == 0)
    }

    @Test func residualsCanStartAtZero() throws {
        let graph = Graph()
        let json = #"{"resnet": {"depth": 8, "width": 4, "zero_init_residual": true}}"#
        _ = try definition(json).record(graph.input("images", [1, 28, 28, 1]), classes: 10)
        let store = ParameterStore(graph, seed: 2)
        #expect(try #require(store.tensor(named: "layer1.0.bn2.weight")).floats == [0, 0, 0, 0])
        #expect(try #require(store.tensor(named: "layer1.0.bn1.weight")).floats == [1, 1, 1, 1])
    }

    // MARK: Cuts

    @Test(arguments: [
        ("lenet5", "{}", "stage1", [1, 14, 14, 6]), ("lenet5", "{}", "stage2", [1, 5, 5, 16]),
        ("resnet", #"{"depth": 8, "width": 4}"#, "stem", [1, 28, 28, 4]), ("resnet", #"{"depth": 8, "width": 4}"#, "stage1", [1, 28, 28, 4]),
        ("resnet", #"{"depth": 8, "width": 4}"#, "stage2", [1, 14, 14, 8]), ("resnet", #"{"depth": 8, "width": 4}"#, "stage3", [1, 7, 7, 16]),
        ("resnet", #"{"depth": 18, "width": 4, "stem": "7x7"}"#, "stem", [1, 7, 7, 4]),
        ("resnet", #"{"depth": 18, "width": 4}"#, "stage4", [1, 4, 4, 32]), ("plain", #"{"depth": 34, "width": 4}"#, "stage3", [1, 7, 7, 16]),
    ])
    func everyStageCanBeCutAfter(family: String, options: String, stage: String, shape: [Int]) throws {
        let network = try #require(try definition("{\"\(family)\": \(options)}").configuration as? any BackboneConfiguration)
        #expect(network.featureShape(input: ImageShape(height: 28, width: 28, channels: 1), after: stage) == Shape(shape))
        let hybrid = ModelDefinition(
            HybridConfiguration(backbone: BackboneDefinition(network, cutAfter: stage), transformer: TransformerConfiguration(width: 8, depth: 1, heads: 1)))
        let graph = Graph()
        let logits = hybrid.record(graph.input("images", [1, 28, 28, 1]), classes: 10)
        try graph.validate()
        #expect(logits.shape == [1, 10])
        // Nothing of the network after the cut, and its own head neither.
        let later = network.stageNames.drop { $0 != stage }.dropFirst().map { $0.replacing("stage", with: family == "lenet5" ? "conv" : "layer") }
        for parameter in graph.parameters where parameter.name.hasPrefix("backbone.") {
            #expect(!later.contains { parameter.name.contains($0) } && !parameter.name.contains("fc"), "\(parameter.name)")
        }
        #expect(graph.parameters.contains { $0.name.hasPrefix("backbone.conv1") })
    }

    // MARK: Blocks

    @Test(arguments: try FixtureFile("layers.h5").cases(of: "basic_block"))
    func basicBlocksMatchPyTorch(_ fixture: FixtureCase) throws {
        let graph = Graph(mode: .training)
        let x = graph.input("x", fixture.inputs[0].shape)
        let block = BasicBlock(
            x.shape[3], try fixture.arguments.integer("channels"), stride: try fixture.arguments.integer("stride"),
            shortcut: .init(rawValue: try fixture.arguments.text("shortcut")), in: graph.root)
        let y = block(x)
        let loss = (y * graph.constant(fixture.outputGradients[0])).sum(axes: [0, 1, 2, 3]).shardSum()
        let found = gradients(of: loss, withRespectTo: [x] + graph.parameterTensors)
        let store = ParameterStore(graph, seed: 0)
        #expect(Set(graph.parameters.map(\.name)) == Set(fixture.parameters.keys))
        for (name, value) in fixture.parameters.merging(fixture.buffers, uniquingKeysWith: { a, _ in a }) { #expect(store.set(value, named: name), "\(name)") }
        let values = try evaluate([y] + found, feeding: [(x, fixture.inputs[0])], store: store)
        assertClose(values[0], fixture.outputs[0], "output")
        assertClose(values[1], fixture.gradients[0], "gradient of the input")
        for (parameter, gradient) in zip(graph.parameters, values.dropFirst(2)) {
            assertClose(gradient, try #require(fixture.parameterGradients[parameter.name]), "gradient of \(parameter.name)")
        }
        for (name, expected) in fixture.buffersAfter { assertClose(try #require(store.tensor(named: name)), expected, name) }
    }

    /// Drop path rises over depth: the first block keeps every branch, so its graph has no such op.
    @Test func dropPathRisesOverDepth() throws {
        let graph = Graph(mode: .training)
        let vit = try definition(#"{"vit": {"patch": 14, "width": 8, "depth": 3, "heads": 1, "drop_path": 0.3}}"#)
        _ = vit.record(graph.input("images", [1, 28, 28, 1]), classes: 10)
        let paths = graph.layerSummary().filter { $0.kind == "drop path" }.map(\.path)
        #expect(paths == ["blocks.1.drop_path1", "blocks.1.drop_path2", "blocks.2.drop_path1", "blocks.2.drop_path2"])
    }
}
