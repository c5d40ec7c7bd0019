import Configuration
import Foundation
import Measures
import Reports
import RunStore
import Synchronization
import Tasks
import TensorCore
import TestSupport
import Testing
import VisionData

@testable import Experiments

/// Embeddings of images: from the definition to the comparison, and on to a classifier.
@Suite(.serialized) struct MetricLearningRunTests {
    private static func text(_ task: String, _ sampling: String, unseen: String = "", batch: Int = 64, more: String = "") -> String { """
        data:   {name: digits, test_examples: 120, sampling: \(sampling), augment: [{shift: 1}, {rotation: 15}]\(unseen)}
        train:  {epochs: 2, batch_size: \(batch), shards: 4, optimizer: {adamw: {learning_rate: 3e-3}}\(more)}
        task:   {metric_learning: \(task)}
        models: {m: {mlp: {widths: [32]}}}

        """
    }

    private static let triplets = ["easy_triplets", "semi_hard_triplets", "hard_triplets"]
    private static let splits = ["recall_at_1", "recall_at_5", "recall_at_10", "verification_accuracy", "roc_auc"]

    @Test("It trains to the same bytes on one thread and two, resumes to them, verifies, and is inspected and compared", arguments: [
        ("{loss: contrastive, embedding: 8}", "{classes: 4, images: 4}", "", ["loss"] + splits),
        ("{mining: all, embedding: 8, few_shot: {ways: 3, shots: 2, queries: 4, episodes: 30}}", "{classes: 4, images: 4}", ", unseen_classes: [7, 8, 9]",
            ["loss"] + triplets + splits + ["few_shot_accuracy"]),
        ("{mining: batch_hard, embedding: 8, normalize: false, recall: [1, 3]}", "{classes: 4, images: 2, views: 2}", "",
            ["loss"] + triplets + ["recall_at_1", "recall_at_3", "verification_accuracy", "roc_auc"]),
        ("{loss: n_pair, embedding: 8, normalize: false}", "{classes: 8, images: 2}", "", ["loss"] + splits),
        ("{loss: supcon, embedding: 8}", "{classes: 8, images: 2}", "", ["loss"] + splits),
        ("{loss: simclr, embedding: 8}", "{views: 2}", "", ["loss"] + splits),
    ])
    func isTrainedLikeAnyOther(task: String, sampling: String, unseen: String, measures: [String]) throws {
        try withTemporaryFolder { results in
            let whole = try trainedTwice(Self.text(task, sampling, unseen: unseen), in: results), contents = try RunReader(whole).contents()
            #expect(contents.description.measures.map(\.name) == measures + ["embedding_variance"])
            #expect(contents.description.monitored == "recall_at_1")
            let test = try #require(contents.evaluations[.test])
            #expect(test.tables["embeddings"]?.reals?.count == 120 * 8)
            #expect(test.tables["labels"]?.integers?.count == 120)
            let recall = try #require(test.values[measures.firstIndex(of: "recall_at_1")!]), variance = try #require(test.values[measures.count])
            #expect(recall > 0.4 && variance > 0.05, "\(recall), \(variance)")
            #expect(test.tables["neighbours"]?.integers?.count == 120 * (task.contains("recall") ? 3 : 10))
            #expect(try Inspection(whole.path).text.contains("test recall at 1"))
            #expect(try Comparison(under: ["\(results)/whole"]).rendered(as: .table).contains("test recall at"))
            #expect(try Report(under: ["\(results)/whole"]).figureFiles().contains { $0.name == "roc-170mm.svg" })
        }
    }

