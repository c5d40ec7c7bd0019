import Configuration
import Foundation
import Measures
import Reports
import RunStore
import Tasks
import TensorCore
import TestSupport
import Testing
import Training
import VisionData

@testable import Experiments

/// Boxes of objects, from the definition to the comparison.
@Suite(.serialized) struct DetectionRunTests {
    struct Case: Sendable, CustomTestStringConvertible {
        let task: String, model: String, measures: [String], monitored: String
        var testDescription: String { task }
    }

    static let cases = [
        Case(
            task: "{detection: {grid: 4}}", model: "{yolo: {size: small, width: 4, norm: batch, hidden: 32}}",
            measures: ["loss", "center", "size", "object_confidence", "no_object_confidence", "class_error", "map_50", "map"], monitored: "map_50"),
        Case(
            task: "{detection: {method: anchors, strides: [4, 8, 16], anchor_scale: 2, box_loss: ciou}}",
            model: "{retinanet: {backbone: {yolo: {size: small, width: 4, cut_after: stage3}}, levels: [stage2, stage3], extra: 1, width: 8, convolutions: 1}}",
            measures: ["loss", "focal", "box", "map_50", "map"], monitored: "map_50"),
        Case(task: "{localization: {box_weight: 5}}", model: "lenet5", measures: ["loss", "cross_entropy", "box", "accuracy", "box_iou"], monitored: "loss"),
    ]

    private func text(_ example: Case) -> String {
        """
        data:   {name: digit-scenes, train_examples: 64, test_examples: 32, augment: [{shift: 2}, horizontal_flip, {rotation: 10}]}
        train:  {epochs: 2, batch_size: 32, optimizer: {adamw: {learning_rate: 5e-3}}}
        task:   \(example.task)
        models: {m: \(example.model)}

        """
    }

