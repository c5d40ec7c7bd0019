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

/// Views, voxels and sequences, from the definition to the comparison.
@Suite(.serialized) struct VolumeRunTests {
    private static let definitions = [
        """
        data:   {shapes_3d: {views: 3, train_shapes: 64, test_shapes: 16}}
        train:  {epochs: 2, batch_size: 16, optimizer: {adamw: {learning_rate: 5e-3}}}
        models: {m: {mvcnn: {backbone: {resnet: {depth: 8, width: 4, cut_after: stage3}}, views: 3, pool_after: stage2}}}

        """,
        """
        data:   {shapes_3d: {form: voxels, train_shapes: 48, test_shapes: 16}, normalization: none}
        train:  {epochs: 2, batch_size: 16, optimizer: {adamw: {learning_rate: 5e-3}}}
        models: {m: {resnet3d: {depth: 10, width: 2}}}

        """,
        """
        data:   {sequences_1d: {motif: "1011", train_sequences: 200, test_sequences: 64}}
        task:   segmentation
        train:  {epochs: 2, batch_size: 16, optimizer: {adamw: {learning_rate: 2e-2}}}
        models: {m: {cnn1d: {widths: [8], causal: true, answer: positions}}}

        """,
    ]

    @Test("They train to the same bytes on one thread and two, resume to them, verify and are compared", arguments: definitions)
    func areTrainedLikeAnyOther(text: String) throws {
        try withTemporaryFolder { results in
            _ = try trainedTwice(text, in: results)
            let measure = text.contains("segmentation") ? "test pixel accuracy" : "test accuracy"
            #expect(try Comparison(under: ["\(results)/whole"]).rendered(as: .table).contains(measure))
        }
    }

    @Test("What does not go together is said in a sentence before anything is trained", arguments: [
        ("data: {shapes_3d: {views: 6, train_shapes: 32, test_shapes: 8}}\nmodels: {m: {mvcnn: {backbone: {lenet5: {cut_after: stage2}}, views: 4}}}", "models.m.mvcnn.views: 4 views do not divide the 6 channels of images of 32×32×6"),
        ("data: {sequences_1d: {train_sequences: 64, test_sequences: 8}}\nmodels: {m: {cnn1d: {answer: positions}}}", "cnn1d gives an answer for every pixel, and classification asks for one for an image"),
        ("data: {sequences_1d: {train_sequences: 64, test_sequences: 8}}\ntask: segmentation\nmodels: {m: cnn1d}", "cnn1d gives one answer for an image, and segmentation asks for one for every pixel"),
    ])
    func misfitsAreSaid(text: String, sentence: String) throws {
        let error = #expect(throws: UserError.self) { _ = try Experiment(definition("\(text)\n"), dataDirectory: nil) }
        #expect(error?.message.contains(sentence) == true, "\(error?.message ?? "")")
    }

    /// A smoke test takes fewer solids of the same form, of the definition and of each model.
    @Test func smokeTestsKeepTheForm() throws {
        var read = try definition("""
            data:   {shapes_3d: {noise: 0}}
            models:
              a: {mvcnn: {backbone: {resnet: {depth: 8, cut_after: stage3}}}}
              b: {voxel_cnn: {}, data: {shapes_3d: {form: voxels}}}

            """)
        read.makeSmokeTest()
        let experiment = try Experiment(read, dataDirectory: nil), parts = experiment.definition.trials.map { experiment.part(of: $0) }
        #expect(parts.map(\.dataset.shape) == [ImageShape(height: 32, width: 32, channels: 12), ImageShape(height: 32, width: 32, channels: 32)])
        #expect(parts.allSatisfy { $0.dataset.images.labels.count == 128 })
    }
}
