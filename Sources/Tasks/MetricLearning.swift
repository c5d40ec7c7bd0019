import Foundation
import Measures
import TensorCore
import Training
import VisionData

/// Images of a class near each other, others far: the model's answer for an image is its embedding z, a vector, divided by its length unless
/// `normalize` is false.
///
/// Embeddings are compared within a *shard* of the batch (`train.shards`), for which the graph is recorded: a larger shard has more pairs. The data give sets of
/// images that fill a shard (`data.sampling`). With d² = ‖zᵢ − zⱼ‖² and s = zᵢ·zⱼ/τ the loss over a batch is the mean of
///
///     contrastive  over pairs      ½ d² of one class, ½ max(0, m − d)² of two             Hadsell, Chopra and LeCun, CVPR 2006
///     triplet      over triplets   max(0, d²(a, p) − d²(a, n) + α), those that are mined   Schroff, Kalenichenko and Philbin, CVPR 2015
///     n_pair       over classes    −log(e^s(a, p) / Σ e^s(a, ·)), the anchor a being the first image of a class, p the second one and · the second ones of all classes
///                                                                                        Sohn, NIPS 2016, without the penalty on lengths
///     supcon       over images     −(1/|P|) Σ_p log(e^s(i, p) / Σ_{j≠i} e^s(i, j)), P the others of the class    Khosla et al., NeurIPS 2020 (L_out)
///     simclr       over views      the same, P being the other view of the image (NT-Xent)     Chen et al., ICML 2020
///
/// Triplets are easy where d²(a, n) ≥ d²(a, p) + α, hard where d²(a, n) ≤ d²(a, p), and else semi-hard; their shares are measured. An evaluation has one view of
/// each image, in the order of the split: its loss is that of the shards that this gives, the mean over images, of which one without a partner counts 0, and
/// simclr's is that of supcon.
///
///     recall_at_k            images with one of their class among the k nearest others, Song et al., CVPR 2016
///     verification_accuracy  the mean of the shares of pairs of one class and of two that are told at the distance that does so best
///     roc_auc                of the same pairs (`PairVerification`)
///     few_shot_accuracy      of episodes (`FewShotEpisodes`)
///     embedding_variance     the part of the mean ‖z‖² that is variance: near 0 all images have one embedding
///
/// The test's tables are `embeddings` (unless `train.store_outputs` is false), the images' `labels`, and the places of the `neighbours`, the nearest first.
public struct MetricLearning: TrainingTask {
    private let classCount: Int
    private let unseenClasses: [Int]
    private let options: MetricLearningOptions
    /// Whether the test's embeddings are kept in the run file.
    private let storesEmbeddings: Bool
    /// Why the validation has no episodes; nil where it has, or nothing asks for them.
    private let absenceOfEpisodes: String?

    init(classCount: Int, unseenClasses: [Int] = [], _ options: MetricLearningOptions, storesEmbeddings: Bool = true, absenceOfEpisodes: String? = nil) {
        (self.classCount, self.unseenClasses, self.options, self.storesEmbeddings) = (classCount, unseenClasses, options, storesEmbeddings)
        self.absenceOfEpisodes = absenceOfEpisodes
    }

    public var name: String { Self.taskName }
    public var targets: [String] { ["label", Field.present.name] }
    public var outputShape: Shape { [options.embedding] }
    public var outputDescription: String { "an embedding of \(options.embedding) numbers" }
    public var monitored: String { "recall_at_\(options.recall[0])" }

    /// As definitions call it.
    public static let taskName = "metric_learning"
    /// The columns of the test.
    public static let embeddings = "embeddings", labels = "labels", neighbours = "neighbours"
    static let accuracy = "verification_accuracy", area = "roc_auc", fewShot = "few_shot_accuracy", variance = "embedding_variance"
    /// The tables of the receiver operating characteristic, and of τ.
    static let curve = "roc_curve", threshold = "verification_threshold"

    public var splitMeasures: [Measure] {
        let shares = options.recall.map { "recall_at_\($0)" } + [Self.accuracy, Self.area] + (options.fewShot == nil ? [] : [Self.fewShot]) + [Self.variance]
        return shares.map { Measure($0, unit: "1", better: .larger, bounds: 0...1) }
    }

