import TensorCore

/// A tensor with its dotted name, as weight files keep it.
public struct NamedTensor: Sendable, Equatable {
    public let name: String
    public let tensor: HostTensor

    public init(name: String, tensor: HostTensor) {
        self.name = name
        self.tensor = tensor
    }
}

/// All that a training continues from. Random numbers have no state, so none is here.
public struct Checkpoint: Sendable, Equatable {
    /// The trained parameters, in the order of declaration.
    public let parameters: [NamedTensor]
    /// State that is not trained, such as running statistics.
    public let buffers: [NamedTensor]
    /// The optimizer's arrays by PyTorch's names (`exp_avg`), each with a tensor for every parameter.
    public let optimizer: [Slot]
    public let progress: TrainingProgress
    /// Sums over the steps of the epoch at hand; empty at an epoch's end.
    public let epochMeans: RunningMeans

    public init(
        parameters: [NamedTensor], buffers: [NamedTensor], optimizer: [Slot], progress: TrainingProgress, epochMeans: RunningMeans
    ) {
        self.parameters = parameters
        self.buffers = buffers
        self.optimizer = optimizer
        self.progress = progress
        self.epochMeans = epochMeans
    }

    /// One of the optimizer's arrays.
    public struct Slot: Sendable, Equatable {
        public let name: String
        public let tensors: [NamedTensor]

        public init(name: String, tensors: [NamedTensor]) {
            self.name = name
            self.tensors = tensors
        }
    }
}

/// How far a training has come.
public struct TrainingProgress: Sendable, Equatable, Codable {
    /// Finished steps since the beginning.
    public var step = 0
    /// Finished epochs.
    public var epoch = 0
    /// The epoch of the best weights so far.
    public var bestEpoch: Int?
    /// Their validation accuracy; nil without validation.
    public var bestAccuracy: Double?
    /// The best value so far of the metric of early stopping.
    public var bestMonitored: Double?
    /// Epochs in a row without an improvement of that metric.
    public var epochsWithoutImprovement = 0

    public init() {}

    /// Whether `accuracy`, of the weights at the end of `epoch`, is the best so far; remembers it if so. Without validation every epoch is.
    mutating func isBest(_ accuracy: Double?, epoch: Int) -> Bool {
        if let accuracy, let bestAccuracy, accuracy <= bestAccuracy { return false }
        (bestEpoch, bestAccuracy) = (epoch, accuracy)
        return true
    }

    /// Counts the results of another epoch for `stopping`.
    mutating func add(_ stopping: EarlyStoppingConfiguration, loss: Double, accuracy: Double) {
        let isImproved: Bool
        let value: Double
        switch stopping.metric {
        case .validationAccuracy:
            value = accuracy
            isImproved = bestMonitored.map { value > $0 + stopping.minDelta } ?? true
        case .validationLoss:
            value = loss
            isImproved = bestMonitored.map { value < $0 - stopping.minDelta } ?? true
        }
        if isImproved { bestMonitored = value }
        epochsWithoutImprovement = isImproved ? 0 : epochsWithoutImprovement + 1
    }

    /// Whether the patience of `stopping` has run out.
    func isPatienceOver(_ stopping: EarlyStoppingConfiguration?) -> Bool {
        stopping.map { epochsWithoutImprovement >= $0.patience } ?? false
    }
}

/// A copy of a store's parameters and buffers.
struct Weights {
    private let values: [Float]
    private let bufferValues: [Float]

    init(of store: ParameterStore) {
        values = Array(store.values)
        bufferValues = Array(store.bufferValues)
    }

    func restore(to store: ParameterStore) {
        _ = store.values.update(fromContentsOf: values)
        _ = store.bufferValues.update(fromContentsOf: bufferValues)
    }
}

extension ParameterStore {
    /// The parts of an array laid out as `entries`.
    func namedTensors(_ entries: [Entry], _ values: UnsafeMutableBufferPointer<Float>) -> [NamedTensor] {
        entries.map { NamedTensor(name: $0.name, tensor: HostTensor($0.shape, Array(values[$0.offset..<$0.offset + $0.count]))) }
    }

    /// Copies tensors, in any order, into an array laid out as `entries`; false when they are not those by name and shape.
    func load(_ tensors: [NamedTensor], _ entries: [Entry], into values: UnsafeMutableBufferPointer<Float>) -> Bool {
        let named = Dictionary(tensors.map { ($0.name, $0.tensor) }, uniquingKeysWith: { first, _ in first })
        guard named.count == entries.count, entries.allSatisfy({ named[$0.name]?.shape == $0.shape }) else { return false }
        for entry in entries {
            let target = UnsafeMutableBufferPointer(rebasing: values[entry.offset..<entry.offset + entry.count])
            _ = target.update(fromContentsOf: named[entry.name]!.floats)
        }
        return true
    }
}
