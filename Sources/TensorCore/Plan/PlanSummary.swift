/// What a plan does and needs, known before it runs.
public struct PlanSummary: Sendable {
    public let sharedArenaByteCount: Int
    /// Of one shard, of a pair of them and of one worker.
    public let shardArenaByteCount: Int
    public let pairArenaByteCount: Int
    public let workerArenaByteCount: Int
    public let shardCount: Int
    public let workerCount: Int
    /// How many of oneDNN's primitives the plan holds.
    public let primitiveCount: Int
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
        primitiveCount = builder.primitiveCount
        parameterByteCount = store?.byteCount ?? 0
    }
}
