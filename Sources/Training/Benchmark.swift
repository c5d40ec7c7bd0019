import Configuration
import Foundation
import TensorCore
import VisionData

/// A training step of one model on a synthetic batch, to be run and timed as often as one likes.
public final class StepBenchmark {
    /// The batch size, the shards and the optimizer.
    public let configuration: TrainConfiguration
    /// How many threads work.
    public let threads: Int
    let training: TrainingStep
    let batch: OwnedBatch
    private var step = 0

    /// - Parameters:
    ///   - fields: of the samples: the image, then the task's targets.
    ///   - configuration: the batch size, the shards and the optimizer.
    /// - Throws: `RecordingError` when the model does not fit the images.
    public init(_ model: @escaping ModelRecorder, task: any TrainingTask, fields: [Field], configuration: TrainConfiguration, pool: WorkerPool) throws {
        self.configuration = configuration
        threads = pool.threadCount
        training = try TrainingStep(model, task, fields: fields, configuration: configuration, seed: 0, pool: pool)
        var draws = PhiloxStream(seed: 0, name: "benchmark").draws(time: 0, sample: 0)
        batch = OwnedBatch(fields.map { configuration.batchSize * $0.byteCount }) { place, memory in
            switch fields[place].meaning {
            case .values:
                let values = memory.bindMemory(to: Float.self)
                for index in values.indices { values[index] = draws.uniform(-1, 1) }
            case .classes(let count):
                let classes = memory.bindMemory(to: Int32.self)
                for index in classes.indices { classes[index] = Int32(index % count) }
            }
        }
    }

    /// The milliseconds of `count` steps, in order: forward and backward pass, gradient norm and update.
    ///
    /// - Throws: `UserError(.internal)` when the loss or a gradient is not finite.
    public func run(_ count: Int) throws -> [Double] {
        try (0..<count).map { _ in
            let start = ContinuousClock.now
            let result = try training.run(batch.fields, step: step, learningRate: configuration.optimizer.learningRate)
            guard result.isFinite else { throw UserError(.internal, "the loss or a gradient of the benchmark is not finite at step \(step)") }
            step += 1
            return (.now - start) / .milliseconds(1)
        }
    }

    /// Where the time of `count` steps goes. Timing every kernel costs about a ten-thousandth.
    public func profile(_ count: Int) throws -> StepProfile {
        let profile = PlanProfile(of: training.plan)
        training.plan.profile = profile
        defer { training.plan.profile = nil }
        let milliseconds = try run(count).reduce(0, +)
        return StepProfile(profile, milliseconds: milliseconds, stepCount: count, threads: threads)
    }
}

/// The median of numbers, of which there must be some.
public func median(_ values: [Double]) -> Double {
    let sorted = values.sorted()
    return (sorted[(sorted.count - 1) / 2] + sorted[sorted.count / 2]) / 2
}

/// Whole training steps of one model, measured: forward and backward pass, gradient norm and update.
public struct BenchmarkResult: Codable, Sendable {
    /// The workload's name.
    public let workload: String
    /// `fp32` or `bf16`.
    public let precision: String
    /// How many threads work.
    public let threads: Int
    /// Images a step.
    public let batchSize: Int
    /// Into how many shards a batch is cut.
    public let shards: Int
    /// The median.
    public let millisecondsPerStep: Double
    /// Milliseconds of the fastest step.
    public let minimumMilliseconds: Double
    /// At the median step.
    public let imagesPerSecond: Double
    /// 10⁹ floating-point operations a second at the median: 2 for each multiply-add of the model, the backward pass counted as two forward ones,
    /// as if nothing were frozen.
    public let gflops: Double
    /// The process's highest memory use during the workload, in MiB.
    public let peakMemory: Double
    /// What it was expected to be, before the first step, if nothing else ran in the process.
    public let predictedPeakMemory: Double
    /// The patterns of the parameters that are frozen; nil where all are trained.
    public let frozen: [String]?
    /// Where the time goes, when that was asked for.
    public let profile: StepProfile?
    /// What the machine allows, when that was asked for.
    public let roofline: Roofline?