    public func warning(about values: MeasureValues) -> String? {
        guard let variance = values[Self.variance], variance < 1e-3 else { return nil }
        return """
            all images have nearly the same embedding (\(Self.variance) \(String(format: "%.2g", variance))): the network has collapsed; try a lower learning rate\
            \(options.loss == .triplet && [.hard, .batchHard].contains(options.minedTriplets) ? ", or mining: semi_hard" : "")
            """
    }

    public func absence(of measure: String, in split: Split) -> String? {
        split == .validation && measure == Self.fewShot ? absenceOfEpisodes : nil
    }

    // MARK: In the graph

    public func record(_ output: Tensor, _ targets: [Tensor]) -> RecordedTask {
        let name = options.loss.rawValue
        guard output.isValid else { return RecordedTask(losses: [Loss(name, unit: "1", output)]) }
        let graph = output.graph, count = output.shape[0], isTraining = graph.mode == .training
        let embeddings = options.normalize ? Self.normalized(output) : output
        // A shard is one sample of functions that look at all of it.
        let all = embeddings.reshaped([1, count, options.embedding]), present = targets[1].reshaped([1, count])
        let labels = graph.constant(HostTensor([classCount, 1], (0..<classCount).map { Float($0) })).gathered(targets[0]).reshaped([1, count])
        let products = all.matmul(all, transposeB: true), lengths = all.square().sum(axes: [2], keepsAxes: true)
        let distances = (lengths + lengths.transposed([0, 2, 1]) - products * 2).relu()
        let sums: Tensor, counts: Tensor
        var measures: [RecordedMeasure] = []
        switch options.loss {
        case .contrastive:
            let pairs = ShardPairs(kind: .pairs, count: count)(labels, present), (same, different) = (pairs[0], pairs[1])
            let missing = (options.marginValue - (distances + 1e-12).sqrt()).relu()
            sums = ((same * distances + different * missing.square()) * 0.5).sum(axes: [2])
            counts = pairs[2]
        case .triplet:
            let mined = TripletMining(mining: options.minedTriplets, margin: options.marginValue, count: count)(distances, labels, present)
            sums = (mined[0] * distances).sum(axes: [2]) + mined[1]
            counts = mined[2]
            let triplets = mined[6].reshaped([count])
            measures = zip(["easy_triplets", "semi_hard_triplets", "hard_triplets"], mined[3...5]).map { name, found in
                RecordedMeasure(
                    Measure(name, unit: "1", better: name.hasPrefix("easy") ? .larger : .smaller, bounds: 0...1), found.reshaped([count]), counts: triplets)
            }
        case .nPair, .supcon, .simclr:
            let kind = options.loss == .nPair ? ShardPairs.Kind.pairsOfClasses : options.loss == .simclr && isTraining ? .views : .classes
            let pairs = ShardPairs(kind: kind, count: count)(labels, present), (positives, others) = (pairs[0], pairs[1])
            let logarithms = (products / options.temperatureValue + (others - 1) * 1e9).logSoftmax(axis: -1)
            sums = -(positives * logarithms).sum(axes: [2])
            counts = pairs[2]
        }
        // Where nothing counts the sum is 0, and so is its mean. A float32 count from 1 is the same with so little more.
        let values = sums.reshaped([count]), weights = counts.reshaped([count]) + 1e-12
        let loss = isTraining ? Loss(name, unit: unit, values, counts: weights) : Loss(name, unit: unit, values / weights)
        return RecordedTask(losses: [loss], measures: measures, outputs: [embeddings])
    }

    /// Embeddings `[B, n]`, each divided by its Euclidean length.
    public static func normalized(_ output: Tensor) -> Tensor { output / (output.square().sum(axes: [1], keepsAxes: true) + 1e-12).sqrt() }

    private var unit: String { [.contrastive, .triplet].contains(options.loss) ? "1" : "nat" }

    // MARK: Tables

    public func layout(of split: Split) -> EvaluationLayout {
        guard split == .test else { return EvaluationLayout() }
        let embeddings = EvaluationColumn(Self.embeddings, title: "embedding of each image", unit: "1", kind: .real, rowShape: [options.embedding])
        return EvaluationLayout(columns: (storesEmbeddings ? [embeddings] : []) + [
            EvaluationColumn(Self.labels, title: "class", unit: "class"),
            EvaluationColumn(Self.curve, title: "false-positive and true-positive rate of pairs", unit: "1", kind: .real, rowShape: [2]),
            EvaluationColumn(Self.threshold, title: "distance that tells pairs of one class from others best", unit: "1", kind: .real),
            EvaluationColumn(
                Self.neighbours, title: "places in the test of the images with the nearest embeddings, the nearest first", unit: "1", rowShape: [options.recall.last!]),
        ])
    }

