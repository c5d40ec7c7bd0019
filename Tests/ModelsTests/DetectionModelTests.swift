import Foundation
import TensorCore
import Testing
import VisionData

@testable import Models
@testable import Tasks
@testable import Training

/// YOLO and RetinaNet against PyTorch and torchvision; Tests/Reference/detection.py made the fixtures.
@Suite struct DetectionModelTests {
    struct Fixture: Decodable, Sendable {
        struct Training: Decodable, Sendable {
            let definition: String, grid: Int, boxes: Int, classes: Int, height: Int, width: Int, batch: Int, maximum: Int, rate: Double, momentum: Double
            let objects: [Float], losses: [Double]
        }
        struct Gradient: Decodable, Sendable { let name: String, norm: Double, projection: Double }
        struct Pyramid: Decodable, Sendable {
            let definition: String, strides: [Int], classes: Int, height: Int, width: Int, batch: Int, count: Int, loss: Double, gradients: [Gradient]
        }

        let training: Training, pyramid: Pyramid, names: [String: [Int]]

        static let all: Fixture = {
            let tests = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
            return try! JSONDecoder().decode(Fixture.self, from: Data(contentsOf: tests.appending(path: "Fixtures/detection_models.json")))
        }()
    }

    private static func retinaNet(norm: String) -> String {
        #"{"retinanet": {"backbone": {"resnet": {"depth": 50, "kind": "imagenet", "stem": "7x7", "norm": "\#(norm)", "cut_after": "stage4"}}}}"#
    }

