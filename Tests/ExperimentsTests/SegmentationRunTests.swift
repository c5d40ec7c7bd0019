import Configuration
import Foundation
import Measures
import Reports
import RunStore
import Tasks
import TensorCore
import TestSupport
import Testing
import VisionData

@testable import Experiments

/// A class for each pixel, from the definition to the comparison.
@Suite(.serialized) struct SegmentationRunTests {
    private static func text(_ model: String) -> String { """
        data:   {name: digit-scenes, train_examples: 96, test_examples: 32, augment: [{shift: 2}, {rotation: 10}]}
        train:  {epochs: 2, batch_size: 32, optimizer: {adamw: {learning_rate: 5e-3}}}
        task:   {segmentation: {loss: both, class_weights: balanced}}
        models: {m: \(model)}

        """
    }

    private static let models = [
        "{unet: {width: 4, depth: 2, norm: batch}}",
        "{fcn: {backbone: {resnet: {depth: 8, width: 4, dilated_stages: [stage3], cut_after: stage3}}, fuse: [stage1], up: transposed}}",
    ]

    @Test("It trains to the same bytes on one thread and two, resumes to them, verifies, and is inspected and compared", arguments: models)
    func isTrainedLikeAnyOther(model: String) throws {
        let text = Self.text(model)
        try withTemporaryFolder { results in
            let whole = try trainedTwice(text, in: results), contents = try RunReader(whole).contents()
            #expect(contents.description.measures.map(\.name) == ["loss", "cross_entropy", "dice", "pixel_accuracy", "mean_iou"])
            #expect(contents.description.monitored == "pixel_accuracy")
            // The measures of the test, from the confusion of its pixels.
            let test = try #require(contents.evaluations[.test]), confusion = try #require(test.tables["confusion"]?.integers)
            #expect(confusion.reduce(0, +) == 32 * 32 * 32)
            let right = (0..<11).map { confusion[$0 * 12] }
            #expect(abs(test.values[3]! - Double(right.reduce(0, +)) / Double(32 * 32 * 32)) < 1e-12)
            let iou = (0..<11).map { label in
                let all = (0..<11).reduce(0) { $0 + confusion[label * 11 + $1] + confusion[$1 * 11 + label] } - right[label]
                return all == 0 ? Double.nan : Double(right[label]) / Double(all)
            }
            #expect(try #require(test.tables["iou"]?.reals).map(\.bitPattern) == iou.map { Float($0).bitPattern })
            let present = iou.filter { !$0.isNaN }
            #expect(test.values[4]! == present.reduce(0, +) / Double(present.count))
            let inspection = try Inspection(whole.path).text
            #expect(inspection.contains("pixels by class (rows) and predicted class (columns)") && inspection.contains("IoU"))
            #expect(inspection.contains("test pixel accuracy") && inspection.contains("test mean iou"))
            #expect(inspection.contains(/test pixels +32,768\n/) && !inspection.contains("test images"))
            #expect(try Comparison(under: ["\(results)/whole"]).rendered(as: .table).contains("pixel accuracy"))
        }
    }

    @Test("What does not go together is said in a sentence before anything is trained", arguments: [
        ("task: segmentation\nmodels: {lenet: lenet5}", "models.lenet: lenet5 gives one answer for an image, and segmentation asks for one for every pixel; expected a model such as unet"),
        ("models: {u: {unet: {depth: 2}}}", "models.u: unet gives an answer for every pixel, and classification asks for one for an image; say task: segmentation, or take another model"),
        ("models: {s: {setr: {patch: 8, width: 16, depth: 2, heads: 2}}}", "models.s: setr gives an answer for every pixel, and classification asks for one for an image"),
        ("models: {f: {fcn: {backbone: {resnet: {depth: 8, cut_after: stage3}}}}}", "models.f: fcn gives an answer for every pixel, and classification asks for one for an image"),
        ("models: {d: {deeplab: {backbone: {resnet: {depth: 8, cut_after: stage3}}}}}", "models.d: deeplab gives an answer for every pixel, and classification asks for"),
        ("task: segmentation\nmodels: {v: {vit: {patch: 8, width: 16, depth: 2, heads: 2}}}", "models.v: vit gives one answer for an image, and segmentation asks for one for every pixel"),
        ("task: segmentation\nmodels: {u: {unet: {depth: 6}}}", "6 levels, each of which halves the image, need at least 64×64 pixels, found 32×32"),
        ("task: {segmentation: {class_weights: [1, 2]}}\nmodels: {u: {unet: {depth: 2}}}", "task.segmentation.class_weights: found 2 weights, expected 11, one for each class of digit-scenes"),
        ("task: {segmentation: {loss: dice, class_weights: balanced}}\nmodels: {u: {unet: {depth: 2}}}", "goes with the cross-entropy, which loss: dice leaves out"),
        ("task: {segmentation: {loss: jaccard}}\nmodels: {u: {unet: {depth: 2}}}", "task.segmentation.loss"),
    ])
    func misfitsAreSaid(rest: String, sentence: String) throws {
        let error = #expect(throws: UserError.self) { _ = try Experiment(definition("data: {name: digit-scenes}\n\(rest)\n"), dataDirectory: nil) }
        #expect(error?.message.contains(sentence) == true, "\(error?.message ?? "")")
    }

    @Test func dataWithoutMasksAreSaid() throws {
        for (data, sentence) in [
            ("{name: digits}", "data: digits has no masks, which segmentation needs; expected a data set with a class for each pixel, such as fashion-scenes"),
            ("{name: digit-scenes, classes: [1, 2]}", "data.classes: masks have all classes; leave this key out for segmentation"),
            ("{name: digit-scenes, label_noise: 0.5}", "data.label_noise: changes the labels of images, which segmentation does not see; leave this key out"),
        ] {
            let error = #expect(throws: UserError.self) {
                _ = try Experiment(definition("data: \(data)\ntask: segmentation\nmodels: {u: {unet: {depth: 2}}}\n"), dataDirectory: nil)
            }
            #expect(error?.message.contains(sentence) == true, "\(error?.message ?? "")")
        }
    }

    /// Scenes are data for a classifier too: the class of the largest object.
    @Test func scenesAreClassified() throws {
        let experiment = try Experiment(definition("data: {name: digit-scenes}\nmodels: {lenet: lenet5}\n"), dataDirectory: nil)
        #expect(experiment.task.outputShape == [11] && experiment.notes.isEmpty)
    }

    /// A smoke test takes scenes of digits.
    @Test func aSmokeTestHasMasks() throws {
        var read = try definition("data: {fashion_scenes: {canvas: 96}}\ntask: {segmentation: {loss: dice}}\nmodels: {u: {unet: {width: 4, depth: 3}}}\n")
        read.makeSmokeTest()
        #expect(read.data.source == .named(.digitScenes))
        #expect(try Experiment(read, dataDirectory: nil).task.name == "segmentation")
    }
}
