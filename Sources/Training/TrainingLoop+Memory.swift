import VisionData

extension TrainingLoop {
    /// The memory of this training in bytes: the plans' arenas, parameters with gradients and the optimizer's arrays, the best
    /// weights, the batches in preparation, and the images. The program itself comes on top.
    public var byteCount: Int {
        let store = trainingStep.store, parameters = trainingStep.plan.summary.parameterByteCount
        let optimizer = trainingStep.optimizer.slots.reduce(0) { $0 + $1.values.count * MemoryLayout<Float>.stride }
        let best = hasValidation ? (store.values.count + store.bufferValues.count) * MemoryLayout<Float>.stride : 0
        let arenas = trainingStep.plan.summary.arenaByteCount + evaluator.plan.summary.arenaByteCount
        let batches = BatchPipeline.slotCount * configuration.batchSize * dataset.shape.count * MemoryLayout<Float>.stride
        return arenas + parameters + optimizer + best + batches + dataset.images.byteCount
    }
}