    @Test("It trains to the same bytes on one thread and two, resumes to them, verifies, and is inspected and compared", arguments: cases)
    func isTrainedLikeAnyOther(_ example: Case) throws {
        try withTemporaryFolder { results in
            let text = text(example), experiment = try Experiment(definition(text), dataDirectory: nil), whole = try trainedTwice(text, in: results), contents = try RunReader(whole).contents()
            #expect(contents.description.measures.map(\.name) == example.measures)
            #expect(contents.description.monitored == example.monitored)
            try check(try #require(contents.evaluations[.test]), experiment, isDetection: example.measures.contains("map"))
            let title = example.measures.last!.replacing("_", with: " ")
            let inspection = try Inspection(whole.path), isDetection = example.measures.contains("map")
            #expect(inspection.text.contains("test \(title)"))
            #expect(inspection.text.contains("COCO average precision of each class") == isDetection && inspection.json.contains("class_average_precision") == isDetection)
            // What is not the metric has a section of its own.
            var page = Report.Options()
            page.title = "page"
            let html = try Report(under: ["\(results)/whole"], options: page).html
            #expect(html.contains("Other measures of the test") && html.contains(">test \(title)</th>"), "\(html.suffix(3000))")
            #expect(try Comparison(under: ["\(results)/whole"]).rendered(as: .table).contains(example.monitored.replacing("_", with: " ")))
        }
    }

    /// What the run file has of the test agrees with the data and with its measures.
    private func check(_ test: EvaluationRecord, _ experiment: Experiment, isDetection: Bool) throws {
        let boxes = try #require(experiment.dataset.images.boxes), images = experiment.dataset.indices(of: .test)
        func box(_ edges: ArraySlice<Float>) -> Box {
            let edges = edges.map { Double($0) }
            return Box(x0: edges[0], y0: edges[1], x1: edges[2], y1: edges[3])
        }
        func box(_ box: InstanceBox) -> Box { Box(x0: Double(box.x), y0: Double(box.y), x1: Double(box.x + box.width), y1: Double(box.y + box.height)) }
        let classes = try #require(test.tables["found_class"]?.integers), edges = try #require(test.tables["found_box"]?.reals)
        #expect(edges.count == 4 * classes.count)
        guard isDetection else {
            let overlaps = images.enumerated().compactMap { place, image -> Double? in
                boxes.boxes[Int(image)].map(box).max { $0.area < $1.area }.map { box(edges[4 * place..<4 * place + 4]).overlap(with: $0) }
            }
            #expect(classes.count == images.count && abs(test.values[4]! - overlaps.reduce(0, +) / Double(overlaps.count)) < 1e-4)
            return
        }
        let places = try #require(test.tables["found_image"]?.integers), scores = try #require(test.tables["found_score"]?.reals)
        #expect(places.count == classes.count && scores.count == classes.count && !scores.isEmpty && scores.allSatisfy { $0 >= 0.01 })
        var precision = AveragePrecision(classCount: experiment.dataset.classCount)
        for (place, image) in images.enumerated() {
            let found = places.indices.filter { places[$0] == Int64(place) }.map {
                Measures.Detection(label: Int(classes[$0]), score: Double(scores[$0]), box: box(edges[4 * $0..<4 * $0 + 4]))
            }
            precision.add(found, objects: boxes.boxes[Int(image)].map { (label: Int($0.label), box: box($0)) })
        }
        // Scores are kept in float32, whose rounding may change the order of two.
        #expect(abs(test.values[test.values.count - 2]! - precision.values.at50) < 1e-3 && abs(test.values.last!! - precision.values.overall) < 1e-3)
        #expect(try #require(test.tables["class_average_precision"]?.reals).count == 11)
    }

    /// Where halving rounds, strides are what they are and no quotient of sizes.
    @Test func levelsOfRoundedSizesFit() throws {
        for size in ["100", "[36, 50]", "96"] {
            let text = """
                data: {name: digit-scenes, size: \(size), train_examples: 16, test_examples: 8}
                task: {detection: {method: anchors, strides: [4, 8, 16, 32]}}
                models: {r: {retinanet: {backbone: {resnet: {depth: 8, cut_after: stage3}}, levels: [stage3], extra: 3}}}

                """
            #expect(throws: Never.self) { _ = try Experiment(definition(text), dataDirectory: nil) }
        }
    }

    @Test("What does not go together is said in a sentence before anything is trained", arguments: [
        ("{name: digits}", "detection", "{l: lenet5}", "data: digits has no boxes, which detection needs; expected a data set with the boxes of objects, such as fashion-scenes"),
        ("{name: digits}", "localization", "{l: lenet5}", "data: digits has no boxes, which localization needs"),
        ("{name: digit-scenes, classes: [1, 2]}", "detection", "{l: lenet5}", "data.classes: boxes have all classes; leave this key out for detection"),
        ("{name: digit-scenes, label_noise: 0.5}", "localization", "{l: lenet5}", "data.label_noise: changes the labels of images, which localization does not see"),
        ("{name: digit-scenes}", "{detection: {method: anchors}}", "{l: lenet5}", "models.l: lenet5 gives one answer for an image, and detection asks for one for every anchor; expected a model such as retinanet"),
        ("{name: digit-scenes}", "detection", "{r: {retinanet: {backbone: {resnet: {depth: 8, cut_after: stage3}}}}}", "retinanet gives an answer for every anchor, and detection asks for one for an image; say task: {detection: {method: anchors}}"),
        ("{name: digit-scenes}", "detection", "{u: {unet: {depth: 2}}}", "unet gives an answer for every pixel, and detection asks for one for an image; say task: segmentation"),
        ("{name: digit-scenes}", "{detection: {method: anchors, grid: 3}}", "{l: lenet5}", "task.detection.grid: goes with method: grid"),
        ("{name: digit-scenes}", "{detection: {box_loss: ciou}}", "{l: lenet5}", "task.detection.box_loss: goes with method: anchors"),
        ("{name: digit-scenes}", "{detection: {method: anchors, strides: [8]}}", "{r: {retinanet: {backbone: {resnet: {depth: 8, cut_after: stage3}}}}}", "models.r: retinanet has levels of 32×32, 16×16, 8×8, 4×4, 2×2 cells with 9 anchors at each, and the strides [8] of the task make 4×4 with 9; expected the strides of its levels (task.detection.strides) and scales times ratios as many as its anchors"),
        ("{name: digit-scenes}", "{detection: {method: anchors, strides: [8, 4]}}", "{r: {retinanet: {backbone: {resnet: {depth: 8, cut_after: stage3}}, levels: [stage3], extra: 1}}}", "levels of 8×8, 4×4 cells with 9 anchors at each, and the strides [8, 4] of the task make 4×4, 8×8 with 9"),
        ("{name: digit-scenes}", "{detection: {method: anchors, strides: [4, 8], scales: 1}}", "{r: {retinanet: {backbone: {resnet: {depth: 8, cut_after: stage3}}, levels: [stage3], extra: 1}}}", "levels of 8×8, 4×4 cells with 9 anchors at each, and the strides [4, 8] of the task make 8×8, 4×4 with 3"),
    ])
    func misfitsAreSaid(data: String, task: String, models: String, sentence: String) throws {
        let error = #expect(throws: (any Error).self) {
            let experiment = try Experiment(definition("data: \(data)\ntask: \(task)\nmodels: \(models)\n"), dataDirectory: nil)
            try withTemporaryFolder { results in
                let options = Runner.Options(threads: 1, results: URL(filePath: results), startsOver: false, command: [], epochLimit: 1)
                _ = try Runner(experiment, options: options, terminal: .silent).run { false }
            }
        }
        #expect("\(error.map { "\($0)" } ?? "")".contains(sentence), "\(error.map { "\($0)" } ?? "")")
    }

