import TensorCore
import VisionData

/// The memory of a process that trains, foretold by parts before its first step.
enum MemoryEstimate {
    /// The program and its libraries as they lie in memory once a step has run. Measured on Debian 12 with oneDNN 2.6.3.
    static let program = 43 << 20
    /// What a run has beside: definition, registry, run files with the HDF5 library's buffers, and the threads that write. The mean over nine small runs.
    static let recording = 20 << 20
    /// What oneDNN makes and keeps for a primitive: code for this machine and tables. The mean over the benchmark's workloads.
    static let primitive = 20 << 10
}

extension Plan {
    /// Its arenas and its primitives, without the parameters.
    var byteCount: Int { summary.arenaByteCount + summary.primitiveCount * MemoryEstimate.primitive }
}

extension TrainingStep {
    /// The largest plan, the parameters with gradients and buffers, and the optimizer's arrays.
    var byteCount: Int {
        stagedPlan.byteCount + store.byteCount + optimizer.slots.reduce(0) { $0 + $1.values.count * MemoryLayout<Float>.stride }
    }
}

extension StepBenchmark {
    /// The peak that `peak_rss_mb` is to reach: of the process, if it runs nothing else.
    var byteCount: Int {
        MemoryEstimate.program + training.byteCount + batch.byteCount
    }
}

extension TrainingLoop {
    /// The memory of a run of this training at its peak: the program, all plans, parameters with gradients and the optimizer's arrays, the batches
    /// in preparation, and the samples. Weights go to files from where they lie, and the best ones are kept there.
    public var byteCount: Int {
        let batches = BatchPipeline.slotCount * configuration.batchSize * fields.reduce(0) { $0 + $1.byteCount }
        // Statistics of an average are of batches of their own.
        let rest = batches * (configuration.swa == nil ? 1 : 2)
        let features = [trainingStep.features, evaluator.features].reduce(0) { $0 + ($1?.byteCount ?? 0) }
        return MemoryEstimate.program + MemoryEstimate.recording + trainingStep.byteCount + evaluator.plan.byteCount + averages.byteCount
            + (layerProbe?.byteCount ?? 0) + (teacher?.byteCount ?? 0) + features + rest
            + source.byteCount
    }
}
