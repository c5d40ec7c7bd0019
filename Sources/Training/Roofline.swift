import TensorCore

extension MachinePeak {
    /// Measures operations of the sizes that the benchmark's workloads have, for about `seconds` each.
    ///
    /// - Throws: `OneDNNError` when the library cannot do one of them.
    public init(precision: Precision, pool: WorkerPool, seconds: Double = 1) throws {
        try self.init(
            // Rows of a shard of vit-28 (8 images of 50 tokens) and of vit-tiny-224 (2 images of 197), against the weights of a block.
            products: [(1024, 1024, 1024), (400, 192, 576), (400, 192, 768), (400, 768, 192), (394, 192, 768)],
            // The stages of ResNet-18.
            convolutions: [(28, 64), (14, 128), (7, 256), (56, 64)], precision: precision, pool: pool, seconds: seconds)
    }
}

/// A training step against what this machine's arithmetic allows.
public struct Roofline: Codable, Sendable {
    /// The step's products and convolutions at the machine's peak of each, and nothing else.
    public let floorMilliseconds: Double
    /// The floor over the measured time: 1 is the end of the road, but for convolutions by Winograd's algorithm, which do with fewer multiplications than
    /// are counted.
    public let share: Double
    /// What the machine reaches on single operations.
    public let peak: MachinePeak

    enum CodingKeys: String, CodingKey {
        case floorMilliseconds = "floor_ms"
        case share, peak
    }

    init(_ work: StepWork, peak: MachinePeak, milliseconds: Double) {
        floorMilliseconds = 1e3 * (work.matmulGigaflops / peak.matmulGigaflops + work.convolutionGigaflops / peak.convolutionGigaflops)
        self.peak = peak
        share = floorMilliseconds / milliseconds
    }
}