    /// A data set in memory of whose images none has an object; and one of which some have none, which train and count.
    @Test func imagesWithoutObjects() throws {
        let shape = ImageShape(height: 16, width: 16, channels: 1), box = InstanceBox(label: 1, x: 2, y: 3, width: 8, height: 6)
        func prepared(_ boxes: [[InstanceBox]]) throws -> PreparedTask {
            let images = try LabeledImages(
                "few", shape: shape, pixels: .bytes((0..<4 * shape.count).map { UInt8($0 % 251) }, maximum: 255), labels: [0, 1, 0, 1], testCount: 1,
                boxes: InstanceBoxes(maximum: 2, boxes))
            return try TaskRegistry.standard.prepare(.text("detection"), dataset: ImageDataset(images, validation: .count(0)), training: TrainConfiguration())
        }
        #expect(try prepared([[box], [], [box, box], []]).task.outputShape == [7 * 7 * 12])
        let error = #expect(throws: UserError.self) { _ = try prepared([[], [], [], [box]]) }
        #expect(error?.message.contains("data: no training image of few has an object, of which detection could learn") == true)
    }

    /// Objects of one class can be found, but images of one class cannot be told apart.
    @Test func oneClassIsEnoughForBoxes() throws {
        let shape = ImageShape(height: 16, width: 16, channels: 1), box = InstanceBox(label: 0, x: 2, y: 3, width: 8, height: 6)
        let images = try LabeledImages(
            "faces", shape: shape, pixels: .bytes((0..<4 * shape.count).map { UInt8($0 % 251) }, maximum: 255), labels: [0, 0, 0, 0], testCount: 1,
            boxes: InstanceBoxes(maximum: 1, [[box], [], [box], [box]]))
        func prepared(_ task: String) throws -> PreparedTask {
            try TaskRegistry.standard.prepare(.text(task), dataset: ImageDataset(images, validation: .count(0)), training: TrainConfiguration())
        }
        #expect(try prepared("detection").task.outputShape == [7 * 7 * 11])
        let error = #expect(throws: UserError.self) { _ = try prepared("classification") }
        #expect(error?.message == "faces: all 3 training images have the label 0, expected at least two classes")
    }
}
