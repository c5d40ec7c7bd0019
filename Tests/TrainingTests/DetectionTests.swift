import Foundation
import Measures
import TensorCore
import Testing
import VisionData

@testable import Tasks
@testable import Training

/// Losses of boxes against PyTorch and torchvision; Tests/Reference/detection.py made the fixtures.
@Suite struct DetectionTests {
    struct Fixture: Decodable, Sendable {
        struct Grid: Decodable, Sendable {
            let count: Int, maximum: Int, grid: Int, boxes: Int, classes: Int, height: Int, width: Int
            let answers: [Float], objects: [Float], parts: [Double], loss: Double, gradient: [Double]
        }
        struct AnchorLoss: Decodable, Sendable { let focal: Double, box: Double, gradient: [Double] }
        struct Anchor: Decodable, Sendable {
            let strides: [Int], scale: Double, count: Int, maximum: Int, classes: Int, height: Int, width: Int
            let anchors: [Double], answers: [Float], objects: [Float], losses: [String: AnchorLoss]
        }
        struct Overlap: Decodable, Sendable { let found: [Float], truth: [Float], losses: [Double], gradient: [Double] }
        struct Single: Decodable, Sendable {
            let count: Int, maximum: Int, classes: Int, height: Int, width: Int, weight: Double, smoothing: Double
            let answers: [Float], objects: [Float], labels: [Int32], entropy: Double, box: Double, gradient: [Double], accuracy: Double, overlap: Double
        }

        let grids: [Grid], anchors: [Anchor], overlap: Overlap, localizations: [Single]

        static let all: Fixture = {
            let tests = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
            return try! JSONDecoder().decode(Fixture.self, from: Data(contentsOf: tests.appending(path: "Fixtures/detection.json")))
        }()
    }

    /// What a task records of answers and objects, and what is fed.
    private static func recorded(
        _ task: some TrainingTask, answers: [Float], objects: [Float], labels: [Int32]? = nil, count: Int, shards: Int, _ mode: Graph.Mode = .training
    ) -> (task: RecordedTask, output: Tensor, fed: [(Tensor, HostTensor)]) {
        let graph = Graph(mode: mode, shardCount: shards), maximum = objects.count / count / 5, shape = task.outputShape.dimensions
        let output = graph.input("output", Shape([count / shards] + shape)), boxes = graph.input("boxes", [count / shards, maximum, 5])
        var fed = [(output, HostTensor(Shape([count] + shape), answers)), (boxes, HostTensor([count, maximum, 5], objects))], targets = [boxes]
        if let labels {
            targets.insert(graph.input("label", [count / shards], .int32), at: 0)
            fed.append((targets[0], HostTensor([count], labels)))
        }
        return (task.record(output, targets), output, fed)
    }

    private static func expectClose(_ found: HostTensor, _ expected: [Double], within tolerance: Double, _ what: String) {
        #expect(found.floats.count == expected.count)
        let worst = zip(found.floats, expected).map { abs(Double($0) - $1) }.max() ?? 0
        #expect(worst < tolerance, "\(what): \(worst)")
    }

