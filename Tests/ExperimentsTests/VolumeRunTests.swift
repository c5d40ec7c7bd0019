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
        data:   {shapes_3d: {views: 3, train_shapes: 64, test_shapes: 16}}
        train:  {epochs: 2, batch_size: 16, optimizer: {adamw: {learning_rate: 5e-3}}}
        models: {m: {mvcnn: {backbone: {resnet: {depth: 8, width: 4, cut_after: stage3}}, views: 3, pooling: probabilities, train_views: one}}}

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

    /// Networks that see other views of the same solids, or their voxels, are tested as one; of other solids they are not.
    @Test func viewsAndVoxelsOfTheSameSolidsAreAnEnsemble() throws {
        func text(_ members: String, seed: Int = 0) -> String { """
            data:   {shapes_3d: {train_shapes: 48, test_shapes: 16}, normalization: none, validation: 0}
            train:  {epochs: 1, batch_size: 16}
            models:
              first:  {mvcnn: {backbone: {resnet: {depth: 8, width: 2, cut_after: stage2}}, seen_views: [0]}}
              third:  {mvcnn: {backbone: {resnet: {depth: 8, width: 2, cut_after: stage2}}, seen_views: [2]}}
              few:    {mvcnn: {backbone: {resnet: {depth: 8, width: 2, cut_after: stage2}}, views: 3}, data: {shapes_3d: {views: 3, noise: 4}}}
              voxels: {resnet3d: {depth: 10, width: 1}, data: {shapes_3d: {form: voxels}}}
              others: {resnet3d: {depth: 10, width: 1}, data: {shapes_3d: {form: voxels, seed: 3}}}
            ensembles: {all: {models: [\(members)]}}

            """
        }
        try withTemporaryFolder { results in
            let options = Runner.Options(threads: 2, results: URL(filePath: results), startsOver: false, command: [])
            func make(_ text: String) throws -> EnsembleFile? {
                let runner = try Runner(Experiment(definition(text), dataDirectory: nil), options: options, terminal: .silent)
                try runner.checkEnsembles()
                let outcome = try runner.run { false }
                #expect(try runner.makeEnsembles(of: outcome) { false } == [])
                return try EnsembleFile.paths(in: (outcome.folders[0].path as NSString).deletingLastPathComponent).map(EnsembleFile.init(reading:)).first
            }
            let file = try #require(try make(text("first, third, few, voxels")))
            #expect(file.members.count == 4 && file.test.count == 2)
            // A run of another form, as a member from another experiment has it.
            let voxels = try #require(file.members.last).run
            let again = try definition(text("first, third").replacing("models: [first, third]", with: "models: [first], runs: [x/\((voxels as NSString).lastPathComponent)]"))
            try Experiment(again, dataDirectory: nil).checkEnsembleRuns(in: URL(filePath: results))
            let error = #expect(throws: UserError.self) { try Experiment(definition(text("first, others")), dataDirectory: nil) }
            #expect(error?.message.hasSuffix("others and first are tested on different images, expected runs of the same test images") == true, "\(error?.message ?? "")")
        }
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
