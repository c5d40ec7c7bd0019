import Configuration
import Foundation
import Layers
import TensorCore
import Testing
import VisionData

@testable import Models
@testable import Tasks
@testable import Training

/// Networks that give images, with the losses of their task, against PyTorch in float64; `Tests/Reference/reconstruction.py` made the fixture.
@Suite struct ReconstructionModelTests {
    struct Reference: Decodable, CustomTestStringConvertible, Sendable {
        struct Gradient: Decodable, Sendable { let name: String, norm: Double, projection: Double }

        let definition: String, task: String, size: [Int], rate: Double, losses: [Double], measures: [String: Double], norm: Double, gradients: [Gradient]

        var testDescription: String { "\(definition) \(task)" }
    }

    static let references: [Reference] = try! PixelGradients.decoded(from: "reconstruction.json")

    /// Ten losses within 10⁻⁴, the gradients of the first step, and what is measured there.
    @Test(arguments: references, [(1, 1), (4, 2)]) func trainingsAgreeWithPyTorch(_ reference: Reference, division: (shards: Int, threads: Int)) throws {
        // Batch norm's statistics are those of the whole batch at any number of shards.
        let size = reference.size, shape = ImageShape(height: size[1], width: size[2], channels: size[3])
        let errors = ConfigurationErrors(), node = try YAML.node(reference.task) { SourceMark(file: "task", line: $0) }
        var fields = FieldReader(node, path: "task", errors: errors)
        let options = ReconstructionOptions(from: &fields)
        fields.finish()
        try errors.throwIfAny()
        let task = Reconstruction(
            shape: shape, mean: [Float](repeating: 0.4, count: size[3]), deviation: [Float](repeating: 0.25, count: size[3]), options)
        let model = try definition(reference.definition)
        let recorded = RecordedModel(
            { scope, images in model.record(images, classes: size[3], in: scope) }, task, fields: [.image(shape)], mode: .training, batchSize: size[0],
            shardCount: division.shards, seed: 0, precision: .fp32)
        let graph = recorded.graph, loss = recorded.task.total(), store = PixelGradients.store(graph), pool = WorkerPool(threads: division.threads)
        let gradients = gradients(of: loss, withRespectTo: graph.parameterTensors)
        let means = recorded.task.measures.map(\.values) + recorded.task.losses.map(\.values)
        let plan = try Plan(graph, outputs: [loss] + means, gradients: gradients, store: store, pool: pool)
        var sgd = OptimizerConfiguration.SGD()
        (sgd.learningRate, sgd.momentum, sgd.weightDecay) = (reference.rate, 0.9, 0)
        let optimizer = Optimizer(.sgd(sgd), store: store, pool: pool), whole = Shape(size)
        for (step, expected) in reference.losses.enumerated() {
            let pixels = HostTensor(whole, FormulaValues.values("images \(step)", whole))
            try pixels.bytes.withUnsafeBytes { try plan.run(feeding: [$0.baseAddress!], step: UInt64(step)) }
            let found = Double(plan.output(0).floats[0])
            #expect(abs(found - expected) <= 1e-4 * expected, "step \(step): found \(found), expected \(expected)")
            if step == 0 {
                let names = recorded.task.measures.map(\.measure.name) + recorded.task.losses.map(\.name)
                for (place, name) in names.enumerated() {
                    guard let expected = reference.measures[name] else { continue }
                    let values = plan.output(1 + place).floats, mean = values.reduce(0.0) { $0 + Double($1) } / Double(values.count)
                    #expect(abs(mean - expected) <= 2e-5 * max(1, abs(expected)), "\(name): found \(mean), expected \(expected)")
                }
                #expect(Set(names).isSuperset(of: ["psnr"]))
                for expected in reference.gradients {
                    let gradient = try #require(store.gradient(named: expected.name)).floats.map { Double($0) }
                    let allowed = max(1e-3 * expected.norm, 2e-6 * reference.norm), direction = FormulaValues.uniform("direction of \(expected.name)", gradient.count)
                    let norm = gradient.reduce(0) { $0 + $1 * $1 }.squareRoot(), projection = zip(gradient, direction).reduce(0) { $0 + $1.0 * $1.1 }
                    #expect(abs(norm - expected.norm) <= allowed, "\(expected.name): norm \(norm), expected \(expected.norm)")
                    #expect(abs(projection - expected.projection) <= allowed, "\(expected.name): projection \(projection), expected \(expected.projection)")
                }
                #expect(Set(graph.parameters.map(\.name)) == Set(reference.gradients.map(\.name)))
            }
            optimizer.update(step: step, learningRate: reference.rate, gradientScale: 1)
        }
    }

    /// Hinton and Salakhutdinov's network on 28×28 pixels.
    @Test func theNetworkOfThePaperHasItsParameters() throws {
        let json = #"{"autoencoder": {"widths": [1000, 500, 250], "code": 30, "activation": "sigmoid"}}"#
        let sizes = [784, 1000, 500, 250, 30, 250, 500, 1000, 784], count = zip(sizes, sizes.dropFirst()).reduce(0) { $0 + ($1.0 + 1) * $1.1 }
        #expect(try ModelSummary(definition(json), input: ImageShape(height: 28, width: 28, channels: 1), classes: 1).parameters == count)
        #expect(count == 2_837_314)
    }

    /// What a masked autoencoder has of a vision transformer is that transformer's.
    @Test func aMaskedAutoencoderHasATransformersNames() throws {
        let options = #""patch": 4, "width": 16, "depth": 2, "heads": 2, "position": "learned""#, input = ImageShape(height: 8, width: 8, channels: 1)
        let whole = try definition("{\"mae\": {\(options), \"decoder_width\": 8}}").declarations(input: input, classes: 1).parameters
        let transformer = try definition("{\"vit\": {\(options)}}").declarations(input: input, classes: 10).parameters.filter { !$0.name.hasPrefix("head") }
        #expect(transformer.allSatisfy { own in whole.contains { $0.name == own.name && $0.shape == own.shape } })
        #expect(whole.count == transformer.count + whole.filter { $0.name.hasPrefix("decoder.") }.count)
    }
}
