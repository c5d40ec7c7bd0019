import TensorCore

/// Keeps the parameters and buffers of the best epoch so far, for the evaluation at the end of a training.
public protocol BestWeights: AnyObject {
    /// The weights of `loop` as they are now are the best so far. Called after the event of an epoch's end, and when a training is resumed at
    /// the end of its best epoch.
    func keep(_ loop: TrainingLoop) throws
    /// Puts them back into the parameters and buffers of `loop`. Not called when the last epoch was the best.
    func restore(to loop: TrainingLoop) throws
}

/// Keeps the best weights in memory.
public final class BestWeightsInMemory: BestWeights {
    private var values: [[Float]] = []

    /// No weights yet.
    public init() {}

    /// Copies the loop's parameters and buffers.
    public func keep(_ loop: TrainingLoop) {
        // Without validation every epoch is the best, and the last one's weights are at hand.
        guard loop.hasValidation else { return }
        let arrays = loop.arrays
        values = (arrays.parameters + arrays.buffers).map { Array($0.values) }
    }

    /// Gives the loop the parameters and buffers that were kept.
    public func restore(to loop: TrainingLoop) {
        let arrays = loop.arrays
        precondition(values.count == arrays.parameters.count + arrays.buffers.count, "the best weights were kept before they are restored")
        for (array, values) in zip(arrays.parameters + arrays.buffers, values) { _ = array.values.update(fromContentsOf: values) }
    }
}
