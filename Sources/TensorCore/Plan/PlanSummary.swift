/// What a plan does and needs, known before it runs.
public struct PlanSummary: Sendable {
    /// Bytes of what there is once.
    public let sharedArenaByteCount: Int
    /// Bytes of what each shard has from one phase to a later one.
    public let shardArenaByteCount: Int
    /// Bytes of what each pair of shards has: the sums of both.
    public let pairArenaByteCount: Int
    /// Bytes of what each worker has for the shard that it is at.
    public let workerArenaByteCount: Int
    /// How many shards a batch is cut into.
    public let shardCount: Int
    /// How many workers share the memory.
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
