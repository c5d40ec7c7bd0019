import Configuration
import Foundation
import TensorCore
import VisionData

/// Whole training steps of one model, measured: forward and backward pass, gradient norm and update.
public struct BenchmarkResult: Codable, Sendable {
    public let workload: String
    public let precision: String
    public let threads: Int
    public let batchSize: Int
    public let shards: Int
    /// The median.
    public let millisecondsPerStep: Double
    public let minimumMilliseconds: Double
    public let imagesPerSecond: Double
    /// 10⁹ floating-point operations a second at the median: 2 for each multiply-add of the model, the backward pass counted as two forward ones.
    public let gflops: Double
    /// The process's highest memory use during the workload, in MiB.
    public let peakMemory: Double

    enum CodingKeys: String, CodingKey {
        case workload, precision, threads
        case batchSize = "batch_size"
        case shards
        case millisecondsPerStep = "ms_per_step"
        case minimumMilliseconds = "ms_min"
        case imagesPerSecond = "images_per_second"
        case gflops
        case peakMemory = "peak_rss_mb"
    }

    /// Times `steps` steps on synthetic images, after a few that do not count.
    ///
    /// - Parameter configuration: the batch size, the shards and the optimizer.
    /// - Throws: `RecordingError` when the model does not fit the images.
    public init(
        measuring model: ModelRecorder, named workload: String, configuration: TrainConfiguration, shape: ImageShape, classCount: Int,
        steps: Int, pool: WorkerPool
    ) throws {
        precondition(steps > 0, "a benchmark needs at least one step")
        resetPeakMemory()
        let batchSize = configuration.batchSize
        let training = try TrainingStep(model, configuration: configuration, shape: shape, classCount: classCount, seed: 0, pool: pool)
        var draws = PhiloxStream(seed: 0, name: "benchmark").draws(time: 0, sample: 0)
        let images = (0..<batchSize * shape.count).map { _ in draws.uniform(-1, 1) }
        let labels = (0..<batchSize).map { Int32($0 % classCount) }

        let warmupSteps = 3
        var milliseconds: [Double] = []
        for step in 0..<warmupSteps + steps {
            let start = ContinuousClock.now
            let result = images.withUnsafeBufferPointer { images in
                labels.withUnsafeBufferPointer { labels in
                    training.run(
                        images: images.baseAddress!, labels: labels.baseAddress!, step: step,
                        learningRate: configuration.optimizer.learningRate)
                }
            }
            guard result.isFinite else { throw UserError(.internal, "\(workload): the loss or a gradient is not finite at step \(step)") }
            if step >= warmupSteps { milliseconds.append((ContinuousClock.now - start) / .milliseconds(1)) }
        }
        milliseconds.sort()
        let median = (milliseconds[(steps - 1) / 2] + milliseconds[steps / 2]) / 2

        let one = RecordedClassifier(model, mode: .evaluation, shape: shape, classCount: classCount, batchSize: 1, shardCount: 1, seed: 0)
        self.workload = workload
        precision = "fp32"
        threads = pool.threadCount
        self.batchSize = batchSize
        shards = configuration.shards
        millisecondsPerStep = median
        minimumMilliseconds = milliseconds[0]
        imagesPerSecond = Double(batchSize) / median * 1e3
        gflops = Double(one.graph.multiplyAdds * 2 * 3 * batchSize) / median / 1e6
        peakMemory = currentPeakMemory()
    }
}

/// Forgets earlier peaks, where the system lets a process do so.
private func resetPeakMemory() {
    try? Data("5".utf8).write(to: URL(fileURLWithPath: "/proc/self/clear_refs"))
}

/// The peak resident set in MiB.
private func currentPeakMemory() -> Double {
    var usage = rusage()
    getrusage(RUSAGE_SELF.rawValue, &usage)
    return Double(usage.ru_maxrss) / 1024
}