    public func makeTables(of split: Split) -> any EvaluationTables {
        EmbeddingTables(options, fewShotClasses: split == .test && !unseenClasses.isEmpty ? unseenClasses : Array(0..<classCount), names: layout(of: split).columns.map(\.name))
    }
}

private final class EmbeddingTables: EvaluationTables {
    private let options: MetricLearningOptions
    private let fewShotClasses: [Int]
    /// Of the tables.
    private let names: [String]
    private var embeddings: [Float] = []
    private var labels: [Int32] = []
    private var nearest: NearestRows?

    init(_ options: MetricLearningOptions, fewShotClasses: [Int], names: [String]) {
        (self.options, self.fewShotClasses, self.names) = (options, fewShotClasses, names)
    }

    func add(outputs: [UnsafeRawPointer], targets: [UnsafeRawPointer], count: Int) {
        embeddings += UnsafeBufferPointer(start: outputs[0].assumingMemoryBound(to: Float.self), count: count * options.embedding)
        labels += UnsafeBufferPointer(start: targets[0].assumingMemoryBound(to: Int32.self), count: count)
    }

    /// Computed once for the measures and the tables, when all embeddings are there; of no pairs where an embedding is no number.
    private lazy var pairs = PairVerification(embeddings, length: options.embedding, isFinite ? labels : [])
    private lazy var isFinite = embeddings.allSatisfy(\.isFinite)

    /// Computed once for the measures and the table.
    private func found() -> NearestRows {
        let found = nearest ?? NearestRows(embeddings, length: options.embedding, count: options.recall.last!)
        nearest = found
        return found
    }

    func splitValues() -> [String: Double] {
        guard isFinite else { return [:] }
        var values = [MetricLearning.variance: relativeVariance()], found = found()
        for k in options.recall { values["recall_at_\(k)"] = found.recall(at: k, labels) }
        (values[MetricLearning.accuracy], values[MetricLearning.area]) = (pairs.accuracy, pairs.area)
        if let fewShot = options.fewShot {
            values[MetricLearning.fewShot] = FewShotEpisodes(fewShot, among: fewShotClasses).accuracy(of: embeddings, length: options.embedding, labels)
        }
        return values
    }

    /// Σ variances / mean ‖z‖², from 0 to 1; 0 where all embeddings are 0.
    private func relativeVariance() -> Double {
        let length = options.embedding, count = Double(labels.count)
        var sums = [Double](repeating: 0, count: length), squares = 0.0
        for (index, value) in embeddings.enumerated() {
            sums[index % length] += Double(value)
            squares += Double(value) * Double(value)
        }
        if squares == 0 { return labels.isEmpty ? .nan : 0 }
        // Rounding may leave a little below 0.
        return max(0, 1 - sums.reduce(0) { $0 + $1 * $1 } / count / squares)
    }

    func finish() -> [String: TableValues] {
        if names.isEmpty { return [:] }
        let all: [String: TableValues] = [
            MetricLearning.embeddings: .reals(embeddings), MetricLearning.labels: .integers(labels.map { Int64($0) }),
            MetricLearning.curve: .reals(pairs.curve.enumerated().flatMap { [Float($0) / Float(PairVerification.curveCount - 1), Float($1)] }),
            MetricLearning.threshold: .reals([Float(pairs.threshold)]),
            MetricLearning.neighbours: .integers(found().places.map { Int64($0) }),
        ]
        return all.filter { names.contains($0.key) }
    }
}

extension NearestRows {
    /// The share of rows that have one of their label among the `k` nearest others; NaN of none.
    func recall(at k: Int, _ labels: [Int32]) -> Double {
        let hits = labels.indices.count { row in places[row * count..<row * count + k].contains { $0 >= 0 && labels[Int($0)] == labels[row] } }
        return labels.isEmpty ? .nan : Double(hits) / Double(labels.count)
    }
}
