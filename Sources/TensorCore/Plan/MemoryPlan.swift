/// Where every arena buffer lies, from when it lives.
struct MemoryPlan {
    enum Arena: CaseIterable { case shared, shard, pair, worker }

    private(set) var places: [(arena: Arena, offset: Int)]
    private(set) var sharedByteCount = 0
    private(set) var shardByteCount = 0
    private(set) var pairByteCount = 0
    private(set) var workerByteCount = 0

    init(_ builder: PlanBuilder, _ schedule: [PhaseSchedule]) {
        struct Life {
            var first = Int.max, last = -1
            var firstPhase = Int.max, lastPhase = Int.min

            mutating func touch(time: Int, phase: Int) {
                first = min(first, time)
                last = max(last, time)
                firstPhase = min(firstPhase, phase)
                lastPhase = max(lastPhase, phase)
            }
        }

        // Lives, in a time that counts kernels; those of one shared wave run at the same time.
        var lives = [Life](repeating: Life(), count: builder.buffers.count)
        var overwrites: [(output: Int, input: Int, time: Int)] = []
        var time = 0
        for (phase, step) in schedule.enumerated() {
            switch step {
            case .reductions(let tasks):
                for task in tasks {
                    lives[task.reduction.input.index].touch(time: time, phase: phase)
                    lives[task.reduction.output.index].touch(time: time, phase: phase)
                }
                time += 1
            case .shared(let kernels, _):
                for kernel in kernels {
                    for buffer in kernel.reads + kernel.writes { lives[buffer.index].touch(time: time, phase: phase) }
                }
                time += 1
            case .sharded(let kernels):
                for kernel in kernels {
                    for buffer in kernel.reads + kernel.writes { lives[buffer.index].touch(time: time, phase: phase) }
                    if let (output, input) = kernel.overwrites { overwrites.append((output.index, input.index, time)) }
                    time += 1
                }
            }
        }

        func arena(_ index: Int) -> Arena {
            switch builder.buffers[index].home {
            case .arena(.sharded): lives[index].lastPhase > lives[index].firstPhase ? .shard : .worker
            case .pairArena: .pair
            default: .shared
            }
        }
        places = builder.buffers.indices.map { (arena($0), 0) }

        // An output takes over the memory of an input that dies with the kernel.
        var owner = Array(builder.buffers.indices)
        for (output, input, time) in overwrites {
            let root = owner[input]
            guard case .arena = builder.buffers[input].home, case .arena = builder.buffers[output].home,
                places[root].arena == places[output].arena, lives[root].last == time, lives[output].first == time,
                builder.buffers[root].byteCount >= builder.buffers[output].byteCount
            else { continue }
            owner[output] = root
            lives[root].last = lives[output].last
        }

        for kind in Arena.allCases {
            let members = builder.buffers.indices.filter {
                switch builder.buffers[$0].home {
                case .arena, .pairArena: owner[$0] == $0 && places[$0].arena == kind && lives[$0].last >= 0
                default: false
                }
            }
            let layout = ArenaLayout(members.map {
                ArenaLayout.Request(byteCount: builder.buffers[$0].byteCount, first: lives[$0].first, last: lives[$0].last)
            })
            for (member, offset) in zip(members, layout.offsets) { places[member].offset = offset }
            switch kind {
            case .shared: sharedByteCount = layout.byteCount
            case .shard: shardByteCount = layout.byteCount
            case .pair: pairByteCount = layout.byteCount
            case .worker: workerByteCount = layout.byteCount
            }
        }
        for index in builder.buffers.indices where owner[index] != index { places[index].offset = places[owner[index]].offset }
    }
}
