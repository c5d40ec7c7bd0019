/// A piece of a reduction that one worker does.
struct ReductionTask {
    let reduction: Reduction
    /// Where the piece begins in the buffers of the reduction, and how long it is, in bytes.
    let start: Int
    let byteCount: Int
}

/// What the workers do between two joins: a phase of the builder is one round for its sums over shards and one or several for its kernels.
///
/// Three words that are easily mixed up: a *step* is a run of the whole plan on a batch, a *phase* is all work of one placement between two
/// sums over shards, and a *round* is as much of a phase as runs without waiting for each other. A plan runs its rounds in order.
enum Round {
    /// Pieces of sums over shards; whoever is free takes one.
    case reductions([ReductionTask])
    /// Kernels that do not depend on each other, run by whoever is free, or by the caller when they are too small to share.
    case shared([Kernel], isLarge: Bool)
    /// Kernels that each shard runs from the first to the last; a worker takes a whole shard.
    case sharded([Kernel])

    /// Bytes of a reduction task: large enough to be worth a hand-over, small enough to balance.
    private static let reductionChunk = 128 * 1024
    /// Bytes below which a wave of shared kernels costs less than waking the workers.
    private static let smallWave = 64 * 1024

    /// The rounds of all phases, in order.
    static func all(of builder: PlanBuilder) -> [Round] {
        var rounds: [Round] = []
        for (index, phase) in builder.phases.enumerated() {
            let tasks = phase.reductions.flatMap { reduction in
                let chunk = reduction.combination.isElementwise ? reductionChunk : reduction.byteCount
                return stride(from: 0, to: reduction.byteCount, by: max(chunk, 1)).map {
                    ReductionTask(reduction: reduction, start: $0, byteCount: min(chunk, reduction.byteCount - $0))
                }
            }
            if !tasks.isEmpty { rounds.append(.reductions(tasks)) }
            if phase.kernels.isEmpty { continue }
            if Placement(ofPhase: index) == .sharded {
                rounds.append(.sharded(phase.kernels))
            } else {
                for wave in waves(phase.kernels) {
                    let bytes = wave.flatMap(\.writes).reduce(0) { $0 + builder.buffers[$1.index].byteCount }
                    rounds.append(.shared(wave, isLarge: wave.count > 1 && bytes > smallWave))
                }
            }
        }
        return rounds
    }

    /// Groups kernels so that each depends on earlier groups only: on those that wrote what it reads or writes, in order.
    private static func waves(_ kernels: [Kernel]) -> [[Kernel]] {
        var level: [BufferID: Int] = [:]
        var waves: [[Kernel]] = []
        for kernel in kernels {
            let wave = (kernel.reads + kernel.writes).map { level[$0, default: 0] }.max() ?? 0
            while waves.count <= wave { waves.append([]) }
            waves[wave].append(kernel)
            for buffer in kernel.writes { level[buffer] = wave + 1 }
        }
        return waves
    }
}
