import Foundation
import Models
import Tasks
import TensorCore
import Training
import VisionData

/// How the time of a training step grows with what makes it larger: one size is varied, the others stay.
public struct ScalingStudy: Codable, Sendable {
    /// One size, with what it cost.
    public struct Point: Codable, Sendable {
        /// The value of the variable.
        public let size: Int
        /// The least of several steps, the measure that other work on the machine disturbs least.
        public let milliseconds: Double
        /// 10⁹ floating-point operations in a step.
        public let gigaflops: Double

        enum CodingKeys: String, CodingKey {
            case size
            case milliseconds = "ms"
            case gigaflops
        }
    }

    /// One model under one growing size.
    public struct Series: Codable, Sendable {
        /// The model's name.
        public let model: String
        /// What grows from point to point.
        public let variable: String
        /// The order of growth that the arithmetic has, such as `B`.
        public let theory: String
        /// From the smallest size to the largest.
        public let points: [Point]

        /// p of the power law t ∝ sizeᵖ that fits the times, and the operations, best.
        public let timeExponent: Double
        /// The power of the variable with which the operations grow.
        public let operationsExponent: Double

        enum CodingKeys: String, CodingKey {
            case model, variable, theory, points
            case timeExponent = "time_exponent"
            case operationsExponent = "operations_exponent"
        }

        init(model: String, variable: String, theory: String, points: [Point]) {
            self.model = model
            self.variable = variable
            self.theory = theory
            self.points = points
            timeExponent = powerLawExponent(points.map { (Double($0.size), $0.milliseconds) })
            operationsExponent = powerLawExponent(points.map { (Double($0.size), $0.gigaflops) })
        }
    }

    /// One model on growing numbers of threads.
    public struct Threads: Codable, Sendable {
        /// The model's name.
        public let model: String
        /// The size is the number of threads.
        public let points: [Point]
    }

    /// What grows: the batch size, the depth, the tokens or pixels, the width.
    public let growth: [Series]
    /// From one thread up.
    public let threads: [Threads]

    /// Measures everything; about two minutes on two cores.
    ///
    /// - Parameter report: called with the name of each series before it is measured.
    public init(steps: Int, precision: Precision, threads: Int, report: (String) -> Void) throws {
        let pool = WorkerPool(threads: threads, shards: TrainConfiguration().shards)
        growth = try Self.subjects.map { subject in
            report("\(subject.model), \(subject.variable)")
            let points = try subject.sizes.map { size in
                let benchmark = try subject.make(size).benchmark(precision, pool)
                _ = try benchmark.run(2)
                return Point(size: size, milliseconds: try benchmark.run(steps).min()!, gigaflops: subject.make(size).work.gigaflops)
            }
            return Series(model: subject.model, variable: subject.variable, theory: subject.theory, points: points)
        }
        self.threads = try [Case.vit(), Case.resNet()].map { item in
            report("\(item.name), threads")
            let counts = Array(1...pool.threadCount)
            let benchmarks = try counts.map { try item.benchmark(precision, WorkerPool(threads: $0)) }
            var best = [Double](repeating: .infinity, count: counts.count)
            // In turn, so that a slow moment of the machine meets all.
            for round in 0..<4 {
                for (index, benchmark) in benchmarks.enumerated() {
                    let least = try benchmark.run(max(1, steps / 2)).min()!
                    if round > 0 { best[index] = min(best[index], least) }
                }
            }
            let points = zip(counts, best).map { Point(size: $0, milliseconds: $1, gigaflops: item.work.gigaflops) }
            return Threads(model: item.name, points: points)
        }
    }

    /// A model with images and a batch size.
    private struct Case {
        var name: String
        var configuration: any ModelConfiguration
        var imageSize = 28
        var batchSize: Int

        static func vit(batch: Int = 32, depth: Int = 6, patch: Int = 4, width: Int = 192) -> Case {
            Case(
                name: "vit", configuration: VisionTransformerConfiguration(
                    patch: patch, TransformerConfiguration(width: width, depth: depth, heads: width / 64)), batchSize: batch)
        }

        static func resNet(batch: Int = 32, depth: Int = 20, width: Int = 32, imageSize: Int = 28) -> Case {
            Case(name: "resnet", configuration: ResNetConfiguration(depth: depth, width: width), imageSize: imageSize, batchSize: batch)
        }

        private var image: Field { .image(ImageShape(height: imageSize, width: imageSize, channels: 1)) }
        private var record: ModelRecorder {
            let definition = ModelDefinition(configuration)
            return { scope, images in definition.record(images, classes: 10, in: scope) }
        }

        func benchmark(_ precision: Precision, _ pool: WorkerPool) throws -> StepBenchmark {
            var training = TrainConfiguration()
            training.batchSize = batchSize
            training.precision = precision
            return try StepBenchmark(
                record, task: Classification(classCount: 10), fields: [image, .label(classes: 10)], configuration: training, pool: pool)
        }

        var work: StepWork { StepWork(record, image: image, batchSize: batchSize) }
    }

    private struct Subject {
        let model: String
        let variable: String
        let theory: String
        let sizes: [Int]
        let make: @Sendable (Int) -> Case
    }

    private static let subjects = [
        Subject(model: "vit", variable: "batch size B", theory: "B", sizes: [16, 32, 64, 128]) { .vit(batch: $0) },
        Subject(model: "vit", variable: "depth L", theory: "L", sizes: [3, 6, 12, 24]) { .vit(depth: $0) },
        // With the class token: patches of 14, 7, 4 and 2 pixels.
        Subject(model: "vit", variable: "tokens N", theory: "N + N²", sizes: [5, 17, 50, 197]) { tokens in
            .vit(batch: 16, patch: [5: 14, 17: 7, 50: 4][tokens] ?? 2)
        },
        Subject(model: "vit", variable: "width D", theory: "D + D²", sizes: [64, 128, 256, 512]) { .vit(width: $0) },
        Subject(model: "resnet", variable: "batch size B", theory: "B", sizes: [16, 32, 64, 128]) { .resNet(batch: $0) },
        Subject(model: "resnet", variable: "depth L", theory: "L", sizes: [8, 14, 32, 56]) { .resNet(depth: $0) },
        Subject(model: "resnet", variable: "image side S", theory: "S²", sizes: [16, 32, 64]) { .resNet(imageSize: $0) },
        Subject(model: "resnet", variable: "width D", theory: "D²", sizes: [16, 32, 64, 128]) { .resNet(width: $0) },
    ]
}

/// The exponent p of y ∝ xᵖ by least squares on the logarithms. There must be at least two different positive x, and positive y.
func powerLawExponent(_ points: [(x: Double, y: Double)]) -> Double {
    let logarithms = points.map { (x: Foundation.log($0.x), y: Foundation.log($0.y)) }, count = Double(points.count)
    let mean = (x: logarithms.reduce(0) { $0 + $1.x } / count, y: logarithms.reduce(0) { $0 + $1.y } / count)
    let covariance = logarithms.reduce(0) { $0 + ($1.x - mean.x) * ($1.y - mean.y) }
    return covariance / logarithms.reduce(0) { $0 + ($1.x - mean.x) * ($1.x - mean.x) }
}
