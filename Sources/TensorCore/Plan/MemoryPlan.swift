/// Where every arena buffer lies, from when it lives.
///
/// Three questions, one after the other: from when to when is each buffer read or written (`BufferLives`); which arena is it in, and
/// whose memory does it take over; at which offset does it lie, so that no two that live at the same time overlap (`ArenaLayout`).
struct MemoryPlan {
    /// Shared once, a copy for each shard, for each pair of shards, for each worker.
    enum Arena: CaseIterable { case shared, shard, pair, worker }

    /// The arena of each buffer of the builder, and its offset there in bytes; meaningless for buffers outside the arenas.
    private(set) var places: [(arena: Arena, offset: Int)]
    private(set) var sharedByteCount = 0
    private(set) var shardByteCount = 0
    private(set) var pairByteCount = 0
    private(set) var workerByteCount = 0

    init(_ builder: PlanBuilder, _ rounds: [Round]) {
        var lives = BufferLives(bufferCount: builder.buffers.count, rounds)
        let arenas = builder.buffers.indices.map { Self.arena(of: builder.buffers[$0], living: lives[$0]) }
        let owners = Self.takeOvers(builder.buffers, arenas: arenas, lives: &lives)
        places = arenas.map { ($0, 0) }
        for arena in Arena.allCases {
            let members = builder.buffers.indices.filter {
                builder.buffers[$0].isInArena && owners[$0] == $0 && arenas[$0] == arena && lives[$0].last >= 0
            }
            let layout = ArenaLayout(members.map {
                ArenaLayout.Request(byteCount: builder.buffers[$0].byteCount, first: lives[$0].first, last: lives[$0].last)
            })
            for (member, offset) in zip(members, layout.offsets) { places[member].offset = offset }
            switch arena {
            case .shared: sharedByteCount = layout.byteCount
            case .shard: shardByteCount = layout.byteCount
            case .pair: pairByteCount = layout.byteCount
            case .worker: workerByteCount = layout.byteCount
            }
        }
        for index in builder.buffers.indices where owners[index] != index { places[index].offset = places[owners[index]].offset }
    }

    /// A sharded buffer that outlives its round needs a copy for each shard; one that does not needs a copy for each worker only.
    private static func arena(of buffer: PlanBuilder.Buffer, living life: BufferLives.Life) -> Arena {
        switch buffer.home {
        case .arena(.sharded): life.lastRound > life.firstRound ? .shard : .worker
        case .pairArena: .pair
        default: .shared
        }
    }

    /// The buffer in whose memory each lies: itself, or an input that dies with the kernel that makes this output. The lives of inputs that
    /// are taken over go on to the ends of the outputs.
    private static func takeOvers(_ buffers: [PlanBuilder.Buffer], arenas: [Arena], lives: inout BufferLives) -> [Int] {
        var owners = Array(buffers.indices)
        for (output, input, time) in lives.overwrites {
            let owner = owners[input]
            guard case .arena = buffers[input].home, case .arena = buffers[output].home, arenas[owner] == arenas[output],
                lives[owner].last == time, lives[output].first == time, buffers[owner].byteCount >= buffers[output].byteCount
            else { continue }
            owners[output] = owner
            lives[owner].last = lives[output].last
        }
        return owners
    }
}

extension PlanBuilder.Buffer {
    /// Whether the plan lays the buffer out by its life.
    fileprivate var isInArena: Bool {
        switch home {
        case .arena, .pairArena: true
        default: false
        }
    }
}

/// From when to when each buffer is read or written.
///
/// Time counts the kernels of a sharded round one by one, as a worker runs them; all work of any other round happens at one time, for it
/// runs in no order.
struct BufferLives {
    struct Life {
        /// The first and the last time; −1 as the last for a buffer that no kernel touches.
        var first = Int.max, last = -1
        /// The rounds of the two.
        var firstRound = Int.max, lastRound = Int.min

        fileprivate mutating func touch(time: Int, round: Int) {
            first = min(first, time)
            last = max(last, time)
            firstRound = min(firstRound, round)
            lastRound = max(lastRound, round)
        }
    }

    private var lives: [Life]
    /// What a kernel may write over an input, and when, in the order of time. Only whole shards run in a known order, so only they may.
    private(set) var overwrites: [(output: Int, input: Int, time: Int)] = []

    subscript(buffer: Int) -> Life {
        get { lives[buffer] }
        set { lives[buffer] = newValue }
    }

    init(bufferCount: Int, _ rounds: [Round]) {
        lives = Array(repeating: Life(), count: bufferCount)
        var time = 0
        for (index, round) in rounds.enumerated() {
            func touch(_ buffers: [BufferID]) {
                for buffer in buffers { lives[buffer.index].touch(time: time, round: index) }
            }
            switch round {
            case .reductions(let tasks):
                for task in tasks { touch([task.reduction.input, task.reduction.output]) }
                time += 1
            case .shared(let kernels, _):
                for kernel in kernels { touch(kernel.reads + kernel.writes) }
                time += 1
            case .sharded(let kernels):
                for kernel in kernels {
                    touch(kernel.reads + kernel.writes)
                    if let (output, input) = kernel.overwrites { overwrites.append((output.index, input.index, time)) }
                    time += 1
                }
            }
        }
    }
}
