/// A piece of a reduction that one worker does.
struct ReductionTask {
    let reduction: Reduction
    /// In bytes.
    let start: Int
    let byteCount: Int
}

/// What happens between two joins of the workers.
enum PhaseSchedule {
    case reductions([ReductionTask])
    /// Kernels that do not depend on each other, run by whoever is free, or by the caller when they are too small to share.
    case shared([Kernel], isLarge: Bool)
    case sharded([Kernel])

    /// Bytes of a reduction task: large enough to be worth a hand-over, small enough to balance.
    private static let reductionChunk = 128 * 1024
    /// Bytes below which a wave of shared kernels costs less than waking the workers.
    private static let smallWave = 64 * 1024

    static func make(_ builder: PlanBuilder) -> [PhaseSchedule] {
        var schedule: [PhaseSchedule] = []
        for (index, phase) in builder.phases.enumerated() {
            let tasks = phase.reductions.flatMap { reduction in
                let chunk = reduction.combination.isElementwise ? reductionChunk : reduction.byteCount
                return stride(from: 0, to: reduction.byteCount, by: max(chunk, 1)).map {
                    ReductionTask(reduction: reduction, start: $0, byteCount: min(chunk, reduction.byteCount - $0))
                }
            }
            if !tasks.isEmpty { schedule.append(.reductions(tasks)) }
            if phase.kernels.isEmpty { continue }
            if builder.placement(of: index) == .sharded {
                schedule.append(.sharded(phase.kernels))
            } else {
                for wave in waves(phase.kernels) {
                    let bytes = wave.flatMap(\.writes).reduce(0) { $0 + builder.buffers[$1.index].byteCount }
                    schedule.append(.shared(wave, isLarge: wave.count > 1 && bytes > smallWave))
                }
            }
        }
        return schedule
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
