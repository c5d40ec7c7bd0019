import Configuration
import Layers
import Models
import TensorCore
import TestSupport
import Testing
import Training
import VisionData

@testable import Experiments

/// What a program adds is read, written, hashed and explained like what is there.
@Suite struct RegistryTests {
    private struct SignDescent: UpdateRule {
        static let name = "sign_descent", documentation = "Steps of one length."
        var learningRate = 0.25, weightDecay = 0.5
        static let options: [Key<SignDescent>] = [
            Key("learning_rate", \.learningRate, .number(in: 0...), "The length."), Key("weight_decay", \.weightDecay, .number(in: 0...), "The decay."),
        ]
        var slotNames: [String] { ["count"] }

        func update(_ block: UpdatedBlock) {
            for i in 0..<block.count {
                block.slot(0)[i] += 1
                let direction: Float = block.gradients[i] * block.gradientScale > 0 ? 1 : -1
                block.values[i] -= block.learningRate * (direction + block.weightDecay * block.values[i]) * block.slot(0)[i]
            }
        }
    }

    private struct Negative: ImageAugmentation {
        static let name = "negative", documentation = "Turns light into dark."
        var probability = 1.0
        static let options: [Key<Negative>] = [Key("probability", \.probability, .number(in: 0...1), "How often.")]

        func apply(to image: UnsafeMutableBufferPointer<Float>, shape: ImageShape, draws: inout PhiloxDraws) {
            if draws.bernoulli(Float(probability)) { for i in image.indices { image[i] = -image[i] } }
        }
    }

    /// LeNet-5 under another name, with a choice of one of several below it.
    private struct Renamed: BackboneConfiguration {
        static let family = "renamed", documentation = "LeNet-5."
        var network = LeNet5Configuration()
        static let options: [Key<Renamed>] = LeNet5Configuration.options.map { $0.beside(\.network) }
        var stageNames: [String] { network.stageNames }
        func makeBackbone(input: ImageShape, through stage: String, in scope: Scope) -> any Backbone {
            network.makeBackbone(input: input, through: stage, in: scope)
        }
        func makeEncoder(input: ImageShape, in scope: Scope) -> any ImageEncoder { network.makeEncoder(input: input, in: scope) }
        func makeHead(inputs: Int, outputs: Int, in scope: Scope) -> any Layer { network.makeHead(inputs: inputs, outputs: outputs, in: scope) }
    }

    private static let registry = Registry.standard.adding(optimizer: SignDescent.self).adding(augmentation: Negative.self)
        .adding(model: Renamed.self).adding(dataset: NamedDataset("few") { _ in
            try LabeledImages(
                "few", shape: ImageShape(height: 2, width: 2, channels: 1), pixels: .floats((0..<80).map(Float.init)),
                labels: (0..<20).map { $0 % 2 }, testCount: 4)
        })

    private func definition(_ optimizer: String, _ augment: String = "[]", _ model: String = "{mlp: {widths: [4]}}") throws -> Definition {
        try ExperimentsTests.definition("""
            data: {name: few, augment: \(augment), validation: 0}
            train: {batch_size: 8, optimizer: \(optimizer)}
            models: {m: \(model)}

            """, registry: Self.registry)
    }

    @Test("What is written at its default changes no hash, another value does, and the stored definition reads back")
    func identity() throws {
        let plain = try definition("sign_descent", "negative").trials[0]
        #expect(try definition("{sign_descent: {learning_rate: 0.25}}", "[{negative: {probability: 1}}]").trials[0].hash == plain.hash)
        #expect(try definition("{sign_descent: {learning_rate: 0.5}}", "negative").trials[0].hash != plain.hash)
        #expect(try definition("sign_descent", "{negative: {probability: 0.5}}").trials[0].hash != plain.hash)
        #expect(try definition("adamw", "negative").trials[0].hash != plain.hash)
        let again = try Definition(resolved: plain.resolvedDefinition, name: "x", place: "y", registry: Self.registry)
        #expect(again.trials[0].hash == plain.hash)
        #expect(again.train.optimizer == .added(AddedOptimizer(SignDescent())) && again.data.augment == [.added(AddedAugmentation(Negative()))])
        // What knows nothing of additions has the same hashes with them.
        let standard = try ExperimentsTests.definition("data: {name: digits}\nmodels: {m: {mlp: {widths: [4]}}}\n")
        let extended = try ExperimentsTests.definition("data: {name: digits}\nmodels: {m: {mlp: {widths: [4]}}}\n", registry: Self.registry)
        #expect(standard.trials[0].hash == extended.trials[0].hash)
    }

