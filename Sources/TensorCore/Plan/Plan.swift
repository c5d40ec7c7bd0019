import CKernels
import COneDNN
import Foundation

/// A graph compiled to kernels over memory laid out once; replayed at every step without allocating.
///
/// A batch is cut into `shardCount` shards. A worker takes a shard and runs a whole phase of it, single-threaded. Sums over shards
/// are fixed binary trees, so results depend on the number of shards and never on the number of threads. A run is a row of rounds, after
/// each of which all workers meet (`Round`).
///
/// Memory is in four arenas: `shared` (once), `shard` (once a shard: values that outlive a phase), `worker` (once a worker: values of one
/// phase, which stay in its cache) and `pair` (once for two shards: what they add up).
public final class Plan {
    /// How many shards a batch is cut into.
    public let shardCount: Int
    /// What the plan needs and does.
    public let summary: PlanSummary

    let pool: WorkerPool
    private let store: ParameterStore?
    let rounds: [Round]
    /// Set it to time every kernel of the runs that follow.
    public var profile: PlanProfile?
    /// The round that runs, and the training step: written between rounds, read by the workers.
    private var current = (round: 0, step: UInt64(0))
    /// What a worker does with a task of the round. Made once: a closure made for every round would allocate in every round.
    private lazy var perform: (_ worker: Int, _ task: Int) -> Void = { [unowned self] worker, task in perform(task, worker: worker) }
    /// Where every buffer lies: a table for each worker and shard, at `worker * shardCount + shard`, with an address for each buffer. Read
    /// through `table(worker:shard:)`.
    ///
    /// - A buffer of a parameter, of the shared arena or of a shared output has the same address in all tables; one of the shard arenas, of
    ///   an input or of a sharded output the same for all workers; one of the pair arenas the same for all workers and for both shards of a pair; one of the worker arenas
    ///   the same for all shards.
    /// - The addresses of inputs are written by `run` before the first round, when no worker reads a table. After that a table is written only
    ///   by a kernel that decides where its output lies (`PlanBuilder.Home.decidedAtRun`), in the table of its own worker and shard, which
    ///   no other worker reads in that round, and read by later kernels of the same round alone.
    private let tables: [UnsafeMutablePointer<UnsafeMutableRawPointer>]
    private let memory: [PageMemory]
    private let inputs: [(buffers: [Int], shardByteCount: Int)]
    private let failures = KernelFailures()
    private let outputs: [(memory: UnsafeMutableRawPointer, type: TensorType, placement: Placement)]

    /// Compiles what `outputs` and `gradients` need. `gradients` belong to the graph's trained parameters, in order, and end in
    /// `store.gradients`. The graph's buffers are updated at the end of every run, unless the plan only looks (`updatesBuffers`).
    ///
    /// - Throws: `RecordingError` when the recording failed or memory is too small, `OneDNNError` when the library cannot do an op.
    public init(
        _ graph: Graph, outputs: [Tensor], gradients: [Tensor] = [], store: ParameterStore? = nil, pool: WorkerPool,
        updatesBuffers: Bool = true
    ) throws {
        try graph.validate()
        precondition(gradients.isEmpty || gradients.count == graph.trainedParameterTensors.count, "one gradient for each trained parameter")
        // A primitive is made for the number of threads that its maker may use, and cuts its sums accordingly.
        onednn_use_one_thread()
        let builder = PlanBuilder(graph: graph, workerCount: pool.threadCount)
        try builder.build(outputs: outputs, gradients: gradients, updates: updatesBuffers ? graph.bufferUpdates : [], store: store)

        self.pool = pool
        self.store = store
        shardCount = graph.shardCount
        rounds = Round.all(of: builder)
        let layout = MemoryPlan(builder, rounds)

        // Memory, and the address of every buffer for each worker and shard.
        let workers = pool.threadCount, shards = graph.shardCount
        summary = PlanSummary(builder, layout, workerCount: workers, store: store)
        try requireMemory(summary.arenaByteCount + summary.parameterByteCount, held: summary.parameterByteCount)
        var memory: [PageMemory] = []
        func allocate(_ byteCount: Int) -> UnsafeMutableRawPointer {
            memory.append(PageMemory(byteCount))
            return memory[memory.count - 1].start
        }
        let sharedArena = allocate(layout.sharedByteCount)
        let shardArenas = (0..<shards).map { _ in allocate(layout.shardByteCount) }
        let pairArenas = (0..<PairSums.pairCount(shards)).map { _ in allocate(layout.pairByteCount) }
        let workerArenas = (0..<workers).map { _ in allocate(layout.workerByteCount) }
        let outputs = outputs.map { output in
            let copies = output.placement == .sharded ? shards : 1
            return (memory: allocate(output.type.byteCount * copies), type: output.type, placement: output.placement)
        }
        self.outputs = outputs
        var inputBuffers = [[Int]](repeating: [], count: graph.inputs.count)
        var constants: [Int: UnsafeMutableRawPointer] = [:]
        for (index, buffer) in builder.buffers.enumerated() {
            switch buffer.home {
            case .input(let input): inputBuffers[input].append(index)
            case .constant(let tensor):
                let copy = allocate(tensor.bytes.count)
                tensor.bytes.withUnsafeBytes { copy.copyMemory(from: $0.baseAddress!, byteCount: $0.count) }
                constants[index] = copy
            default: break
            }
        }
        inputs = zip(graph.inputs, inputBuffers).map { ($1, $0.tensor.type.byteCount) }
        tables = (0..<workers * shards).map { entry in
            let worker = entry / shards, shard = entry % shards
            let table = UnsafeMutablePointer<UnsafeMutableRawPointer>.allocate(capacity: max(builder.buffers.count, 1))
            for (index, buffer) in builder.buffers.enumerated() {
                table[index] = switch buffer.home {
                case .arena, .pairArena:
                    switch layout.places[index].arena {
                    case .shared: sharedArena + layout.places[index].offset
                    case .shard: shardArenas[shard] + layout.places[index].offset
                    case .pair: pairArenas[shard / 2] + layout.places[index].offset
                    case .worker: workerArenas[worker] + layout.places[index].offset
                    }
                case .parameter(let offset): UnsafeMutableRawPointer(store!.values.baseAddress!) + offset
                case .buffer(let offset): UnsafeMutableRawPointer(store!.bufferValues.baseAddress!) + offset
                case .gradient(let offset): UnsafeMutableRawPointer(store!.gradients.baseAddress!) + offset
                case .constant: constants[index]!
                case .input, .decidedAtRun: sharedArena  // replaced at every run
                case .output(let output):
                    outputs[output].memory + (outputs[output].placement == .sharded ? shard * outputs[output].type.byteCount : 0)
                }
            }
            return table
        }
        self.memory = memory
    }

