/// What a plan does and needs, known before it runs.
public struct PlanSummary: Sendable {
    public struct Row: Sendable {
        public let operation: String
        public let path: String
        /// How often the kernel runs in a step.
        public let runs: Int
    }

    public let rows: [Row]
    public let sharedArenaByteCount: Int
    /// Of one shard, of a pair of them and of one worker.
    public let shardArenaByteCount: Int
    public let pairArenaByteCount: Int
    public let workerArenaByteCount: Int
    public let shardCount: Int
    public let workerCount: Int
    /// Parameters, their gradients and buffers.
    public let parameterByteCount: Int

    /// All arenas together.
    public var arenaByteCount: Int {
        sharedArenaByteCount + shardCount * shardArenaByteCount + PairSums.pairCount(shardCount) * pairArenaByteCount
            + workerCount * workerArenaByteCount
    }

    init(_ builder: PlanBuilder, _ layout: MemoryPlan, workerCount: Int, store: ParameterStore?) {
        shardCount = builder.graph.shardCount
        self.workerCount = workerCount
        sharedArenaByteCount = layout.sharedByteCount
        shardArenaByteCount = layout.shardByteCount
        pairArenaByteCount = layout.pairByteCount
        workerArenaByteCount = layout.workerByteCount
        parameterByteCount = store?.byteCount ?? 0
        rows = builder.phases.enumerated().flatMap { index, phase in
            phase.reductions.map { Row(operation: "shard sum", path: $0.path, runs: 1) }
                + phase.kernels.map {
                    Row(operation: $0.name, path: $0.path, runs: builder.placement(of: index) == .sharded ? builder.graph.shardCount : 1)
                }
        }
    }
}
