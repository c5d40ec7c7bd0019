import Measures
import TensorCore

/// A named array of a training where it lies: a parameter, a buffer, or what an optimizer keeps for a parameter.
///
/// Valid as long as the training's loop. Its numbers stand still from the end of a step to the beginning of the next one.
public struct TrainingArray {
    /// Dotted, as weight files keep it.
    public let name: String
    /// The lengths of the axes.
    public let shape: Shape
    /// In row-major order.
    public let values: UnsafeMutableBufferPointer<Float>
}

/// All arrays that a training continues from.
public struct TrainingArrays {
    /// The parameters, frozen ones too, in the order of declaration.
    public let parameters: [TrainingArray]
    /// State that is not trained, such as running statistics.
    public let buffers: [TrainingArray]
    /// The optimizer's arrays by PyTorch's names (`exp_avg`), each with one for every trained parameter.
    public let optimizer: [(slot: String, arrays: [TrainingArray])]
    /// The averages of the parameters and buffers.
    public let averages: [(name: WeightAverage, parameters: [TrainingArray], buffers: [TrainingArray])]

    init(_ store: ParameterStore, _ optimizer: Optimizer, _ averages: [(name: WeightAverage, store: ParameterStore)]) {
        (parameters, buffers) = Self.arrays(of: store)
        self.optimizer = optimizer.slots.map { (slot: $0.name, arrays: Self.views(store.trainedEntries, $0.values)) }
        self.averages = averages.map { name, store in
            let (parameters, buffers) = Self.arrays(of: store)
            return (name: name, parameters: parameters, buffers: buffers)
        }
    }

    /// The parameters and buffers of a store, as long as that lives.
    static func arrays(of store: ParameterStore) -> (parameters: [TrainingArray], buffers: [TrainingArray]) {
        (views(store.entries, store.values), views(store.bufferEntries, store.bufferValues))
    }

    private static func views(_ entries: [ParameterStore.Entry], _ values: UnsafeMutableBufferPointer<Float>) -> [TrainingArray] {
        entries.map { entry in
            TrainingArray(
                name: entry.name, shape: entry.shape, values: UnsafeMutableBufferPointer(rebasing: values[entry.offset..<entry.offset + entry.count]))
        }
    }
}

/// What a training continues from besides its arrays. Random numbers have no state, so none is here.
public struct TrainingState: Sendable, Equatable {
    /// How far the training has come.
    public let progress: TrainingProgress
    /// Sums over the steps of the epoch at hand; empty at an epoch's end.
    public let epochMeans: RunningMeans

    /// A state between two steps.
    public init(progress: TrainingProgress, epochMeans: RunningMeans) {
        self.progress = progress
        self.epochMeans = epochMeans
    }

    /// Where a training starts that continues this one.
    ///
    /// - Parameters:
    ///   - stopping: what this one's early stopping was.
    ///   - other: what the other one's is; the patience starts anew where it has run out.
    public func continued(from stopping: EarlyStoppingConfiguration?, with other: EarlyStoppingConfiguration?) -> TrainingState {
        TrainingState(progress: progress.continued(from: stopping, with: other), epochMeans: epochMeans)
    }

    /// Whether the training is between two epochs.
    public var isAtEpochEnd: Bool { epochMeans.stepCount == 0 }
}