    @Test("An added optimizer moves each parameter by its own rule, with the schedule's rate and the decay of weights alone")
    func updates() throws {
        let graph = Graph()
        _ = graph.root.parameter("weight", [1], ConstantInitializer(2))
        _ = graph.root.parameter("bias", [1], ConstantInitializer(2), role: .bias)
        let store = ParameterStore(graph, seed: 0)
        let optimizer = Optimizer(.added(AddedOptimizer(SignDescent())), store: store, pool: WorkerPool(threads: 1))
        for (entry, gradient) in zip(store.trainedEntries, [3, -3] as [Float]) { store.gradients[entry.offset] = gradient }
        for step in 0..<2 { optimizer.update(step: step, learningRate: 0.5, gradientScale: 0.1) }
        // w: 2 − 0.5(1 + 0.5·2)·1 = 1, then 1 − 0.5(1 + 0.5·1)·2 = −0.5; b: 2 + 0.5 + 2·0.5.
        #expect(store.tensor(named: "weight")?.floats == [-0.5] && store.tensor(named: "bias")?.floats == [3.5])
        #expect(optimizer.slots[0].name == "count" && optimizer.slots[0].values[0] == 2)
    }

    @Test("An added augmentation acts on the normalized images of training alone")
    func augments() throws {
        let dataset = try ImageDataset.load(definition("adamw").data)
        #expect(dataset.indices(of: .train).count == 16 && dataset.indices(of: .test).count == 4)
        func image(_ augmentations: [Augmentation]) throws -> [Float] {
            let writer = dataset.makeWriter(of: [.image(dataset.shape)], augmentations: augmentations, seed: 0)
            var values = [Float](repeating: 0, count: 4)
            try values.withUnsafeMutableBytes { try writer.write(3, epoch: 0, place: 0, in: [$0.baseAddress!]) }
            return values
        }
        #expect(try image([.added(AddedAugmentation(Negative()))]) == image([]).map(-))
    }

    @Test("A hybrid cuts an added network, and layers of a definition choose among its variants")
    func models() throws {
        let hybrid = "{backbone: {renamed: {cut_after: stage1}}, transformer: {width: 8, depth: 1, heads: 2}}"
        let own = try definition("adamw", "[]", hybrid).models[0].definition, known = try definition("adamw", "[]", hybrid.replacing("renamed", with: "lenet5"))
        let input = ImageShape(height: 28, width: 28, channels: 1)
        func names(_ model: ModelDefinition) -> [String] { model.declarations(input: input, classes: 10).parameters.map(\.name) }
        #expect(names(own) == names(known.models[0].definition) && names(own).contains("backbone.conv1.weight"))
        #expect(throws: UserError.self) { try ExperimentsTests.definition("data: {name: digits}\nmodels: {m: \(hybrid)}\n") }
        #expect(Self.registry.variants.isChoice(["models", "m", "renamed", "initialization"]))
        #expect(!Registry.standard.variants.isChoice(["models", "m", "renamed", "initialization"]))
        let replaced = try ExperimentsTests.definition(
            "data: {name: digits}\nmodels: {m: {renamed: {initialization: zeros}}}\n", "models.m.renamed.initialization={lecun: {distribution: normal}}",
            registry: Self.registry)
        var expected = Renamed()
        expected.network.initialization = .leCun(distribution: .normal)
        #expect(replaced.models[0].definition == ModelDefinition(expected))
    }

    @Test("Explanations and the schema know what was added")
    func explains() throws {
        let tree = KeyExplanation.tree(Self.registry), schema = Definition.schema(Self.registry)
        for name in ["sign_descent", "negative", "renamed"] {
            #expect(tree.contains(name) && schema.contains("\"\(name)\""), "\(name)")
            #expect(!Definition.schema().contains("\"\(name)\""))
        }
        #expect(schema.contains("\"few\""))
        #expect(try KeyExplanation(of: "models.x.train.epochs").text.hasPrefix("models.<name>.train.epochs\n"))
        #expect(try KeyExplanation(of: "train.optimizer.sign_descent.weight_decay", registry: Self.registry).text.contains("default: 0.5"))
        #expect(try KeyExplanation(of: "models.<name>.backbone.renamed.cut_after", registry: Self.registry).text.contains("it has to be given"))
    }

    @Test(arguments: [
        ("{sign_descent: {length: 1}}", "[]", "train.optimizer.sign_descent.length: unknown key 'length'"),
        ("{sign_descend: {}}", "[]", "train.optimizer: unknown optimizer 'sign_descend'; did you mean 'sign_descent'?"),
        ("adamw", "{negative: {probability: 2}}", "data.augment.negative.probability: expected a value from 0.0 to 1.0, found 2"),
    ])
    func badInput(optimizer: String, augment: String, message: String) {
        let error = #expect(throws: UserError.self) { _ = try definition(optimizer, augment) }
        #expect(error?.kind == .usage && error?.message.contains(message) == true, "\(error?.message ?? "")")
    }
}
