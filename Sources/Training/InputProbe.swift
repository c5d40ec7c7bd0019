import Foundation
import VisionData

/// What a training's steps cost beyond the steps themselves: waiting for batches, the work of preparing them on a thread beside the workers,
/// and what listeners do between steps.
///
/// It listens to a training and stops it again and again to take as many steps on a batch of its own, while the pipeline's ring is full and
/// its thread rests. The two kinds of steps alternate, so a slow moment of the machine meets both. The training itself is worth nothing
/// afterwards.
public final class InputProbe: TrainingListener {
    /// Milliseconds a step of each block, with input and all that listens, and without.
    public private(set) var training: [Double] = []
    /// Seconds of each block of batches that were only prepared.
    public private(set) var alone: [Double] = []

    private let blockCount: Int
    private let stepCount: Int
    /// Steps after a change that do not count: the ring of batches empties, or fills.
    private let settlingCount = BatchPipeline.slotCount + 1
    private var stepsInBlock = 0
    private var start = ContinuousClock.now
    /// Holds one batch, and rests.
    private var pipeline: BatchPipeline?
    private var batch: Batch?

    /// Measures `blocks` pairs of `steps` steps each.
    public init(blocks: Int, steps: Int) {
        blockCount = blocks
        stepCount = steps
    }

    /// Whether enough blocks were measured.
    public var isDone: Bool { training.count >= blockCount }

    /// Measures at the ends of steps.
    public func receive(_ event: TrainingEvent, from loop: TrainingLoop) throws {
        switch event {
        case .stepFinished: try finishStep(loop)
        case .epochFinished: stepsInBlock = 0
        default: break
        }
    }

    private func finishStep(_ loop: TrainingLoop) throws {
        stepsInBlock += 1
        if stepsInBlock == settlingCount { start = .now }
        guard stepsInBlock == settlingCount + stepCount else { return }
        training.append((.now - start) / .milliseconds(1) / Double(stepCount))
        stepsInBlock = 0

        if batch == nil {
            let (source, fields) = loop.samples
            pipeline = try BatchPipeline(
                training: source, fields: fields, batchSize: loop.configuration.batchSize, seed: 0, augmentations: [], epochs: 0..<1)
            batch = try pipeline?.next()
        }
        guard let batch else { return }
        for step in 0..<settlingCount + stepCount {
            if step == settlingCount { start = .now }
            _ = try loop.trainingStep.run(batch.fields, step: loop.progress.step, learningRate: 0)
        }
        alone.append((.now - start) / .milliseconds(1) / Double(stepCount))
    }
}
