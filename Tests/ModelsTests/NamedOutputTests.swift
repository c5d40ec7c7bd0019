import Layers
import TestSupport
import Testing

@testable import Models
@testable import TensorCore

/// What models give by name, and that they stay under the scope that they are given: several networks, or one several times, in one graph.
struct NamedOutputTests {
    static let input = ImageShape(height: 28, width: 28, channels: 1)

    private static func images(_ count: Int, seed: UInt64) -> HostTensor {
        var draws = PhiloxStream(seed: seed, name: "images").draws(time: 0, sample: 0)
        return HostTensor([count, 28, 28, 1], (0..<count * 784).map { _ in draws.uniform(-1, 1) })
    }

    // MARK: Names

    @Test(arguments: smallDefinitions)
    func everyModelGivesItsStagesItsVectorAndItsLogits(json: String) throws {
        let definition = try definition(json), graph = Graph()
        let encoder = definition.configuration.makeEncoder(input: Self.input, in: Graph().root)
        let outputs = definition.record(graph.input("images", [2, 28, 28, 1]), classes: 10, in: graph.root)
        try graph.validate()
        #expect(outputs.names.suffix(2) == ["features.pooled", "logits"])
        #expect(outputs["logits"]?.shape == [2, 10] && outputs["features.pooled"]?.shape == [2, encoder.width])
        #expect(outputs.names.dropLast(2).count >= 1 && outputs.names.dropLast(2).allSatisfy { $0.hasPrefix("features.") })
        #expect(outputs.auxiliaries.isEmpty)
    }