    deinit {
        for table in tables { table.deallocate() }
    }

    // MARK: Running

    /// Runs one step on a batch: for each input of the graph, in order of declaration, the memory of all shards one after another.
    ///
    /// - Throws: `OneDNNError` when the library finds no memory for what it does; the outputs are worth nothing then.
    public func run(feeding batch: [UnsafeRawPointer], step: UInt64 = 0) throws(OneDNNError) {
        precondition(batch.count == inputs.count, "\(batch.count) inputs fed, the graph has \(inputs.count)")
        for (input, source) in zip(inputs, batch) {
            for (entry, table) in tables.enumerated() {  // entry % shardCount is the shard
                let address = UnsafeMutableRawPointer(mutating: source) + entry % shardCount * input.shardByteCount
                for buffer in input.buffers { table[buffer] = address }
            }
        }
        profile?.startRun()
        for (index, round) in rounds.enumerated() {
            current = (index, step)
            switch round {
            case .reductions(let tasks): pool.run(tasks.count, perform)
            case .shared(let kernels, isLarge: true): pool.run(kernels.count, perform)
            case .shared(let kernels, isLarge: false): for kernel in kernels.indices { perform(0, kernel) }
            case .sharded: pool.run(shardCount, perform)
            }
            profile?.finish(round: index)
        }
        try failures.check()
    }

    private func perform(_ task: Int, worker: Int) {
        switch rounds[current.round] {
        case .reductions(let tasks):
            guard let profile else { return sum(tasks[task]) }
            profile.time(round: current.round, kernel: 0, worker: worker) { sum(tasks[task]) }
        case .shared(let kernels, _):
            run(kernels[task], task, context(worker: worker, shard: 0))
        case .sharded(let kernels):
            let context = context(worker: worker, shard: task)
            for (index, kernel) in kernels.enumerated() { run(kernel, index, context) }
        }
    }

    private func run(_ kernel: Kernel, _ index: Int, _ context: KernelContext) {
        guard let profile else { return kernel.run(context) }
        profile.time(round: current.round, kernel: index, worker: context.worker) { kernel.run(context) }
    }

    private func context(worker: Int, shard: Int) -> KernelContext {
        KernelContext(addresses: table(worker: worker, shard: shard), worker: worker, shard: shard, step: current.step, failures: failures)
    }

    private func table(worker: Int, shard: Int) -> UnsafeMutablePointer<UnsafeMutableRawPointer> { tables[worker * shardCount + shard] }

    /// Adds up a piece of the pairs' sums.
    ///
    /// A reduction reads a buffer of the pair arenas and writes a shared one, and no other. So the tables of all workers agree on both, and
    /// worker 0's are as good as those of the worker that runs this. Pair p is the shards 2p and 2p + 1 and has one address for both; 2p is a
    /// shard even where the last pair of an odd number of shards is one shard alone.
    private func sum(_ task: ReductionTask) {
        let reduction = task.reduction
        withUnsafeTemporaryAllocation(of: UnsafeRawPointer?.self, capacity: PairSums.pairCount(shardCount)) { sources in
            for pair in sources.indices { sources[pair] = UnsafeRawPointer(table(worker: 0, shard: 2 * pair)[reduction.input.index] + task.start) }
            reduction.combination.combine(sources, to: table(worker: 0, shard: 0)[reduction.output.index] + task.start, byteCount: task.byteCount)
        }
    }

    // MARK: Results

    /// The memory of an output after a run: the whole batch, shard after shard, where it is sharded.
    public func outputPointer(_ index: Int) -> UnsafeRawPointer { UnsafeRawPointer(outputs[index].memory) }

    /// An output after a run; a sharded one has the whole batch in its first axis.
    public func output(_ index: Int) -> HostTensor {
        let (memory, type, placement) = outputs[index]
        var shape = type.shape
        if placement == .sharded, shape.rank > 0 { shape = shape.replacing(axis: 0, with: shape[0] * shardCount) }
        return HostTensor(shape: shape, dtype: type.dtype, copying: memory)
    }
}
