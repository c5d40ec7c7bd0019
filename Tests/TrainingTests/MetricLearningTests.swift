import Foundation
import Measures
import TensorCore
import TestSupport
import Testing
import VisionData

@testable import Tasks
@testable import Training

/// Against PyTorch, NumPy and scikit-learn; Tests/Reference/metric_learning.py made the fixtures.
@Suite struct MetricLearningTests {
    struct Fixture: Decodable, Sendable {
        let losses: [Case], measures: [Measures]

        struct Case: Decodable, Sendable, CustomTestStringConvertible {
            let loss: String, margin: Double?, temperature: Double?, mining: String?, normalize: Bool, shards: Int
            let labels: [Int32], embeddings: [Float], value: Double, gradient: [Double], shares: [Double]?, mined: [[Int]]?

            var testDescription: String { "\(loss) \(mining ?? "") \(normalize ? "normalized" : "as they are") in \(shards) shards" }

            var options: MetricLearningOptions {
                var options = MetricLearningOptions()
                (options.loss, options.margin, options.temperature) = (.init(rawValue: loss)!, margin, temperature)
                if let mining { options.mining = .init(rawValue: mining)! }
                (options.normalize, options.embedding) = (normalize, embeddings.count / labels.count)
                return options
            }

            /// What the task records of the embeddings, and what is fed.
            func recorded(_ mode: Graph.Mode, present: [Float]? = nil) -> (task: RecordedTask, output: Tensor, fed: [(Tensor, HostTensor)]) {
                let graph = Graph(mode: mode, shardCount: shards), count = labels.count / shards, length = embeddings.count / labels.count
                let output = graph.input("output", [count, length]), label = graph.input("label", [count], .int32), places = graph.input("present", [count])
                return (
                    MetricLearning(classCount: 4, options).record(output, [label, places]), output,
                    [(output, HostTensor([labels.count, length], embeddings)), (label, HostTensor([labels.count], labels)),
                        (places, HostTensor([labels.count], present ?? [Float](repeating: 1, count: labels.count)))])
            }
        }

        struct Measures: Decodable, Sendable {
            let length: Int, classes: Int, embeddings: [Float], labels: [Int32], area: Double, accuracy: Double, threshold: Double, curve: [Float], recall: [Double], fewShot: [String: Double], variance: Double
        }

        static func read() throws -> Fixture {
            let tests = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
            let decoder = JSONDecoder()
            decoder.keyDecodingStrategy = .convertFromSnakeCase
            return try decoder.decode(Fixture.self, from: Data(contentsOf: tests.appending(path: "Fixtures/metric_learning.json")))
        }
    }