    enum CodingKeys: String, CodingKey {
        case workload, precision, threads
        case batchSize = "batch_size"
        case shards
        case millisecondsPerStep = "ms_per_step"
        case minimumMilliseconds = "ms_min"
        case imagesPerSecond = "images_per_second"
        case gflops
        case peakMemory = "peak_rss_mb"
        case predictedPeakMemory = "predicted_peak_mb"
        case frozen, profile, roofline
    }

    /// Times `steps` steps on synthetic samples, after a few that do not count.
    ///
    /// - Parameters:
    ///   - fields: of the samples: the image, then the task's targets.
    ///   - configuration: the batch size, the shards and the optimizer.
    ///   - isProfiled: whether some further steps are taken apart.
    ///   - peak: what the machine reaches, to compare with.
    /// - Throws: `RecordingError` when the model does not fit the images.
    public init(
        measuring model: @escaping ModelRecorder, named workload: String, task: any TrainingTask, fields: [Field], configuration: TrainConfiguration,
        steps: Int, isProfiled: Bool = false, peak: MachinePeak? = nil, pool: WorkerPool
    ) throws {
        precondition(steps > 0, "a benchmark needs at least one step")
        resetPeakMemory()
        let batchSize = configuration.batchSize
        let benchmark = try StepBenchmark(model, task: task, fields: fields, configuration: configuration, pool: pool)
        _ = try benchmark.run(3)
        let milliseconds = try benchmark.run(steps)
        let median = median(milliseconds)
        peakMemory = currentPeakMemory()
        predictedPeakMemory = Double(benchmark.byteCount) / 1_048_576

        let work = StepWork(model, image: fields[0], batchSize: batchSize)
        self.workload = workload
        precision = configuration.precision.rawValue
        threads = pool.threadCount
        self.batchSize = batchSize
        shards = configuration.shards
        millisecondsPerStep = median
        minimumMilliseconds = milliseconds.min()!
        imagesPerSecond = Double(batchSize) / median * 1e3
        gflops = work.gigaflops / median * 1e3
        let patterns = configuration.parameters.filter(\.freeze).map(\.match)
        frozen = patterns.isEmpty ? nil : patterns
        profile = isProfiled ? try benchmark.profile(min(steps, 10)) : nil
        roofline = peak.map { Roofline(work, peak: $0, milliseconds: median) }
    }
}

/// The arithmetic of a training step in 10⁹ floating-point operations: 2 for each multiply-add of the model, the backward pass counted as two
/// forward ones.
public struct StepWork: Sendable {
    /// 10⁹ floating-point operations of a step in matrix products, forward and backward.
    public let matmulGigaflops: Double
    /// 10⁹ floating-point operations of a step in convolutions, forward and backward.
    public let convolutionGigaflops: Double
    /// Both together.
    public var gigaflops: Double { matmulGigaflops + convolutionGigaflops }

    init(matmulGigaflops: Double, convolutionGigaflops: Double) {
        self.matmulGigaflops = matmulGigaflops
        self.convolutionGigaflops = convolutionGigaflops
    }

    /// - Parameter image: the model's field.
    public init(_ model: ModelRecorder, image: Field, batchSize: Int) {
        let graph = Graph()
        _ = model(graph.root, graph.input(image.name, Shape([1] + image.shape.dimensions), image.dtype))
        let scale = 2 * 3 * Double(batchSize) / 1e9
        convolutionGigaflops = Double(graph.convolutionMultiplyAdds) * scale
        matmulGigaflops = Double(graph.multiplyAdds) * scale - convolutionGigaflops
    }
}

/// Forgets earlier peaks, where the system lets a process do so.
private func resetPeakMemory() {
    try? Data("5".utf8).write(to: URL(fileURLWithPath: "/proc/self/clear_refs"))
}

/// The peak resident set in MiB, since it was last forgotten. Not `getrusage`'s, which begins with that of the process that started this one.
private func currentPeakMemory() -> Double {
    let status = (try? String(contentsOfFile: "/proc/self/status", encoding: .utf8)) ?? ""
    let line = status.split(separator: "\n").first { $0.hasPrefix("VmHWM:") } ?? ""
    return Double(line.split(whereSeparator: \.isWhitespace).dropFirst().first ?? "").map { $0 / 1024 } ?? 0
}