    /// A classifier starts from a network that was trained to embed, also of another definition, with a head of its own, and the rest as it was.
    @Test func aProbeStartsFromAnEmbedding() throws {
        try withTemporaryFolder { folder in
            let source = Self.text("{loss: simclr, embedding: 8}", "{views: 2}")
                .replacing("{mlp: {widths: [32]}}", with: "{projected: {backbone: {resnet: {depth: 8, width: 4, cut_after: stage3}}, hidden: [16]}}")
            try Data(source.utf8).write(to: URL(filePath: "\(folder)/simclr.yaml"))
            let probe = """
                data:   {name: digits, test_examples: 120, images_per_class: 20}
                train:
                  epochs: 12
                  batch_size: 40
                  optimizer: {adamw: {learning_rate: 3e-2}}
                  init_from: {experiment: simclr.yaml, model: m, except: ["head.*"]}
                  parameters: [{match: "backbone.*", freeze: true}]
                models: {probe: {projected: {backbone: {resnet: {depth: 8, width: 4, cut_after: stage3}}, hidden: []}}}

                """
            try Data(probe.utf8).write(to: URL(filePath: "\(folder)/probe.yaml"))
            let read = try Definition(Composition(of: URL(filePath: "\(folder)/probe.yaml"), display: { $0.lastPathComponent }))
            let options = Runner.Options(threads: 2, results: URL(filePath: "\(folder)/results"), startsOver: false, command: [])
            let folders = try Runner(Experiment(read, dataDirectory: nil), options: options, terminal: .silent).run { false }.folders
            let contents = try RunReader(folders[0]).contents(), test = try #require(contents.evaluations[.test])
            let accuracy = try #require(test.values[contents.description.measures.firstIndex { $0.name == "accuracy" }!])
            #expect(accuracy > 0.5, "\(accuracy)")
            // The frozen layers are those of the embedding.
            let found = try #require(FileManager.default.enumerator(atPath: "\(folder)/results")?.compactMap { $0 as? String }.first { $0.contains("simclr/m-") && $0.hasSuffix("best.h5") })
            func arrays(_ path: String) throws -> [String: NamedArray] { Dictionary(uniqueKeysWithValues: try StoredWeights(reading: path).parameters.map { ($0.name, $0) }) }
            let embedding = try arrays("\(folder)/results/\(found)"), own = try arrays(folders[0].weightsFile(.best))
            let name = "backbone.layer3.0.conv1.weight"
            #expect(embedding[name] == own[name] && embedding[name] != nil)
            #expect(embedding["head.2.bias"]?.shape == [8] && own["head.0.bias"]?.shape == [10] && own["head.2.bias"] == nil)
        }
    }

    /// Pairs of one class that are drawn together, and none that are pushed apart.
    @Test func aCollapseIsWarnedOfOnce() throws {
        func lines(_ task: String) throws -> [String] {
            try withTemporaryFolder { results in
                let heard = Mutex([String]())
                let options = Runner.Options(threads: 2, results: URL(filePath: results), startsOver: false, command: [])
                let text = Self.text(task, "{classes: 4, images: 4}").replacing("epochs: 2", with: "epochs: 4").replacing("3e-3", with: "1e-2")
                _ = try Runner(Experiment(definition(text), dataDirectory: nil), options: options, terminal: Terminal { line in heard.withLock { $0.append(line) } }).run { false }
                return heard.withLock { $0 }.filter { $0.contains("the network has collapsed") }
            }
        }
        let warned = try lines("{loss: contrastive, margin: 0.0001, embedding: 4}")
        #expect(warned.count == 1 && warned[0].contains("after epoch ") && warned[0].contains("all images have nearly the same embedding (embedding_variance 0.000"), "\(warned)")
        #expect(try lines("{loss: contrastive, embedding: 4}").isEmpty)
    }

    @Test("What does not go together is said in a sentence before anything is trained", arguments: [
        ("{}", "shuffled", 64, "data.sampling: triplet compares images that stand side by side in a shard of the batch; expected sets of them, such as {classes: 8, images: 4}"),
        ("{}", "{views: 2}", 64, "data.sampling: triplet tells classes apart; expected at least 2 side by side, such as {classes: 8, images: 4}"),
        ("{}", "{classes: 1, images: 16}", 64, "data.sampling: triplet tells classes apart"),
        ("{}", "{classes: 4, images: 1}", 16, "data.sampling.images: found 1, and triplet compares images of a class with each other; expected at least 2"),
        ("{}", "{classes: 4}", 64, "data.sampling.classes: goes with images, how many of each class"),
        ("{}", "{}", 64, "data.sampling: triplet tells classes apart"),
        ("{}", "{classes: 4, images: 4}", 128,
            "train.batch_size: a set of 16 images has to fill a shard, and 128 images in 4 shards are 32 in each; expected 64, or other train.shards"),
        ("{}", "{classes: 12, images: 4}", 192, "data.sampling.classes: found 12, but digits has 10 classes to train on"),
        ("{}", "{classes: 4, images: 400}", 6400, "data.sampling.images: found 400, but class 0 (0) of digits has 121 training images"),
        ("{loss: n_pair}", "{classes: 4, images: 4}", 64, "data.sampling: n_pair takes two images of each class, and the set has 4; expected images: 2"),
        ("{loss: simclr}", "{classes: 4, images: 4}", 64, "data.sampling: simclr compares two views of each image; expected views: 2"),
        ("{loss: supcon, mining: hard}", "{classes: 4, images: 4}", 64, "goes with the loss triplet, not with supcon"),
        ("{temperature: 0.1}", "{classes: 4, images: 4}", 64, "goes with n_pair, supcon and simclr, not with triplet"),
        ("{few_shot: {ways: 12}}", "{classes: 4, images: 4}", 64, "task.metric_learning.few_shot.ways: found 12, and there are 10 classes of digits"),
        ("{few_shot: {ways: 5, queries: 200}}", "{classes: 4, images: 4}", 64, "an episode takes 201 images of each of 5 classes, and the test of digits has as many of 0"),
    ])
    func misfitsAreSaid(task: String, sampling: String, batch: Int, sentence: String) throws {
        let error = #expect(throws: UserError.self) { _ = try Experiment(definition(Self.text(task, sampling, batch: batch)), dataDirectory: nil) }
        #expect(error?.message.contains(sentence) == true, "\(error?.message ?? "")")
    }

