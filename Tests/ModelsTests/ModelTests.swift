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
        _ = try definition(json).logits(graph.input("images", [1, input.height, input.width, input.channels]))
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
        let logits = try definition(json).logits(images).cast(to: .float32)
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
            let logits = model.logits(input)
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
            _ = model.logits(graph.input("images", [2, 28, 28, 1]))
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
        ("swin", #"{"swin": {"blocks": [2, 2], "width": 16, "heads": [2, 4], "window": 4, "patch": 2, "mlp_ratio": 2}}"#),
        ("cct", #"{"cct": {"convolutions": 2, "width": 32, "depth": 2, "heads": 2, "mlp_ratio": 1}}"#),
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
        #expect(try parameters(#"{"mlp": {"width": 6, "depth": 3}}"#) == parameters(#"{"mlp": {"widths": [6, 6, 6]}}"#))
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

    /// 1×1 after the last convolution is the projection of a patch embedding; all else is as with patches.
    @Test(arguments: [ImageShape(height: 28, width: 28, channels: 1), ImageShape(height: 12, width: 20, channels: 3)])
    func convolutionalStemsMakeAsManyTokens(input: ImageShape) throws {
        let rest = #""patch": 4, "width": 16, "depth": 1, "heads": 2"#
        var patches = try parameters("{\"vit\": {\(rest)}}", input), convolutions = try parameters("{\"vit\": {\(rest), \"stem\": \"convolutions\"}}", input)
        #expect(patches["pos_embed"] == [1, 1 + input.height / 4 * input.width / 4, 16])
        func removeStem(_ parameters: inout [String: Shape]) -> [String: [Int]] {
            let stem = parameters.filter { $0.key.hasPrefix("patch_embed") }
            for name in stem.keys { parameters[name] = nil }
            return stem.mapValues(\.dimensions)
        }
        #expect(removeStem(&patches) == ["patch_embed.proj.weight": [16, input.channels, 4, 4], "patch_embed.proj.bias": [16]])
        #expect(removeStem(&convolutions) == [
            "patch_embed.stem.0.conv.weight": [8, input.channels, 3, 3], "patch_embed.stem.0.bn.weight": [8], "patch_embed.stem.0.bn.bias": [8],
            "patch_embed.stem.1.conv.weight": [16, 8, 3, 3], "patch_embed.stem.1.bn.weight": [16], "patch_embed.stem.1.bn.bias": [16],
            "patch_embed.proj.weight": [16, 16, 1, 1], "patch_embed.proj.bias": [16],
        ])
        #expect(patches == convolutions)
    }

    /// Whoever skips the reading of a definition is told while recording.
    @Test(arguments: [
        (6, 16, 12, "patch_embed: convolutions halve the image one after another, which takes a patch of 2, 4, 8 or a higher power of two, found 6"),
        (4, 15, 12, "patch_embed: convolutions for a patch of 4 double their channels up to the width, which must be a multiple of 2, found 15"),
        (4, 16, 14, "patch_embed: the patch 4 does not divide 14×14"),
    ])
    func convolutionalStemsThatDoNotFit(patch: Int, width: Int, size: Int, message: String) throws {
        let graph = Graph()
        let transformer = TransformerConfiguration(width: width, depth: 1, heads: 1)
        let vit = ModelDefinition(VisionTransformerConfiguration(patch: patch, stem: .convolutions, transformer))
        _ = vit.logits(graph.input("images", [1, size, size, 1]))
        let error = #expect(throws: RecordingError.self) { try graph.validate() }
        #expect(error.map { "\($0)" } == message)
    }

    /// 1/√d is left out in every block, in a hybrid's too, and nothing else changes: queries that are smaller by √d make up for it.
    @Test(arguments: [
        #"{"vit": {"patch": 7, "width": 32, "depth": 2, "heads": 2, "attention_scale": SCALE}}"#,
        #"{"backbone": {"lenet5": {"cut_after": "stage1"}}, "tokens": {"patch": 7}, "transformer": {"width": 32, "depth": 2, "heads": 2, "attention_scale": SCALE}}"#,
    ])
    func attentionWithoutScale(json: String) throws {
        func logits(scaled: Bool, queriesTimes factor: Float) throws -> HostTensor {
            let graph = Graph(), images = self.images(2)
            let input = graph.input("images", images.shape)
            let logits = try definition(json.replacing("SCALE", with: "\(scaled)")).logits(input)
            let store = ParameterStore(graph, seed: 5)
            for block in 0..<2 {
                let name = "blocks.\(block).attn.qkv.weight", weight = try #require(store.tensor(named: name))
                // Large enough that attention is far from uniform; a head is 16 wide, the first third of the rows are the queries.
                let values = weight.floats.enumerated().map { $1 * 20 * ($0 < 32 * 32 ? factor : 1) }
                store.set(HostTensor(weight.shape, values), named: name)
            }
            return try evaluate([logits], feeding: [(input, images)], store: store)[0]
        }
        let scaled = try logits(scaled: true, queriesTimes: 1), unscaled = try logits(scaled: false, queriesTimes: 1)
        #expect(zip(scaled.floats, unscaled.floats).contains { abs($0 - $1) > 1e-3 })
        assertClose(try logits(scaled: false, queriesTimes: 0.25), scaled)
    }

    /// What weight decay spares.
    @Test func rolesOfATransformersParameters() throws {
        let graph = Graph()
        let vit = try definition(#"{"vit": {"patch": 7, "width": 16, "depth": 1, "heads": 2}}"#)
        _ = vit.logits(graph.input("images", [1, 28, 28, 1]))
        let weights = graph.parameters.filter { $0.role == .weight }.map(\.name)
        #expect(Set(weights) == [
            "patch_embed.proj.weight", "blocks.0.attn.qkv.weight", "blocks.0.attn.proj.weight", "blocks.0.mlp.fc1.weight",
            "blocks.0.mlp.fc2.weight", "head.weight",
        ])
    }

    /// Batch norm and ReLU are one op; of any other pair the activation is an op of its own, after the stem and twice in a block.
    @Test(arguments: [
        ("", "batch norm", 0), (#", "activation": "tanh""#, "batch norm, tanh", 7), (#", "norm": "none""#, "relu", 7),
        (#", "norm": "layer", "activation": "tanh""#, "group norm statistics, group norm, tanh", 7),
    ])
    func activationsAreOps(options: String, kind: String, count: Int) throws {
        let graph = Graph(), json = #"{"resnet": {"depth": 8, "width": 4\#(options)}}"#
        _ = try definition(json).logits(graph.input("images", [1, 28, 28, 1]))
        let rows = graph.layerSummary()
        #expect(rows.first { $0.path == "bn1" }?.kind == kind)
        #expect(rows.count { $0.kind.hasSuffix("tanh") || $0.kind.hasSuffix("relu") } == count)
    }

    // MARK: Initialization

    @Test func initialWeightsAreThePublishedOnes() throws {
        let graph = Graph()
        let vit = try definition(#"{"vit": {"patch": 4, "width": 96, "depth": 1, "heads": 2}}"#)
        _ = vit.logits(graph.input("images", [1, 28, 28, 3]))
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

    @Test func convolutionalStemsStartAsConvolutionsAndPatchesDo() throws {
        let graph = Graph()
        let vit = try definition(#"{"vit": {"patch": 4, "width": 128, "depth": 1, "heads": 2, "stem": "convolutions"}}"#)
        _ = vit.logits(graph.input("images", [1, 28, 28, 3]))
        let store = ParameterStore(graph, seed: 2)
        for (name, deviation) in [("stem.0.conv", (2.0 / (9 * 64)).squareRoot()), ("stem.1.conv", (2.0 / (9 * 128)).squareRoot()), ("proj", 1 / 128.0.squareRoot())] {
            let values = try #require(store.tensor(named: "patch_embed.\(name).weight")).floats.map(Double.init)
            let found = (values.reduce(0) { $0 + $1 * $1 } / Double(values.count)).squareRoot()
            #expect(abs(found / deviation - 1) < 0.06, "\(name)")
        }
        #expect(try #require(store.tensor(named: "patch_embed.proj.bias")).floats.allSatisfy { $0 == 0 })
    }

    @Test func residualsCanStartAtZero() throws {
        let graph = Graph()
        let json = #"{"resnet": {"depth": 8, "width": 4, "zero_init_residual": true}}"#
        _ = try definition(json).logits(graph.input("images", [1, 28, 28, 1]))
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
        let logits = hybrid.logits(graph.input("images", [1, 28, 28, 1]))
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
        let arguments = fixture.arguments
        let norm: NormalizationKind =
            switch arguments["norm"] {
            case nil, .text("batch"): .batch
            case .text("none"): .none
            default: .group(groups: try arguments.integer("norm"))
            }
        let activation = arguments["activation"] == nil ? .relu : try #require(ActivationKind(rawValue: try arguments.text("activation")))
        let network = ResNetConfiguration(
            depth: 8, shortcut: .init(rawValue: try arguments.text("shortcut")), norm: norm, activation: activation)
        let block = BasicBlock(
            x.shape[3], try arguments.integer("channels"), stride: try arguments.integer("stride"), of: network, in: graph.root)
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

    /// Half of 7 × 7 patches stay beside two prefix tokens, all in evaluation; which, depends on seed, step and image alone.
    @Test(arguments: ["learned", "rotary", "relative"])
    func patchDropout(position: String) throws {
        let model = try definition(#"{"vit": {"patch": 4, "width": 16, "depth": 2, "heads": 2, "registers": 1, "patch_dropout": 0.5, "position": "\#(position)"}}"#)
        func tokens(_ mode: Graph.Mode) -> [Shape?] {
            let graph = Graph(mode: mode), outputs = model.record(graph.input("images", [2, 28, 28, 1]), classes: 10, in: graph.root)
            return ["block1", "block2", "tokens"].map { outputs["features.\($0)"]?.shape }
        }
        #expect(tokens(.training) == Array(repeating: [2, 26, 16], count: 3) && tokens(.evaluation) == Array(repeating: [2, 51, 16], count: 3))
        func results(shards: Int, threads: Int, step: UInt64 = 1) throws -> [HostTensor] {
            let graph = Graph(mode: .training, shardCount: shards, seed: 5), input = graph.input("images", [8 / shards, 28, 28, 1])
            let logits = model.logits(input), loss = logits.square().sum(axes: [1]).batchMean()
            let found = gradients(of: loss, withRespectTo: graph.parameterTensors)
            return try evaluate([logits, loss] + found, feeding: [(input, images(8))], store: ParameterStore(graph, seed: 5), threads: threads, step: step)
        }
        let one = try results(shards: 4, threads: 1)
        #expect(try results(shards: 4, threads: 3) == one)
        #expect(try results(shards: 4, threads: 1, step: 2)[0] != one[0])
        assertClose(try results(shards: 1, threads: 1)[0], one[0])
    }

    /// Drop path rises over depth: the first block keeps every branch, so its graph has no such op.
    @Test func dropPathRisesOverDepth() throws {
        let graph = Graph(mode: .training)
        let vit = try definition(#"{"vit": {"patch": 14, "width": 8, "depth": 3, "heads": 1, "drop_path": 0.3}}"#)
        _ = vit.logits(graph.input("images", [1, 28, 28, 1]))
        let paths = graph.layerSummary().filter { $0.kind == "drop path" }.map(\.path)
        #expect(paths == ["blocks.1.drop_path1", "blocks.1.drop_path2", "blocks.2.drop_path1", "blocks.2.drop_path2"])
    }
}
