import COneDNN
import Foundation

/// What this machine reaches on single operations with every worker busy, each on memory of its own.
public struct MachinePeak: Codable, Sendable {
    /// The best rate of one operation at one size.
    public struct Measurement: Codable, Sendable {
        /// What was measured, such as `matmul`.
        public let operation: String
        /// The shapes of its operands, in words.
        public let size: String
        /// In `unit`.
        public let rate: Double
        /// `GFLOP/s` or `GB/s` (bytes read plus bytes written), of all workers together unless the operation says otherwise.
        public let unit: String
    }

    /// The operations one by one.
    public let measurements: [Measurement]
    /// The best of the matrix products, in 10⁹ floating-point operations a second.
    public let matmulGigaflops: Double
    /// The best of the convolutions, in 10⁹ floating-point operations a second.
    public let convolutionGigaflops: Double

    enum CodingKeys: String, CodingKey {
        case measurements
        case matmulGigaflops = "matmul_gflops"
        case convolutionGigaflops = "convolution_gflops"
    }

    /// A peak that was measured before.
    public init(measurements: [Measurement], matmulGigaflops: Double, convolutionGigaflops: Double) {
        self.measurements = measurements
        self.matmulGigaflops = matmulGigaflops
        self.convolutionGigaflops = convolutionGigaflops
    }

    /// Measures products and convolutions of given sizes, at least one of each, and memory copies, for about `seconds` an operation and size.
    ///
    /// - Parameters:
    ///   - products: rows, inputs and outputs of `[rows, inputs] × [inputs, outputs]`.
    ///   - convolutions: 3×3 convolutions of eight images of `size` × `size`, with as many channels before as after.
    /// - Throws: `OneDNNError` when the library cannot do one of them.
    public init(
        products: [(rows: Int, inputs: Int, outputs: Int)], convolutions: [(size: Int, channels: Int)], precision: Precision, pool: WorkerPool,
        seconds: Double
    ) throws {
        onednn_use_one_thread()
        let workers = pool.threadCount, dtype = precision.dtype
        let matmuls = try products.map { m, k, n in
            var (a, b, c) = (
                onednn_tensor(lengths: [m, k], strides: [k, 1], dtype: dtype), onednn_tensor(lengths: [k, n], strides: [n, 1], dtype: dtype),
                onednn_tensor(lengths: [m, n], strides: [n, 1], dtype: dtype))
            let primitive = try Primitive("matmul [\(m), \(k)] × [\(k), \(n)]") { onednn_matmul(&a, &b, nil, &c, Int32(workers)) }
            return Measurement(
                operation: "matmul", size: "[\(m), \(k)] × [\(k), \(n)]",
                rate: Self.gigaflops(primitive, argumentCount: 3, pool: pool, seconds: seconds), unit: "GFLOP/s")
        }
        let convolutions = try convolutions.map { size, channels in
            let images: Shape = [8, size, size, channels]
            var description = ConvolutionShapes(
                Convolution(window: Window(size: Size2D(3, 3), stride: 1, before: 1, after: 1), groups: 1, hasBias: false), source: images,
                weight: [channels, channels, 3, 3], destination: images
            ).description(dtype, hasBias: false)
            let primitive = try Primitive("convolution of \(images)") { onednn_convolution_forward(&description, Int32(workers)) }
            return Measurement(
                operation: "convolution 3×3", size: "\(images)",
                rate: Self.gigaflops(primitive, argumentCount: 3, pool: pool, seconds: seconds), unit: "GFLOP/s")
        }
        let copies = Set([1, workers]).sorted().map { cores in
            Measurement(
                operation: "memory copy on \(cores) thread\(cores == 1 ? "" : "s")", size: "64 MiB each",
                rate: Self.copyRate(workers: cores, pool: pool, seconds: seconds), unit: "GB/s")
        }
        self.init(
            measurements: matmuls + convolutions + copies, matmulGigaflops: matmuls.map(\.rate).max()!,
            convolutionGigaflops: convolutions.map(\.rate).max()!)
    }

    private static func gigaflops(_ primitive: Primitive, argumentCount: Int, pool: WorkerPool, seconds: Double) -> Double {
        let sizes = (0..<argumentCount).map { primitive.layout(ofArgument: $0).byteCount } + [primitive.scratchpadByteCount]
        let memory = (0..<pool.threadCount).map { _ in
            sizes.map { byteCount in
                let memory = PageMemory(byteCount)
                // Numbers near 1 in every floating-point format: zeros would spare the processor power.
                memory.start.initializeMemory(as: UInt8.self, repeating: 0x3F, count: byteCount)
                return memory
            }
        }
        defer { withExtendedLifetime(memory) {} }
        let arguments = memory.map { $0.map { Optional($0.start) } }
        // About 20 milliseconds between two looks at the clock, at a speed that no machine has yet exceeded by much.
        let runs = max(1, Int(2e9 / Double(primitive.multiplyAdds)))
        let work = 2 * Double(primitive.multiplyAdds * runs * pool.threadCount) / 1e9
        return bestRate(of: work, seconds: seconds) {
            pool.run(pool.threadCount) { worker, task in
                for _ in 0..<runs { guard primitive.execute(worker: worker, arguments[task]) else { preconditionFailure("\(primitive.executionError)") } }
            }
        }
    }

    private static func copyRate(workers: Int, pool: WorkerPool, seconds: Double) -> Double {
        let byteCount = 64 << 20
        let memory = (0..<2 * workers).map { _ in PageMemory(byteCount) }
        defer { withExtendedLifetime(memory) {} }
        let buffers = memory.map(\.start)
        for buffer in buffers { buffer.initializeMemory(as: UInt8.self, repeating: 1, count: byteCount) }
        return bestRate(of: Double(2 * workers * byteCount) / 1e9, seconds: seconds) {
            pool.run(workers) { _, task in buffers[2 * task].copyMemory(from: buffers[2 * task + 1], byteCount: byteCount) }
        }
    }

    /// The best of repeated runs of `body`, of which the first does not count.
    private static func bestRate(of work: Double, seconds: Double, _ body: () -> Void) -> Double {
        body()
        var best = Double.infinity
        let end = ContinuousClock.now + .seconds(seconds)
        repeat {
            let start = ContinuousClock.now
            body()
            best = min(best, (.now - start) / .seconds(1))
        } while ContinuousClock.now < end
        return work / best
    }
}