    @Test(arguments: try Fixture.read().losses) func lossesAgreeWithPyTorch(_ fixture: Fixture.Case) throws {
        let (task, output, fed) = fixture.recorded(.training), total = task.total()
        let results = try evaluate([total] + gradients(of: total, withRespectTo: [output]), feeding: fed, threads: 2)
        #expect(abs(Double(results[0].floats[0]) - fixture.value) < 3e-6 * max(1, fixture.value))
        let largest = fixture.gradient.map(abs).max()!
        for (found, expected) in zip(results[1].floats, fixture.gradient) { #expect(abs(Double(found) - expected) < 2e-6 * max(1, largest)) }
        #expect(results[1].floats.count == fixture.gradient.count)
        if fixture.loss == "triplet", fixture.mining == "easy" { #expect(fixture.value == 0) } else { #expect(fixture.value > 0 || fixture.mining == "semi_hard") }
    }

    /// The shares of easy, semi-hard and hard triplets, and which of them count.
    @Test(arguments: try Fixture.read().losses.filter { $0.loss == "triplet" }) func tripletsAreThoseOfNumPy(_ fixture: Fixture.Case) throws {
        let (task, _, fed) = fixture.recorded(.training)
        #expect(task.measures.map(\.measure.name) == ["easy_triplets", "semi_hard_triplets", "hard_triplets"])
        for (measure, share) in zip(task.measures, try #require(fixture.shares)) {
            let sums = try evaluate([measure.values, #require(measure.counts)], feeding: fed).map { $0.floats.reduce(0, +) }
            #expect(abs(Double(sums[0] / sums[1]) - share) < 1e-6)
        }
        let count = fixture.labels.count / fixture.shards, mined = try #require(fixture.mined), length = fixture.embeddings.count / fixture.labels.count
        for shard in 0..<fixture.shards {
            let rows = (shard * count..<(shard + 1) * count).map { Array(fixture.embeddings[$0 * length..<($0 + 1) * length]) }
            let vectors = rows.map { row in fixture.normalize ? row.map { $0 / row.reduce(0) { $0 + $1 * $1 }.squareRoot() } : row }
            let distances = vectors.flatMap { a in vectors.map { b in zip(a, b).reduce(Float(0)) { $0 + ($1.0 - $1.1) * ($1.0 - $1.1) } } }
            let mining = TripletMining(mining: fixture.options.minedTriplets, margin: 0.2, count: count)
            let labels = fixture.labels[shard * count..<(shard + 1) * count].map { Float($0) }, present = [Float](repeating: 1, count: count)
            var weights = [Float](repeating: 0, count: count * count), others = [[Float]](repeating: [Float](repeating: 0, count: count), count: 6)
            var expected = weights, number = [Float](repeating: 0, count: count)
            for triplet in mined where triplet[0] / count == shard {
                let (a, p, n) = (triplet[0] - shard * count, triplet[1] - shard * count, triplet[2] - shard * count)
                number[a] += 1
                if distances[a * count + p] - distances[a * count + n] + 0.2 > 0 {
                    expected[a * count + p] += 1
                    expected[a * count + n] -= 1
                }
            }
            let memory = others.map { list -> UnsafeMutablePointer<Float> in
                let memory = UnsafeMutablePointer<Float>.allocate(capacity: list.count)
                memory.initialize(from: list, count: list.count)
                return memory
            }
            defer { memory.forEach { $0.deallocate() } }
            distances.withUnsafeBufferPointer { distances in
                labels.withUnsafeBufferPointer { labels in
                    present.withUnsafeBufferPointer { present in
                        weights.withUnsafeMutableBufferPointer { weights in
                            mining.compute([distances.baseAddress!, labels.baseAddress!, present.baseAddress!], [weights.baseAddress!] + memory)
                        }
                    }
                }
            }
            for (index, values) in memory.enumerated() { others[index] = Array(UnsafeBufferPointer(start: values, count: count)) }
            #expect(weights == expected)
            #expect(others[1] == number)
        }
    }

    /// A shard in which nothing counts has the loss 0, and no gradient; places that hold no image are compared with none, whatever they look like.
    @Test(arguments: try Fixture.read().losses.filter { $0.shards == 2 && $0.normalize }) func emptyPlacesCountForNothing(_ fixture: Fixture.Case) throws {
        let none = fixture.recorded(.training, present: [Float](repeating: 0, count: 16)), total = none.task.total()
        let results = try evaluate([total] + gradients(of: total, withRespectTo: [none.output]), feeding: none.fed)
        #expect(results[0].floats == [0] && results[1].floats.allSatisfy { $0 == 0 })

        let present: [Float] = (0..<16).map { $0 < 13 ? 1 : 0 }
        func losses(_ change: Float) throws -> [Float] {
            var (task, _, fed) = fixture.recorded(.evaluation, present: present)
            let embeddings = fixture.embeddings.enumerated().map { $0 < 13 * 5 ? $1 : change }
            fed[0].1 = HostTensor([16, 5], embeddings)
            #expect(task.losses[0].counts == nil)
            task.measures = []
            return try evaluate([task.losses[0].values], feeding: fed)[0].floats
        }
        let found = try losses(0)
        #expect(found == (try losses(0.7)) && found[13...].allSatisfy { $0 == 0 } && found.allSatisfy(\.isFinite))
        if fixture.mining != "easy", fixture.mining != "semi_hard" { #expect(found.contains { $0 > 0 }) }
    }

    @Test(arguments: try Fixture.read().measures) func measuresAgreeWithScikitLearn(_ fixture: Fixture.Measures) throws {
        for classifier in FewShotOptions.Classifier.allCases {
            var options = MetricLearningOptions(), fewShot = FewShotOptions()
            (fewShot.ways, fewShot.shots, fewShot.queries, fewShot.episodes, fewShot.classifier) = (3, 2, 4, 60, classifier)
            (options.embedding, options.fewShot) = (fixture.length, fewShot)
            let task = MetricLearning(classCount: fixture.classes, unseenClasses: Array(1..<fixture.classes), options), tables = task.makeTables(of: .test)
            fixture.embeddings.withUnsafeBufferPointer { embeddings in
                fixture.labels.withUnsafeBufferPointer { labels in
                    // Some images, then the others.
                    for images in [0..<7, 7..<labels.count] {
                        tables.add(
                            outputs: [UnsafeRawPointer(embeddings.baseAddress! + images.lowerBound * fixture.length)],
                            targets: [UnsafeRawPointer(labels.baseAddress! + images.lowerBound)], count: images.count)
                    }
                }
            }
            let values = tables.splitValues()
            #expect(Set(values.keys) == Set(task.splitMeasures.map(\.name)))
            func isClose(_ name: String, _ expected: Double) { #expect(abs((values[name] ?? .nan) - expected) < 1e-9, "\(name)") }
            isClose("roc_auc", fixture.area)
            isClose("verification_accuracy", fixture.accuracy)
            for (k, recall) in zip([1, 5, 10], fixture.recall) { isClose("recall_at_\(k)", recall) }
            isClose("few_shot_accuracy", try #require(fixture.fewShot[classifier.rawValue]))
            #expect(abs(values["embedding_variance"]! - fixture.variance) < 1e-6)
            let finished = tables.finish()
            #expect(finished["embeddings"]?.reals == fixture.embeddings)
            let curve = try #require(finished["roc_curve"]?.reals), threshold = try #require(finished["verification_threshold"]?.reals)
            #expect(curve.count == 202 && abs(Double(threshold[0]) - fixture.threshold) < 1e-5)
            for (place, rate) in fixture.curve.enumerated() { #expect(curve[2 * place] == Float(place) / 100 && abs(curve[2 * place + 1] - rate) < 1e-6) }
        }
    }

    @Test func oneEmbeddingForAllIsWarnedOf() throws {
        var options = MetricLearningOptions()
        options.embedding = 2
        let task = MetricLearning(classCount: 2, options)
        func warning(_ embeddings: [Float]) -> String? {
            let tables = task.makeTables(of: .validation), labels: [Int32] = [0, 1, 0, 1]
            embeddings.withUnsafeBufferPointer { embeddings in
                labels.withUnsafeBufferPointer { labels in tables.add(outputs: [UnsafeRawPointer(embeddings.baseAddress!)], targets: [UnsafeRawPointer(labels.baseAddress!)], count: 4) }
            }
            let values = tables.splitValues()
            return task.warning(about: MeasureValues(task.splitMeasures, task.splitMeasures.map { values[$0.name] ?? .nan }))
        }
        #expect(warning([1, 0, 0.9999, 0.001, 1, 0.001, 1, 0])?.contains("the network has collapsed") == true)
        #expect(warning([0, 0, 0, 0, 0, 0, 0, 0]) != nil)
        #expect(warning([1, 0, 0, 1, 1, 0, 0, -1]) == nil)
        #expect(warning([.nan, 0, 0, 1, 1, 0, 0, -1]) == nil)
    }

    @Test func whatIsNotStoredIsNoTable() {
        var options = MetricLearningOptions()
        (options.embedding, options.recall) = (2, [1])
        let always = ["labels", "roc_curve", "verification_threshold", "neighbours"]
        for (stores, names) in [(true, ["embeddings"] + always), (false, always)] {
            let task = MetricLearning(classCount: 2, options, storesEmbeddings: stores)
            #expect(task.layout(of: .test).columns.map(\.name) == names && task.layout(of: .validation).columns.isEmpty)
            #expect(task.makeTables(of: .test).finish().keys.sorted() == names.sorted() && task.makeTables(of: .validation).finish().isEmpty)
        }
    }

    /// Equal distances count half, as scikit-learn has it; pairs of one kind have no measure.
    @Test func equalDistances() {
        let pairs = PairVerification([(1, true), (1, false), (2, true), (2, false), (3, false)])
        #expect(abs(pairs.area - 4.0 / 6) < 1e-12 && abs(pairs.accuracy - 2.0 / 3) < 1e-12)
        #expect(PairVerification([(1, true)]).area.isNaN && PairVerification([]).accuracy.isNaN)
        #expect(PairVerification([1, 2], length: 1, [0, 1]).area.isNaN)
    }
}
