import TensorCore

/// Where the time of a training step goes. Times are those of all threads together, so that everything adds up to the step's
/// milliseconds times the threads.
public struct StepProfile: Codable, Sendable {
    /// The kernels of one name and pass.
    public struct Row: Codable, Sendable {
        /// The kernels' name.
        public let operation: String
        /// The half of the step that they belong to.
        public let pass: Pass
        /// Kernels that ran in a step, for each shard where they are sharded.
        public let runs: Int
        /// In a step, summed over the threads.
        public let milliseconds: Double
        /// The share of the step's time on all threads.
        public let share: Double
        /// 10⁹ floating-point operations a second on one thread, of convolutions and matrix products.
        public let gflops: Double?
        /// 10⁹ bytes a second on one thread of all others, each buffer counted once a run.
        public let gigabytesPerSecond: Double?

        enum CodingKeys: String, CodingKey {
            case operation, pass, runs
            case milliseconds = "ms"
            case share, gflops
            case gigabytesPerSecond = "gb_per_second"
        }
    }

    /// Time in which no kernel ran.
    public struct Remainder: Codable, Sendable {
        /// What took the time.
        public let what: String
        /// Milliseconds of a step, summed over the threads.
        public let milliseconds: Double
        /// The share of the step's time on all threads, from 0 to 1.
        public let share: Double

        enum CodingKeys: String, CodingKey {
            case what
            case milliseconds = "ms"
            case share
        }
    }

    /// The longest first.
    public let rows: [Row]
    /// The workers' waiting, by the kind of phase; then the optimizer and all else outside the plan, with every thread of it.
    public let remainders: [Remainder]

    /// - Parameters:
    ///   - milliseconds: of `stepCount` steps together, measured around the runs of the plan.
    init(_ profile: PlanProfile, milliseconds: Double, stepCount: Int, threads: Int) {
        let steps = Double(stepCount), total = milliseconds / steps * Double(threads)
        rows = profile.rows.map { row in
            Row(
                operation: row.operation, pass: row.pass, runs: row.runCount / stepCount, milliseconds: row.seconds * 1e3 / steps,
                share: row.seconds * 1e3 / steps / total,
                gflops: row.multiplyAdds > 0 ? 2 * Double(row.multiplyAdds) / row.seconds / 1e9 : nil,
                gigabytesPerSecond: row.multiplyAdds == 0 ? Double(row.byteCount) / row.seconds / 1e9 : nil)
        }
        let outside = total - profile.seconds * 1e3 / steps * Double(threads)
        remainders = profile.waiting.map { ("waiting " + $0.place, $0.seconds * 1e3 / steps) }.map {
            Remainder(what: $0.0, milliseconds: $0.1, share: $0.1 / total)
        } + [Remainder(what: "gradient norm, update, rest", milliseconds: outside, share: outside / total)]
    }
}