    /// Episodes need images of the validation too, where something goes by them.
    @Test func aValidationTooSmallForEpisodes() throws {
        func experiment(_ more: String) throws -> Experiment {
            let text = Self.text("{few_shot: {ways: 5, queries: 6}}", "{classes: 4, images: 4}", more: more).replacing("{name: digits,", with: "{name: digits, validation: 8,")
            return try Experiment(definition(text), dataDirectory: nil)
        }
        let reason = "an episode takes 7 images of each of 5 classes, and the validation of digits has as many of 0"
        #expect(try experiment("").notes.contains("val_few_shot_accuracy has no value: \(reason)"))
        for metric in ["val_few_shot_accuracy", "val_ema_few_shot_accuracy"] {
            let error = #expect(throws: UserError.self) { try experiment(", ema: {decay: 0.9}, early_stopping: {metric: \(metric)}") }
            #expect(error?.message == "x.yaml:2: train.early_stopping.metric: found \(metric), of which there is no value: \(reason); expected another metric, or a larger data.validation")
        }
    }

    @Test("One mistake is said in one sentence", arguments: [
        ("task: {metric_learning: {recall: [0]}}\nmodels: {l: {mlp: {}}}", "task.metric_learning.recall[0]: expected a value from 1 to 100, found 0"),
        ("data: {name: digits, sampling: {classes: 0, images: 2}}\nmodels: {l: {mlp: {}}}", "data.sampling.classes: expected a value from 1 to 10000, found 0"),
        ("models: {m: {edges: {filters: [foo]}}}", "models.m.edges.filters[0]: unknown value 'foo'; known: canny, gaussian, laplacian, prewitt, sobel"),
        ("models: {m: {hog: {orientations: 0}}}", "models.m.hog.orientations: expected a value from 1 to 180, found 0"),
        ("train: {distill: t}\nmodels: {t: {mlp: {}}}", "train.distill: expected a map, found t"),
    ])
    func oneSentence(text: String, sentence: String) {
        let data = text.hasPrefix("data") ? "" : "data: {name: digits, sampling: {classes: 4, images: 4}}\n"
        let error = #expect(throws: UserError.self) { _ = try Experiment(definition("\(data)\(text)\n"), dataDirectory: nil) }
        #expect(error?.message.hasSuffix(sentence) == true && error?.message.contains("\n") == false, "\(error?.message ?? "")")
    }

    @Test("So is what does not go with classes that training does not see", arguments: [
        ("data: {name: digits, unseen_classes: [7, 8]}\nmodels: {l: {mlp: {}}}", "data.unseen_classes: a classifier cannot tell class 7 without training images"),
        ("data: {name: digits, unseen_classes: [7, 12]}\nmodels: {l: {mlp: {}}}", "data.unseen_classes: there is no class 12 in digits"),
        ("data: {name: digits, classes: [0, 1, 2, 3], unseen_classes: [3, 4]}\nmodels: {l: {mlp: {}}}", "data.unseen_classes: class 4 (4) of digits is not among data.classes"),
        ("data: {name: digits, classes: [0, 1, 2], unseen_classes: [1, 2]}\nmodels: {l: {mlp: {}}}", "2 of the 3 classes of digits leave fewer than two to train on"),
        ("data: {name: digits, unseen_classes: [1, 2], label_noise: 0.1}\nmodels: {l: {mlp: {}}}", "would give training images to unseen_classes"),
        ("data: {name: digits, sampling: {views: 2}}\ntrain: {batch_size: 64, shards: 4}\ntask: {metric_learning: {loss: simclr}}\nmodels: {l: {mlp: {}}}",
            "data.augment: simclr compares two views of each image, which are alike without augmentations"),
        ("data: {name: digits, sampling: {classes: 4, images: 4}}\ntrain: {batch_size: 64, shards: 4}\ntask: metric_learning\nmodels: {u: {unet: {depth: 2}}}",
            "models.u: unet gives an answer for every pixel"),
    ])
    func unseenMisfitsAreSaid(text: String, sentence: String) throws {
        let error = #expect(throws: UserError.self) { _ = try Experiment(definition("\(text)\n"), dataDirectory: nil) }
        #expect(error?.message.contains(sentence) == true, "\(error?.message ?? "")")
    }
}
