/// Where the time of a plan's runs goes: every kernel on every worker, and the workers' waiting.
///
/// Sharing with the workers is safe because each writes a row of its own, which is read between runs only.
public final class PlanProfile: @unchecked Sendable {
    /// What the kernels of one name and pass did.
    public struct Row: Sendable, Equatable {
        /// The kernels' name.
        public let operation: String
        /// The half of the step that they belong to.
        public let pass: Pass
        /// How often they ran, for each shard where they are sharded.
        public internal(set) var runCount = 0
        /// Summed over the workers.
        public internal(set) var seconds = 0.0
        /// In convolutions and matrix products, over all runs.
        public internal(set) var multiplyAdds = 0
        /// What they read and wrote, each buffer once a run.
        public internal(set) var byteCount = 0
    }

    /// How long the workers waited in the rounds of one kind.
    public struct Waiting: Sendable {
        /// Such as `in phases of whole shards`.
        public let place: String
        /// Summed over the workers: between the end of a worker's last kernel and the end of the round, and what it costs to hand tasks out.
        public internal(set) var seconds = 0.0
    }

    /// How many runs of the plan were timed.
    public private(set) var runCount = 0
    /// From the beginning of the runs to their end.
    public private(set) var seconds = 0.0

    private struct Round {
        var kernels: [(operation: String, pass: Pass, multiplyAdds: Int, byteCount: Int, runs: Int)]
        var first: Int
        var place: String
        var seconds = 0.0
    }

    private var rounds: [Round] = []
    private let workerCount: Int
    private let kernelCount: Int
    private let kernelTimes: UnsafeMutableBufferPointer<Duration>
    private let clock = ContinuousClock()
    private var last = ContinuousClock.now

    /// An empty profile for the kernels of a plan; set it as the plan's `profile`.
    public init(of plan: Plan) {
        workerCount = plan.pool.threadCount
        let shards = plan.shardCount
        func numbers(_ kernel: Kernel, runs: Int) -> (String, Pass, Int, Int, Int) {
            (kernel.name, kernel.pass, kernel.multiplyAdds, kernel.byteCount, runs)
        }
        var count = 0
        for planned in plan.rounds {
            let round = switch planned {
            case .reductions(let tasks):
                Round(
                    kernels: [(
                        "shard sum", tasks[0].reduction.pass, 0,
                        tasks.reduce(0) { $0 + (PairSums.pairCount(shards) + 1) * $1.byteCount }, 1
                    )],
                    first: count, place: "in sums over shards")
            case .shared(let kernels, _):
                Round(kernels: kernels.map { numbers($0, runs: 1) }, first: count, place: "in work that all shards share")
            case .sharded(let kernels):
                Round(kernels: kernels.map { numbers($0, runs: shards) }, first: count, place: "in phases of whole shards")
            }
            rounds.append(round)
            count += round.kernels.count
        }
        kernelCount = count
        kernelTimes = .allocate(capacity: workerCount * count)
        kernelTimes.initialize(repeating: .zero)
    }

    deinit { kernelTimes.deallocate() }

    // MARK: Called by the plan

    func startRun() {
        last = clock.now
        runCount += 1
    }

    func finish(round: Int) {
        let now = clock.now
        let duration = (now - last) / .seconds(1)
        rounds[round].seconds += duration
        seconds += duration
        last = now
    }

    func time(round: Int, kernel: Int, worker: Int, _ body: () -> Void) {
        let start = clock.now
        body()
        kernelTimes[worker * kernelCount + rounds[round].first + kernel] += clock.now - start
    }

    // MARK: Results

    /// One row for each name and pass, the longest first.
    public var rows: [Row] {
        var rows: [Row] = []
        var places: [String: Int] = [:]
        for round in rounds {
            for (index, kernel) in round.kernels.enumerated() {
                let key = "\(kernel.pass) \(kernel.operation)"
                let place = places[key] ?? rows.count
                if place == rows.count {
                    places[key] = place
                    rows.append(Row(operation: kernel.operation, pass: kernel.pass))
                }
                let runs = runCount * kernel.runs
                rows[place].runCount += runs
                rows[place].multiplyAdds += runs * kernel.multiplyAdds
                rows[place].byteCount += runs * kernel.byteCount
                rows[place].seconds += seconds(ofKernel: round.first + index)
            }
        }
        return rows.sorted { $0.seconds > $1.seconds }
    }

    /// One for each kind of round that the plan has.
    public var waiting: [Waiting] {
        var result: [Waiting] = []
        for round in rounds {
            let index = result.firstIndex { $0.place == round.place } ?? result.count
            if index == result.count { result.append(Waiting(place: round.place)) }
            let busy = round.kernels.indices.reduce(0) { $0 + seconds(ofKernel: round.first + $1) }
            result[index].seconds += round.seconds * Double(workerCount) - busy
        }
        return result
    }

    private func seconds(ofKernel kernel: Int) -> Double {
        (0..<workerCount).reduce(0) { $0 + kernelTimes[$1 * kernelCount + kernel] / .seconds(1) }
    }
}
