import Measures
import TensorCore
import VisionData

/// The averages that a training keeps of its weights, and what measures them.
final class WeightAverages {
    private struct Kept {
        let weights: AveragedWeights
        let evaluator: Evaluator
        /// Where the weights alone are averaged, and the model has running statistics.
        let statistics: BatchStatisticsPass?
    }

    private let kept: [Kept]

    /// - Parameters:
    ///   - makeEvaluator: of the weights of a store.
    ///   - makeStatistics: likewise.
    init(
        _ configuration: TrainConfiguration, of weights: ParameterStore, stepsPerEpoch: Int, pool: WorkerPool,
        _ makeEvaluator: (ParameterStore) throws -> Evaluator, _ makeStatistics: (ParameterStore) throws -> BatchStatisticsPass
    ) throws {
        let rules = (configuration.ema.map { [AveragedWeights.Rule.moving($0)] } ?? [])
            + (configuration.swa.map { [.equal($0, stepsPerEpoch: stepsPerEpoch)] } ?? [])
        kept = try rules.map { rule in
            let average = AveragedWeights(rule, of: weights, pool: pool)
            let needsStatistics = average.name == .swa && !weights.bufferEntries.isEmpty
            return Kept(
                weights: average, evaluator: try makeEvaluator(average.store), statistics: try needsStatistics ? makeStatistics(average.store) : nil)
        }
    }

    /// Their names and stores.
    var stores: [(name: WeightAverage, store: ParameterStore)] { kept.map { ($0.weights.name, $0.weights.store) } }

    /// Their memory and that of their plans.
    var byteCount: Int {
        kept.reduce(0) { $0 + $1.weights.store.byteCount + $1.evaluator.plan.byteCount + ($1.statistics?.byteCount ?? 0) }
    }

    /// Takes the weights in as they are after so many finished steps.
    func update(after step: Int) {
        for average in kept { average.weights.update(after: step) }
    }

    /// Recomputes the running statistics of those averages that have none of their own.
    ///
    /// - Parameters:
    ///   - epoch: the one that has just ended, from 0, whose images are gone through again.
    ///   - step: how many steps are finished.
    /// - Returns: false when `shouldStop` said so before the end.
    func recomputeStatistics(epoch: Int, after step: Int, _ makePipeline: () throws -> BatchPipeline, shouldStop: () -> Bool) throws -> Bool {
        for average in kept where average.weights.isBegun(after: step) {
            guard let statistics = average.statistics else { continue }
            // Those of frozen batch norms are the weights'.
            average.weights.copyBuffers()
            let pipeline = try makePipeline()
            defer { withExtendedLifetime(pipeline) {} }
            guard try statistics.run(epoch: epoch, from: step - pipeline.batchesPerEpoch, { try pipeline.next()?.fields }, shouldStop: shouldStop) else { return false }
        }
        return true
    }

    /// The measures of a split with the averaged weights, by their names; NaN where there is no average yet.
    ///
    /// - Returns: nil when `shouldStop` said so between two batches.
    func evaluate(_ split: Split, after step: Int, shouldStop: () -> Bool) throws -> [String: Double]? {
        var values: [String: Double] = [:]
        for average in kept where average.weights.isBegun(after: step) {
            guard let result = try average.evaluator.evaluate(split, makesTables: false, shouldStop: shouldStop) else { return nil }
            for (measure, value) in zip(result.values.measures, result.values.values) { values[average.weights.name.name(measure.name)] = value }
        }
        return values
    }
}
