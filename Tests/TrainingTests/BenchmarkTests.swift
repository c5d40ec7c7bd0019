import Foundation
import Tasks
import TensorCore
import TestSupport
import Testing
import VisionData
@testable import Training

private func softmaxRegression(_ scope: Scope, _ images: Tensor) -> Tensor {
    images.reshaped([images.shape[0], 12]).linear(weight: scope.parameter("weight", [3, 12], ConstantInitializer(0.1)))
}

@Suite struct BenchmarkTests {
    private let shape = ImageShape(height: 2, width: 2, channels: 3)
    private var configuration: TrainConfiguration {
        var configuration = TrainConfiguration()
        (configuration.batchSize, configuration.shards) = (16, 4)
        return configuration
    }

    private func benchmark(isProfiled: Bool = false, peak: MachinePeak? = nil, threads: Int = 2) throws -> BenchmarkResult {
        try BenchmarkResult(
            measuring: softmaxRegression, named: "regression", task: Classification(classCount: 3), fields: [.image(shape), .label(classes: 3)],
            configuration: configuration, steps: 4,
            isProfiled: isProfiled, peak: peak, pool: WorkerPool(threads: threads))
    }

    @Test func countsStepsAndImages() throws {
        let result = try benchmark()
        #expect((result.workload, result.threads, result.batchSize, result.shards) == ("regression", 2, 16, 4))
        #expect(result.minimumMilliseconds > 0 && result.minimumMilliseconds <= result.millisecondsPerStep)
        #expect(abs(result.imagesPerSecond * result.millisecondsPerStep / 16_000 - 1) < 1e-9)
        #expect(abs(result.gflops * result.millisecondsPerStep * 1e6 / Double(36 * 6 * 16) - 1) < 1e-9)
        #expect(result.peakMemory > 1)
        #expect(result.profile == nil && result.roofline == nil)
    }

    @Test("A step with a frozen layer leaves its gradient out, and says so")
    func freezing() throws {
        func network(_ scope: Scope, _ images: Tensor) -> Tensor {
            linear(scope["head"], linear(scope["body"], images.reshaped([images.shape[0], 12]), 256), 3)
        }
        func result(_ configuration: TrainConfiguration) throws -> BenchmarkResult {
            try BenchmarkResult(
                measuring: network, named: "two layers", task: Classification(classCount: 3), fields: [.image(shape), .label(classes: 3)],
                configuration: configuration, steps: 4, isProfiled: true, pool: WorkerPool(threads: 1))
        }
        var rule = ParameterRule(), configuration = configuration
        (rule.match, rule.freeze) = ("body.*", true)
        let trained = try result(configuration)
        configuration.parameters = [rule]
        let frozen = try result(configuration)
        #expect(trained.frozen == nil && frozen.frozen == ["body.*"])
        func backwardRuns(_ result: BenchmarkResult) -> Int { result.profile!.rows.filter { $0.pass == .backward }.reduce(0) { $0 + $1.runs } }
        #expect(backwardRuns(frozen) < backwardRuns(trained))
    }

    @Test(arguments: [1, 2])
    func profileAddsUp(threads: Int) throws {
        let profile = try #require(try benchmark(isProfiled: true, threads: threads).profile)
        let shares = profile.rows.map(\.share) + profile.remainders.map(\.share)
        #expect(abs(shares.reduce(0, +) - 1) < 1e-6)
        #expect(shares.allSatisfy { $0 >= 0 })
        let linear = try #require(profile.rows.first { $0.operation == "linear" })
        #expect((linear.pass, linear.runs) == (.forward, 4))
        #expect(linear.gflops != nil && linear.gigabytesPerSecond == nil)
        #expect(profile.rows.filter { $0.gflops == nil }.allSatisfy { $0.gigabytesPerSecond != nil })
        #expect(profile.remainders.last?.what == "gradient norm, update, rest")
    }

    @Test func workCountsTheBackwardPassTwice() {
        func convolution(_ scope: Scope, _ images: Tensor) -> Tensor {
            let features = images.convolution2D(weight: scope.parameter("conv", [5, 3, 2, 2], ConstantInitializer(1)))
            return features.reshaped([images.shape[0], 5]).linear(weight: scope.parameter("head", [3, 5], ConstantInitializer(1)))
        }
        let work = StepWork(convolution, image: .image(shape), batchSize: 10)
        #expect(abs(work.convolutionGigaflops * 1e9 - 6 * 10 * 60) < 1e-6)
        #expect(abs(work.matmulGigaflops * 1e9 - 6 * 10 * 15) < 1e-6)
    }

    /// A machine of 100 and 200 GFLOP/s takes 20 + 5 ms for 2 and 1 GFLOP.
    @Test func floorIsTheTimeAtEachPeak() {
        let peak = MachinePeak(measurements: [], matmulGigaflops: 100, convolutionGigaflops: 200)
        let roofline = Roofline(StepWork(matmulGigaflops: 2, convolutionGigaflops: 1), peak: peak, milliseconds: 50)
        #expect(abs(roofline.floorMilliseconds - 25) < 1e-9 && abs(roofline.share - 0.5) < 1e-9)
    }

    @Test func peakMeasuresEveryOperation() throws {
        let peak = try MachinePeak(precision: .fp32, pool: WorkerPool(threads: 2), seconds: 0)
        #expect(Set(peak.measurements.map(\.operation)) == [
            "matmul", "convolution 3×3", "memory copy on 1 thread", "memory copy on 2 threads",
        ])
        #expect(peak.measurements.allSatisfy { $0.rate > 0 && $0.rate.isFinite })
        #expect(peak.matmulGigaflops == peak.measurements.filter { $0.operation == "matmul" }.map(\.rate).max())
        #expect(peak.convolutionGigaflops == peak.measurements.filter { $0.operation == "convolution 3×3" }.map(\.rate).max())
    }

    /// Counts the probe's blocks; epochs of 20 steps, of which a block takes 4 + 5.
    @Test func inputProbeMeasuresPairsOfBlocks() throws {
        let dataset = try ImageDataset.load(DataConfiguration(.digits))
        var configuration = TrainConfiguration()
        (configuration.batchSize, configuration.epochs) = (64, 5)
        func regression(_ scope: Scope, _ images: Tensor) -> Tensor {
            images.reshaped([images.shape[0], 64]).linear(weight: scope.parameter("weight", [10, 64], ConstantInitializer(0.01)))
        }
        let loop = try TrainingLoop(
            regression, configuration: configuration, dataset: dataset, augmentations: [], seed: 0, pool: WorkerPool(threads: 2))
        let probe = InputProbe(blocks: 3, steps: 5)
        let timings = Timings()
        #expect(try loop.run([probe, timings], shouldStop: { probe.isDone }) == .interrupted)
        #expect(probe.training.count == 3 && probe.alone.count == 3)
        #expect((probe.training + probe.alone).allSatisfy { $0 > 0 })
        #expect(loop.progress.step == 29, "two blocks in the first epoch, which leaves two steps over, and one in the next")
        let timing = try #require(timings.all.first)
        #expect(timing.waitingSeconds > 0 && timing.betweenStepsSeconds > 0)
        #expect(timing.waitingSeconds + timing.betweenStepsSeconds < timing.trainSeconds)
    }

    private final class Timings: TrainingListener {
        var all: [EpochTiming] = []
        func receive(_ event: TrainingEvent, from loop: TrainingLoop) {
            if case .epochFinished(_, let timing) = event { all.append(timing) }
        }
    }
}