    /// GOLDEN.md's.
    @Test func haveThePublishedNumbersOfParameters() throws {
        let yolo = try ModelSummary(definition(#"{"yolo": {}}"#), input: ImageShape(height: 448, width: 448, channels: 3), classes: 7 * 7 * 30)
        #expect(yolo.parameters == 271_703_550)
        let shape = ImageShape(height: 128, width: 128, channels: 3)
        #expect(try ModelSummary(definition(Self.retinaNet(norm: "frozen_batch")), input: shape, classes: 95).parameters == 34_014_999)
        #expect(try ModelSummary(definition(Self.retinaNet(norm: "batch")), input: shape, classes: 95).parameters == 34_014_999 + 53_120)
    }

    @Test func namesAndShapesAreTorchvisions() throws {
        let declared = try definition(Self.retinaNet(norm: "frozen_batch")).declarations(input: ImageShape(height: 128, width: 128, channels: 3), classes: 95)
        let found = Dictionary(uniqueKeysWithValues: (declared.parameters + declared.buffers).map { ($0.name, $0.shape.dimensions) })
        #expect(found == Fixture.all.names)
    }

    /// Ten steps of SGD from the same weights on the same batches, into however many shards they are cut.
    @Test(arguments: [1, 2]) func tenLossesOfASmallYOLOAgreeWithPyTorch(shards: Int) throws {
        let fixture = Fixture.all.training, shape = ImageShape(height: fixture.height, width: fixture.width, channels: 1), count = fixture.batch / shards
        var options = DetectionOptions()
        (options.grid, options.boxes) = (fixture.grid, fixture.boxes)
        let method = GridDetection(options, shape: shape, classCount: fixture.classes, maximum: fixture.maximum)
        let task = ObjectDetection(method, maximum: fixture.maximum, classCount: fixture.classes, FindingOptions(scoreThreshold: 0.1, suppression: 0.5))
        let graph = Graph(mode: .training, shardCount: shards)
        let images = graph.input("images", [count, shape.height, shape.width, 1]), boxes = graph.input("boxes", [count, fixture.maximum, 5])
        let answers = try #require(definition(fixture.definition).record(images, classes: task.outputCount, in: graph.root)["logits"])
        let loss = task.record(answers, [boxes]).total(), store = ParameterStore(graph, seed: 0), pool = WorkerPool(threads: 2)
        for parameter in graph.parameters { store.set(HostTensor(parameter.shape, FormulaValues.values(parameter.name, parameter.shape)), named: parameter.name) }
        let plan = try Plan(graph, outputs: [loss], gradients: gradients(of: loss, withRespectTo: graph.parameterTensors), store: store, pool: pool)
        var sgd = OptimizerConfiguration.SGD()
        (sgd.learningRate, sgd.momentum, sgd.weightDecay) = (fixture.rate, fixture.momentum, 0)
        let update = Optimizer(.sgd(sgd), store: store, pool: pool), length = fixture.batch * fixture.maximum * 5
        for (step, expected) in fixture.losses.enumerated() {
            let pixels = FormulaValues.values("images \(step)", [fixture.batch, shape.height, shape.width, 1])
            try pixels.withUnsafeBytes { pixels in
                try Array(fixture.objects[step * length..<(step + 1) * length]).withUnsafeBytes { objects in
                    try plan.run(feeding: [pixels.baseAddress!, objects.baseAddress!], step: UInt64(step))
                }
            }
            update.update(step: step, learningRate: fixture.rate, gradientScale: 1)
            let found = Double(plan.output(0).floats[0])
            #expect(abs(found - expected) < 1e-4 * expected, "step \(step): \(found), expected \(expected)")
        }
    }

    /// A weighted sum of a small RetinaNet's answers and its gradients, parameter by parameter, on maps with odd sides.
    @Test func gradientsOfARetinaNetAgreeWithTorchvision() throws {
        let fixture = Fixture.all.pyramid, graph = Graph(mode: .training), numbers = fixture.classes + 4
        let images = graph.input("images", [fixture.batch, fixture.height, fixture.width, 1])
        let answers = try #require(definition(fixture.definition).record(images, classes: numbers, in: graph.root)["logits"])
        #expect(answers.shape == [fixture.batch, fixture.count, numbers])
        let weights = HostTensor([fixture.count, numbers], FormulaValues.uniform("weights", fixture.count * numbers).map { Float($0) })
        let loss = (answers * graph.constant(weights)).sum(axes: [1, 2]).batchMean()
        let found = gradients(of: loss, withRespectTo: graph.parameterTensors), store = ParameterStore(graph, seed: 0)
        for parameter in graph.parameters { store.set(HostTensor(parameter.shape, FormulaValues.values(parameter.name, parameter.shape)), named: parameter.name) }
        let values = try evaluate([loss] + found, feeding: [(images, HostTensor(images.shape, FormulaValues.values("images", images.shape)))], store: store)
        #expect(abs(Double(values[0].floats[0]) - fixture.loss) < 1e-5 * abs(fixture.loss))
        let byName = Dictionary(uniqueKeysWithValues: zip(graph.parameters.map(\.name), values.dropFirst()))
        #expect(Set(byName.keys) == Set(fixture.gradients.map(\.name)))
        for expected in fixture.gradients {
            let gradient = try #require(byName[expected.name]).floats.map { Double($0) }, direction = FormulaValues.uniform("direction of \(expected.name)", gradient.count)
            let norm = gradient.reduce(0) { $0 + $1 * $1 }.squareRoot(), projection = zip(gradient, direction).reduce(0) { $0 + $1.0 * $1.1 }
            #expect(abs(norm - expected.norm) < 1e-4 * expected.norm, "\(expected.name): norm \(norm), expected \(expected.norm)")
            #expect(abs(projection - expected.projection) < 1e-4 * expected.norm, "\(expected.name): projection \(projection), expected \(expected.projection)")
        }
    }

    @Test func whatDoesNotFitIsSaid() {
        func message(_ options: String) -> String { errors(#"{"retinanet": {\#(options)}}"#, ImageShape(height: 32, width: 32, channels: 1)).first ?? "" }
        let backbone = #""backbone": {"resnet": {"depth": 8, "cut_after": "stage2"}}"#
        #expect(message("").contains("missing; expected a convolutional network and the stage after which it is cut"))
        #expect(message(#"\#(backbone), "levels": ["stage4"]"#).contains("resnet has no stage 'stage4'"))
        #expect(message(#"\#(backbone), "levels": ["stage3"]"#).contains("stage3 lies behind stage2, after which the network is cut"))
        #expect(message(#"\#(backbone), "levels": ["stage1"]"#).contains("the network is cut after stage2, whose map the pyramid does not take; cut it after stage1"))
        #expect(message(backbone).isEmpty)
        #expect(errors(#"{"yolo": {}}"#).first?.contains("its pools and strides need at least 64×64 pixels, found 28×28") == true)
    }
}
