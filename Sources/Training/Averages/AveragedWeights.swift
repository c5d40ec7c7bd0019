import CKernels
import Measures
import TensorCore

/// An average of the weights of a training, in memory of its own: one pass over that, cut among the workers, so that their number changes no bit.
final class AveragedWeights {
    /// How it is made.
    enum Rule {
        case moving(MovingAverageConfiguration)
        /// - Parameter stepsPerEpoch: by which steps are epochs.
        case equal(StochasticAverageConfiguration, stepsPerEpoch: Int)
    }

    /// What it is called.
    let name: WeightAverage
    /// The averaged parameters and buffers, laid out as the weights; zeros before the first update.
    let store: ParameterStore
    private let rule: Rule
    private let weights: ParameterStore
    private let pool: WorkerPool
    /// Runs of the parameters, then of the buffers, as far as these are averaged.
    private let blocks: [(average: UnsafeMutablePointer<Float>, weights: UnsafePointer<Float>, count: Int)]
    /// Of the weights in the update that runs, for the workers.
    private var weight: Float = 1
    private lazy var updateBlock: (_ worker: Int, _ block: Int) -> Void = { [unowned self] _, block in
        average_move(blocks[block].average, blocks[block].weights, blocks[block].count, weight)
    }

    init(_ rule: Rule, of weights: ParameterStore, pool: WorkerPool) {
        (self.rule, self.weights, self.pool) = (rule, weights, pool)
        let store = ParameterStore(like: weights)
        self.store = store
        var arrays = [(store.values, weights.values)]
        switch rule {
        case .moving: (name, arrays) = (.ema, arrays + [(store.bufferValues, weights.bufferValues)])
        case .equal: name = .swa
        }
        blocks = arrays.flatMap { average, weights in
            stride(from: 0, to: weights.count, by: Optimizer.blockLength).map { start in
                (average.baseAddress! + start, UnsafePointer(weights.baseAddress!) + start, min(Optimizer.blockLength, weights.count - start))
            }
        }
    }

    /// Takes the weights in as they are after so many finished steps, if it is the moment.
    func update(after step: Int) {
        switch rule {
        case .moving(let options):
            weight = Float(1 - options.decay(after: step))
            pool.run(blocks.count, updateBlock)
            if options.buffers == .copy { copyBuffers() }
        case .equal(let options, let stepsPerEpoch):
            let count = options.count(after: step / stepsPerEpoch)
            guard step.isMultiple(of: stepsPerEpoch), count > 0 else { return }
            weight = Float(1 / Double(count))
            pool.run(blocks.count, updateBlock)
        }
    }

    /// Whether there is an average of anything after so many finished steps.
    func isBegun(after step: Int) -> Bool {
        switch rule {
        case .moving: step > 0
        case .equal(let options, let stepsPerEpoch): options.count(after: step / stepsPerEpoch) > 0
        }
    }

    /// Takes the buffers of the weights.
    func copyBuffers() { _ = store.bufferValues.update(fromContentsOf: weights.bufferValues) }
}
