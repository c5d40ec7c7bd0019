import Configuration
import Foundation
import TensorCore
import TestSupport
import Testing
import Training

@testable import Models

/// Learning rates that decay from layer to layer, against timm (`Tests/Reference/layer_decay.py`).
struct LayerDecayTests {
    struct Layers: Decodable, CustomTestStringConvertible, Sendable {
        let definition: String
        let layers: [String: Int]

        var testDescription: String { definition }
    }

    struct Reference: Decodable, Sendable {
        struct Change: Decodable, Sendable {
            let name: String
            let norm: Double
            /// On the formula's numbers under the name `direction of NAME`.
            let projection: Double
            /// Up to 8 numbers, spread evenly.
            let entries: [Double]
        }

        struct Run: Decodable, CustomTestStringConvertible, Sendable {
            let freezes_patches: Bool
            let head_factor: Double
            let factors: [String: Double]
            let losses: [Double]
            let changes: [Change]

            var testDescription: String { freezes_patches ? "with rules" : "without rules" }
        }

        let definition: String
        let batch, side: Int
        let decay, learning_rate, weight_decay: Double
        let runs: [Run]
    }

    private struct Fixture: Decodable, Sendable {
        let layers: [Layers]
        let training: Reference
    }

    private static let fixture = try! JSONDecoder().decode(
        Fixture.self,
        from: Data(contentsOf: URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent().appending(path: "Fixtures/layer_decay.json")))
    static let layers = fixture.layers, reference = fixture.training

    @Test("Every parameter is in the layer in which timm puts it", arguments: layers)
    func layersAreTimms(_ reference: Layers) throws {
        let model = try definition(reference.definition)
        let parameters = model.declarations(input: ImageShape(height: 64, width: 64, channels: 3), classes: 10).parameters
        let found = Dictionary(uniqueKeysWithValues: zip(parameters.map(\.name), model.layerOrder.layers(of: parameters)))
        #expect(Set(found.keys) == Set(reference.layers.keys))
        for (name, layer) in reference.layers where found[name] != layer { Issue.record("\(name): layer \(found[name] ?? -1), expected \(layer)") }
    }

    @Test("In every family there are several layers, from those next to the images to the head", arguments: smallDefinitions)
    func everyFamily(json: String) throws {
        let model = try definition(json)
        let parameters = model.declarations(input: ImageShape(height: 28, width: 28, channels: 1), classes: 10).parameters
        let layers = model.layerOrder.layers(of: parameters)
        #expect(Set(layers) == Set(0...layers.max()!))
        #expect(layers.first == 0 && layers.last == layers.max())
        let modules = Set(parameters.filter { $0.role == .weight }.map { $0.name.split(separator: ".").prefix(2).joined(separator: ".") })
        #expect(layers.max()! > 0 || modules.count == 1, "\(modules)")
    }

    @Test("Twenty steps of AdamW give timm's losses and changes", arguments: reference.runs)
    func training(_ run: Reference.Run) throws {
        let reference = Self.reference, shards = 4
        var configuration = TrainConfiguration(), adam = OptimizerConfiguration.Adam(weightDecay: reference.weight_decay)
        adam.learningRate = reference.learning_rate
        configuration.optimizer = .adamw(adam)
        configuration.layerDecay = reference.decay
        func rule(_ match: String, _ change: (inout ParameterRule) -> Void) -> ParameterRule {
            var rule = ParameterRule()
            rule.match = match
            change(&rule)
            return rule
        }
        if run.freezes_patches { configuration.parameters.append(rule("patch_embed.*") { $0.freeze = true }) }
        if run.head_factor != 1 { configuration.parameters.append(rule("head.*") { $0.learningRateFactor = run.head_factor }) }

        let model = try definition(reference.definition)
        let frozen = configuration.parameters.filter(\.freeze)
        let graph = Graph(mode: .training, shardCount: shards) { name in frozen.contains { $0.matches(name) } }
        let images = graph.input("images", [reference.batch / shards, reference.side, reference.side, 3])
        let labels = graph.input("labels", [reference.batch / shards], .int32)
        let loss = try model.logits(images).softmaxCrossEntropy(labels: labels).batchMean()
        let store = ParameterStore(graph, seed: 0), pool = WorkerPool(threads: 2)
        for parameter in graph.parameters { store.set(HostTensor(parameter.shape, FormulaValues.values(parameter.name, parameter.shape)), named: parameter.name) }
        let treatments = try configuration.treatments(of: graph.parameters, layers: model.layerOrder)
        for (parameter, treatment) in zip(graph.parameters, treatments) where !treatment.isFrozen {
            #expect(abs(treatment.learningRateFactor - run.factors[parameter.name]!) < 1e-12, "\(parameter.name)")
        }
        #expect(Set(zip(graph.parameters, treatments).filter { !$1.isFrozen }.map(\.0.name)) == Set(run.factors.keys))

        let plan = try Plan(
            graph, outputs: [loss], gradients: gradients(of: loss, withRespectTo: graph.trainedParameterTensors), store: store, pool: pool)
        let optimizer = Optimizer(configuration.optimizer, treatments: treatments.filter { !$0.isFrozen }, store: store, pool: pool)
        for (step, expected) in run.losses.enumerated() {
            let shape = Shape([reference.batch, reference.side, reference.side, 3])
            let pixels = FormulaValues.values("images \(step)", shape), classes = (0..<reference.batch).map { Int32(($0 * 3 + step) % 10) }
            try pixels.withUnsafeBytes { pixels in
                try classes.withUnsafeBytes { try plan.run(feeding: [pixels.baseAddress!, $0.baseAddress!], step: UInt64(step)) }
            }
            assertClose(Double(plan.output(0).floats[0]), expected, tolerance: 1e-4, "loss of step \(step)")
            optimizer.update(step: step, learningRate: reference.learning_rate, gradientScale: 1)
        }
        for expected in run.changes {
            let parameter = try #require(graph.parameters.first { $0.name == expected.name })
            let start = FormulaValues.values(expected.name, parameter.shape), end = try #require(store.tensor(named: expected.name)).floats
            var change = zip(start, end).map { Double($1) - Double($0) }
            if expected.name.hasSuffix("qkv.bias") { for index in change.count / 3..<2 * change.count / 3 { change[index] = 0 } }
            let allowed = 2e-3 * expected.norm, count = expected.entries.count
            for (index, entry) in expected.entries.enumerated() {
                #expect(abs(change[index * change.count / count] - entry) <= 10 * allowed, "\(expected.name): entry \(index)")
            }
            let norm = change.reduce(0) { $0 + $1 * $1 }.squareRoot()
            #expect(abs(norm - expected.norm) <= allowed, "\(expected.name): norm \(norm), expected \(expected.norm)")
            let projection = zip(change, FormulaValues.uniform("direction of \(expected.name)", change.count)).reduce(0) { $0 + $1.0 * $1.1 }
            #expect(abs(projection - expected.projection) <= allowed, "\(expected.name): projection \(projection), expected \(expected.projection)")
        }
    }
}
