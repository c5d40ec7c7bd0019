import TensorCore

/// A training step against what this machine's arithmetic allows.
public struct Roofline: Codable, Sendable {
    /// The step's products and convolutions at the machine's peak of each, and nothing else.
    public let floorMilliseconds: Double
    /// The floor over the measured time: 1 is the end of the road.
    public let share: Double
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