    static let stages: [(json: String, names: [String], shapes: [Shape], maps: [Shape?])] = [
        (#""logistic_regression""#, ["pixels"], [[2, 784]], [nil]),
        (#"{"mlp": {"widths": [32, 16]}}"#, ["pixels", "hidden1", "hidden2"], [[2, 784], [2, 32], [2, 16]], [nil, nil, nil]),
        (#""lenet5""#, ["stage1", "stage2"], [[2, 14, 14, 6], [2, 5, 5, 16]], [[2, 14, 14, 6], [2, 5, 5, 16]]),
        (
            #"{"resnet": {"depth": 8, "width": 4}}"#, ["stem", "stage1", "stage2", "stage3"],
            [[2, 28, 28, 4], [2, 28, 28, 4], [2, 14, 14, 8], [2, 7, 7, 16]], [[2, 28, 28, 4], [2, 28, 28, 4], [2, 14, 14, 8], [2, 7, 7, 16]]
        ),
        (
            #"{"vit": {"patch": 7, "width": 16, "depth": 2, "heads": 2}}"#, ["block1", "block2", "tokens"],
            [[2, 17, 16], [2, 17, 16], [2, 17, 16]], [[2, 4, 4, 16], [2, 4, 4, 16], [2, 4, 4, 16]]
        ),
        (
            #"{"backbone": {"resnet": {"depth": 8, "width": 4, "cut_after": "stage2"}}, "tokens": {"patch": 2}, "transformer": {"width": 16, "depth": 1, "heads": 2}, "head": {"pool": "mean"}}"#,
            ["stem", "stage1", "stage2", "block1", "tokens"], [[2, 28, 28, 4], [2, 28, 28, 4], [2, 14, 14, 8], [2, 49, 16], [2, 49, 16]],
            [[2, 28, 28, 4], [2, 28, 28, 4], [2, 14, 14, 8], [2, 7, 7, 16], [2, 7, 7, 16]]
        ),
    ]

    /// Encoders without a head give every stage, and a map of it wherever its features have places.
    @Test(arguments: stages.indices)
    func encodersGiveEveryStage(_ index: Int) throws {
        let (json, names, shapes, maps) = Self.stages[index]
        let graph = Graph(), encoder = try definition(json).configuration.makeEncoder(input: Self.input, in: graph.root)
        let stages = encoder(graph.input("images", [2, 28, 28, 1]))
        #expect(stages.names == names)
        #expect(stages.entries.map(\.tensor.shape) == shapes)
        #expect(stages.entries.map { encoder.featureMap($0.tensor)?.shape } == maps)
        try graph.validate()
        #expect(!graph.parameters.contains { $0.name.hasPrefix("head") || $0.name == "fc.weight" }, "a head's parameters are the head's")
    }

    /// Tokens before they are pooled, each at its patch's place; the class token has none.
    @Test func tokensLieWhereTheirPatchesDo() throws {
        let graph = Graph(), json = #"{"vit": {"patch": 7, "width": 16, "depth": 1, "heads": 2}}"#
        let encoder = try definition(json).configuration.makeEncoder(input: Self.input, in: graph.root)
        let images = graph.input("images", [1, 28, 28, 1]), tokens = encoder(images).last
        let map = try #require(encoder.featureMap(tokens))
        let values = try evaluate([tokens, map], feeding: [(images, Self.images(1, seed: 4))], store: ParameterStore(graph, seed: 1))
        #expect(Array(values[0].floats.dropFirst(16)) == values[1].floats)
        #expect(Set(values[1].floats).count > 200)
    }

    @Test func anOutputThatIsNotThereIsNamed() throws {
        let graph = Graph()
        let outputs = try definition(#""lenet5""#).record(graph.input("images", [1, 28, 28, 1]), classes: 10, in: graph.root["model"])
        #expect(outputs["logit"] == nil)
        #expect(!outputs.required("logit", in: graph.root["task"]).isValid)
        #expect(graph.failure?.description == "task: the network has no output 'logit'; did you mean 'logits'?")
    }

    @Test func auxiliaryHeadsAreToldApart() {
        let graph = Graph(), x = graph.input("x", [2])
        var outputs = NamedOutputs()
        outputs.add("aux1", x, auxiliaryWeight: 0.3)
        outputs.add("logits", x * 2)
        outputs.add("aux2", x * 3, auxiliaryWeight: 0.4)
        #expect(outputs.names == ["aux1", "logits", "aux2"] && outputs.last.shape == [2])
        #expect(outputs.auxiliaries.map(\.name) == ["aux1", "aux2"] && outputs.auxiliaries.map(\.auxiliaryWeight) == [0.3, 0.4])
        #expect(outputs.named(under: "teacher").names == ["teacher.aux1", "teacher.logits", "teacher.aux2"])
        #expect(outputs.named(under: "teacher").auxiliaries.map(\.auxiliaryWeight) == [0.3, 0.4])
    }

    @Test func noNameIsGivenTwice() async {
        await #expect(processExitsWith: .failure) {
            let x = Graph().input("x", [2])
            var outputs = NamedOutputs()
            outputs.add("logits", x)
            outputs.add("logits", x)
        }
    }

    // MARK: Scopes

    /// Every op and every parameter of a model lies under its scope.
    @Test(arguments: smallDefinitions)
    func nothingIsRecordedUnderTheRoot(json: String) throws {
        let graph = Graph(mode: .training)
        _ = try definition(json).logits(graph.input("images", [2, 28, 28, 1]), in: graph.root["pair"]["left"])
        try graph.validate()
        #expect((graph.parameters + graph.buffers).allSatisfy { $0.name.hasPrefix("pair.left.") })
        let paths = Set(graph.nodes.filter { !($0.operation is Leaf) }.map(\.path))
        #expect(paths.filter { $0 != "pair.left" && !$0.hasPrefix("pair.left.") } == [])
        #expect(paths.count > 1 || json.contains("logistic"))
    }

    @Test func twoNetworksUnderOneScopeAreAnError() throws {
        let graph = Graph(), images = graph.input("images", [1, 28, 28, 1])
        for _ in 0..<2 { _ = try definition(#""lenet5""#).logits(images, in: graph.root["model"]) }
        #expect(graph.failure?.description == "model.conv1.weight: the parameter model.conv1.weight is declared twice")
    }

    /// A network's loss and gradients, alone in its graph.
    private func alone(_ json: String, _ images: HostTensor) throws -> (names: [String], loss: HostTensor, gradients: [HostTensor]) {
        let graph = Graph(mode: .training, seed: 3), input = graph.input("images", images.shape)
        let loss = try definition(json).logits(input).square().sum(axes: [1]).batchMean()
        let found = gradients(of: loss, withRespectTo: graph.parameterTensors)
        let values = try evaluate([loss] + found, feeding: [(input, images)], store: copied(from: "", to: "", ParameterStore(graph, seed: 5)))
        return (graph.parameters.map(\.name), values[0], Array(values.dropFirst()))
    }

    /// The store, with values that depend on the names behind `prefix` alone.
    private func copied(from source: String, to prefix: String, _ store: ParameterStore) -> ParameterStore {
        for entry in store.entries where entry.name.hasPrefix(prefix) {
            var draws = PhiloxStream(seed: 9, name: source + entry.name.dropFirst(prefix.count)).draws(time: 0, sample: 0)
            let base: Float = entry.role == .normalization && entry.name.hasSuffix("weight") ? 1 : 0
            store.set(HostTensor(entry.shape, (0..<entry.count).map { _ in base + draws.uniform(-0.1, 0.1) }), named: entry.name)
        }
        return store
    }

    /// Two networks of different families in one graph: each computes what it computes alone, and so do their gradients.
    @Test func twoNetworksInOneGraph() throws {
        let models = [#"{"resnet": {"depth": 8, "width": 4}}"#, #"{"vit": {"patch": 7, "width": 16, "depth": 1, "heads": 2}}"#]
        let batches = [Self.images(4, seed: 1), Self.images(4, seed: 2)], scopes = ["teacher", "student"]
        let graph = Graph(mode: .training, seed: 3)
        var inputs: [Tensor] = [], losses: [Tensor] = []
        for (index, json) in models.enumerated() {
            inputs.append(graph.input("images\(index)", batches[index].shape))
            losses.append(try definition(json).logits(inputs[index], in: graph.root[scopes[index]]).square().sum(axes: [1]).batchMean())
        }
        let found = gradients(of: losses[0] + losses[1], withRespectTo: graph.parameterTensors)
        var store = ParameterStore(graph, seed: 5)
        for scope in scopes { store = copied(from: "", to: "\(scope).", store) }
        let values = try evaluate(losses + found, feeding: Array(zip(inputs, batches)), store: store)
        var place = 2
        for (index, json) in models.enumerated() {
            let expected = try alone(json, batches[index])
            #expect(graph.parameters[(place - 2)...].prefix(expected.names.count).map(\.name) == expected.names.map { "\(scopes[index]).\($0)" })
            assertClose(values[index], expected.loss)
            for gradient in expected.gradients {
                assertClose(values[place], gradient, graph.parameters[place - 2].name)
                place += 1
            }
        }
        #expect(place == values.count)
    }

    /// One network twice in one graph, as Siamese networks are: the logits are those of two networks with the same weights, a parameter's
    /// gradient is the sum of theirs, and running statistics move twice.
    @Test(arguments: smallDefinitions.filter { !$0.contains("drop") })
    func oneNetworkTwice(json: String) throws {
        let definition = try definition(json), batches = [Self.images(4, seed: 1), Self.images(4, seed: 2)]
        func run(isShared: Bool) throws -> (store: ParameterStore, graph: Graph, values: [HostTensor]) {
            let graph = Graph(mode: .training, seed: 3)
            let inputs = batches.indices.map { graph.input("images\($0)", batches[$0].shape) }
            let scopes = isShared ? ["model"] : ["first", "second"]
            let models = scopes.map { definition.makeModel(input: Self.input, classes: 10, in: graph.root[$0]) }
            let logits = inputs.indices.map { models[isShared ? 0 : $0](inputs[$0])["logits"]! }
            let loss = (logits[0] - logits[1] * 2).square().sum(axes: [1]).batchMean()
            let found = gradients(of: loss, withRespectTo: graph.parameterTensors)
            var store = ParameterStore(graph, seed: 5)
            for scope in scopes { store = copied(from: "", to: "\(scope).", store) }
            return (store, graph, try evaluate(logits + [loss] + found, feeding: Array(zip(inputs, batches)), store: store))
        }
        let shared = try run(isShared: true), apart = try run(isShared: false), count = shared.graph.parameters.count
        #expect(apart.graph.parameters.count == 2 * count && count > 0)
        for index in 0..<3 { assertClose(shared.values[index], apart.values[index]) }
        for (index, parameter) in shared.graph.parameters.enumerated() {
            let parts = [0, count].map { apart.values[3 + $0 + index].floats }
            #expect(parts.allSatisfy { $0.contains { $0 != 0 } } || json.contains("zero_init"), "\(parameter.name)")
            assertClose(shared.values[3 + index], HostTensor(parameter.shape, zip(parts[0], parts[1]).map { $0 + $1 }), parameter.name)
        }
        for buffer in shared.graph.buffers {
            let name = buffer.name.dropFirst("model.".count), start: Float = name.hasSuffix("var") ? 1 : 0
            let parts = try ["first", "second"].map { try #require(apart.store.tensor(named: "\($0).\(name)")).floats }
            let expected = zip(parts[0], parts[1]).map { 0.9 * $0 + $1 - 0.9 * start }
            assertClose(try #require(shared.store.tensor(named: buffer.name)), HostTensor(buffer.shape, expected), buffer.name)
        }
    }
}