    @Test(arguments: Fixture.all.grids, [1, 2]) func theLossOfAGridAgreesWithPyTorch(_ fixture: Fixture.Grid, shards: Int) throws {
        if fixture.count % shards != 0 { return }
        var options = DetectionOptions()
        (options.grid, options.boxes) = (fixture.grid, fixture.boxes)
        let shape = ImageShape(height: fixture.height, width: fixture.width, channels: 1)
        let method = GridDetection(options, shape: shape, classCount: fixture.classes, maximum: fixture.maximum)
        let task = ObjectDetection(method, maximum: fixture.maximum, classCount: fixture.classes, FindingOptions(scoreThreshold: 0.1, suppression: 0.5))
        let (recorded, output, fed) = Self.recorded(task, answers: fixture.answers, objects: fixture.objects, count: fixture.count, shards: shards)
        #expect(recorded.losses.map(\.name) == ["center", "size", "object_confidence", "no_object_confidence", "class_error"])
        let total = recorded.total(), parts = recorded.losses.map { $0.batchMean() }
        let results = try evaluate([total] + gradients(of: total, withRespectTo: [output]) + parts, feeding: fed, threads: 2)
        #expect(abs(Double(results[0].floats[0]) - fixture.loss) < 2e-6 * fixture.loss)
        Self.expectClose(results[1], fixture.gradient, within: 2e-6, "gradient")
        for (found, expected) in zip(results[2...], fixture.parts) { #expect(abs(Double(found.floats[0]) - expected) < 2e-6 * max(1, expected)) }
    }

    @Test(arguments: Fixture.all.anchors, ["l1", "smooth_l1", "ciou"]) func theLossesOfAnchorsAgreeWithTorchvision(_ fixture: Fixture.Anchor, kind: String) throws {
        var options = DetectionOptions()
        (options.method, options.strides, options.anchorScale) = (.anchors, fixture.strides, fixture.scale)
        options.boxLoss = try #require(DetectionOptions.BoxLoss(rawValue: kind))
        let shape = ImageShape(height: fixture.height, width: fixture.width, channels: 1), expected = try #require(fixture.losses[kind])
        let boxes = Anchors(options, shape: shape).boxes.flatMap { [$0.x0, $0.y0, $0.x1, $0.y1] }
        #expect(boxes == fixture.anchors)
        let method = AnchorDetection(options, shape: shape, classCount: fixture.classes, maximum: fixture.maximum)
        let task = ObjectDetection(method, maximum: fixture.maximum, classCount: fixture.classes, FindingOptions(scoreThreshold: 0.1, suppression: 0.5))
        let (recorded, output, fed) = Self.recorded(task, answers: fixture.answers, objects: fixture.objects, count: fixture.count, shards: 1)
        let losses = recorded.losses.map { $0.batchMean() }
        // The fixture has the gradient of both with l1, and of the boxes alone with the others.
        let differentiated = kind == "l1" ? losses[0] + losses[1] : losses[1]
        let results = try evaluate(losses + gradients(of: differentiated, withRespectTo: [output]), feeding: fed)
        #expect(abs(Double(results[0].floats[0]) - expected.focal) < 2e-6 * expected.focal)
        #expect(abs(Double(results[1].floats[0]) - expected.box) < 5e-6 * expected.box)
        Self.expectClose(results[2], expected.gradient, within: 5e-6, "gradient")
    }

    @Test func theCompleteOverlapLossAgreesWithTorchvision() throws {
        let fixture = Fixture.all.overlap, count = fixture.losses.count, graph = Graph()
        let found = graph.input("found", [1, count, 4]), truth = graph.input("truth", [1, count, 4]), losses = found.completeOverlapLoss(truth)
        let total = losses.sum(axes: [0, 1, 2]).shardSum()
        let results = try evaluate(
            [losses] + gradients(of: total, withRespectTo: [found]),
            feeding: [(found, HostTensor([1, count, 4], fixture.found)), (truth, HostTensor([1, count, 4], fixture.truth))])
        Self.expectClose(results[0], fixture.losses, within: 2e-6, "losses")
        Self.expectClose(results[1], fixture.gradient, within: 2e-5, "gradient")
    }

    @Test(arguments: Fixture.all.localizations) func theLossOfASingleBoxAgreesWithPyTorch(_ fixture: Fixture.Single) throws {
        let task = Localization(
            classCount: fixture.classes, maximum: fixture.maximum, shape: ImageShape(height: fixture.height, width: fixture.width, channels: 1),
            boxWeight: fixture.weight, labelSmoothing: fixture.smoothing)
        let (recorded, output, fed) = Self.recorded(
            task, answers: fixture.answers, objects: fixture.objects, labels: fixture.labels, count: fixture.count, shards: 1)
        let total = recorded.total(), measures = recorded.measures
        let results = try evaluate(
            recorded.losses.map { $0.batchMean() } + gradients(of: total, withRespectTo: [output]) + measures.map(\.values) + [try #require(measures[1].counts)], feeding: fed)
        #expect(abs(Double(results[0].floats[0]) - fixture.entropy) < 2e-6 && abs(Double(results[1].floats[0]) - fixture.box) < 2e-6)
        Self.expectClose(results[2], fixture.gradient, within: 2e-6, "gradient")
        func sum(_ values: HostTensor) -> Double { values.floats.reduce(0) { $0 + Double($1) } }
        #expect(abs(sum(results[3]) / Double(fixture.count) - fixture.accuracy) < 1e-6 && abs(sum(results[4]) / sum(results[5]) - fixture.overlap) < 1e-6)
    }

    /// Answers that say the truth are decoded to it, by either method.
    @Test func answersOfTheTruthAreFound() throws {
        let shape = ImageShape(height: 64, width: 96, channels: 1), objects = [[2, 10, 20, 40, 60], [0, 50, 4, 90, 30]]
        let rows: [Float] = objects.joined().map { Float($0) } + [-1, 0, 0, 0, 0], finding = FindingOptions(scoreThreshold: 0.5, suppression: 0.5)
        var options = DetectionOptions()
        options.grid = 4
        let grid = GridDetection(options, shape: shape, classCount: 3, maximum: 3)
        var answer = [Float](repeating: 0, count: grid.outputShape.elementCount)
        for object in objects {
            let numbers = object.map(Double.init), x = (numbers[1] + numbers[3]) / 2 / 96 * 4, y = (numbers[2] + numbers[4]) / 2 / 64 * 4
            let start = (Int(y) * 4 + Int(x)) * 13
            let box = [x - x.rounded(.down), y - y.rounded(.down), ((numbers[3] - numbers[1]) / 96).squareRoot(), ((numbers[4] - numbers[2]) / 64).squareRoot(), 0.9]
            for (place, number) in box.enumerated() { answer[start + 5 + place] = Float(number) }
            answer[start + 10 + object[0]] = 1
        }
        options.method = .anchors
        let anchors = AnchorDetection(options, shape: shape, classCount: 3, maximum: 3), matching = AnchorMatching(anchors: Anchors(options, shape: shape), classes: 3, maximum: 3)
        let graph = Graph(), boxes = graph.input("boxes", [1, 3, 5]), targets = matching(boxes)
        let result = try evaluate([targets[0], targets[3]], feeding: [(boxes, HostTensor([1, 3, 5], rows))])
        let classes = result[0].floats, numbers = result[1].floats
        let answers = (0..<anchors.outputShape[0]).flatMap { anchor -> [Float] in
            let logits: [Float] = (0..<3).map { classes[anchor * 3 + $0] == 1 ? 3 : -3 }
            return logits + numbers[anchor * 4..<anchor * 4 + 4]
        }
        for found in [finding.found(answer, by: grid), finding.found(answers, by: anchors)] {
            #expect(found.count == 2)
            for object in objects {
                let detection = try #require(found.first { $0.label == object[0] }), box = detection.box
                #expect(zip([box.x0, box.y0, box.x1, box.y1], object[1...]).allSatisfy { abs($0 - Double($1)) < 1e-4 })
            }
        }
    }
}
