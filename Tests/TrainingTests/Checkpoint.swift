import Configuration
import TensorCore
@testable import Training

/// The whole state of a training, copied.
struct Checkpoint: Equatable {
    let parameters, buffers: [NamedValues]
    let optimizer: [String: [NamedValues]]
    /// Parameters and buffers of the averages, by their names.
    let averages: [String: [NamedValues]]
    let state: TrainingState

    var progress: TrainingProgress { state.progress }
}

struct NamedValues: Equatable {
    let name: String
    let tensor: HostTensor
}

extension TrainingLoop {
    func checkpoint() -> Checkpoint {
        func copies(_ arrays: [TrainingArray]) -> [NamedValues] {
            arrays.map { NamedValues(name: $0.name, tensor: HostTensor($0.shape, Array($0.values))) }
        }
        return Checkpoint(
            parameters: copies(arrays.parameters), buffers: copies(arrays.buffers),
            optimizer: Dictionary(uniqueKeysWithValues: arrays.optimizer.map { ($0.slot, copies($0.arrays)) }),
            averages: Dictionary(uniqueKeysWithValues: arrays.averages.map { ($0.name.rawValue, copies($0.parameters + $0.buffers)) }), state: state)
    }

    /// - Parameter best: of the best epoch, when that is not the checkpoint's; goes into `bestWeights`.
    func restore(_ checkpoint: Checkpoint, best: Checkpoint? = nil, _ bestWeights: BestWeightsInMemory = BestWeightsInMemory()) throws {
        func fill(_ arrays: [TrainingArray], _ copies: [NamedValues]) {
            for (array, copy) in zip(arrays, copies) { _ = array.values.update(fromContentsOf: copy.tensor.floats) }
        }
        if let best {
            fill(arrays.parameters, best.parameters)
            fill(arrays.buffers, best.buffers)
            bestWeights.keep(self)
        }
        try resume(checkpoint.state) { arrays in
            fill(arrays.parameters, checkpoint.parameters)
            fill(arrays.buffers, checkpoint.buffers)
            for (slot, arrays) in arrays.optimizer { fill(arrays, checkpoint.optimizer[slot]!) }
            for (name, parameters, buffers) in arrays.averages { fill(parameters + buffers, checkpoint.averages[name.rawValue]!) }
        }
    }
}
