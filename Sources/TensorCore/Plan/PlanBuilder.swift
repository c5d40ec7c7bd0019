/// Turns a graph into phases of kernels over buffers.
///
/// Even phases are shared (run once a step), odd ones sharded (run for each shard). A sum over shards leads from an odd phase to
/// the next even one; every other op runs in the earliest phase in which its inputs exist.
final class PlanBuilder {
    /// Where a buffer lies.
    enum Home: Equatable {
        /// In an arena that the plan lays out by liveness.
        case arena(Placement)
        /// At a byte offset of the store's parameters, buffers or gradients.
        case parameter(Int), buffer(Int), gradient(Int)
        case constant(HostTensor)
        /// In memory fed at every run.
        case input(Int)
        /// In an output of the plan.
        case output(Int)
    }

    struct Buffer {
        var byteCount: Int
        var home: Home
    }

    struct Phase {
        var reductions: [Reduction] = []
        var kernels: [Kernel] = []
    }

    let graph: Graph
    let workerCount: Int
    private(set) var buffers: [Buffer] = []
    private(set) var phases: [Phase] = []
    private(set) var isUsed: [Bool]

    private var valuePhase: [Int]
    private var valueBuffer: [BufferID?]
    /// The layout of values that are not row-major, with their axes as oneDNN sees them.
    private var valueLayout: [Int: (layout: PhysicalLayout, lengths: [Int])] = [:]
    private var reorders: [Int: [(layout: PhysicalLayout?, buffer: BufferID)]] = [:]

    init(graph: Graph, workerCount: Int) {
        self.graph = graph
        self.workerCount = workerCount
        isUsed = Array(repeating: false, count: graph.values.count)
        valuePhase = Array(repeating: 0, count: graph.values.count)
        valueBuffer = Array(repeating: nil, count: graph.values.count)
    }

    // MARK: From graph to kernels

    /// Lowers what `outputs`, `gradients` and the graph's buffer updates need.
    func build(outputs: [Tensor], gradients: [Tensor], store: ParameterStore?) throws {
        let updates = graph.bufferUpdates
        markUsed(outputs.map(\.id) + gradients.map(\.id) + updates.map(\.value.id))
        for node in graph.nodes where node.outputs.contains(where: { isUsed[$0] }) {
            try lower(node, store: store)
        }
        for (index, output) in outputs.enumerated() { try deliver(output.id, to: .output(index)) }
        for (index, gradient) in gradients.enumerated() {
            guard let store else { preconditionFailure("gradients need a parameter store") }
            try deliver(gradient.id, to: .gradient(store.entries[index].offset * MemoryLayout<Float>.size))
        }
        // Running statistics change when everything that reads the old ones is done.
        let last = phases.count + phases.count % 2
        for update in updates {
            guard let store else { preconditionFailure("buffers need a parameter store") }
            let home = Home.buffer(store.bufferEntries[update.buffer].offset * MemoryLayout<Float>.size)
            emitCopy(from: rowMajor(update.value.id), to: makeBuffer(update.value.type.byteCount, home), path: update.value.path, phase: last)
        }
    }

    private func markUsed(_ roots: [Int]) {
        for root in roots { isUsed[root] = true }
        for node in graph.nodes.reversed() where node.outputs.contains(where: { isUsed[$0] }) {
            for input in node.inputs { isUsed[input] = true }
        }
    }

    private func lower(_ node: Graph.Node, store: ParameterStore?) throws {
        if let leaf = node.operation as? Leaf {
            let value = node.outputs[0]
            let home: Home = switch leaf.kind {
            case .input(let index): .input(index)
            case .constant(let tensor): .constant(tensor)
            case .parameter(let index): .parameter(try offset(index, in: store?.entries))
            case .buffer(let index): .buffer(try offset(index, in: store?.bufferEntries))
            }
            valuePhase[value] = graph.values[value].placement == .sharded ? 1 : 0
            valueBuffer[value] = makeBuffer(graph.values[value].type.byteCount, home)
            return
        }
        let isSharded = graph.values[node.outputs[0]].placement == .sharded
        var phase = isSharded ? 1 : 0
        for input in node.inputs {
            let ready = valuePhase[input]
            phase = max(phase, ready % 2 == (isSharded ? 1 : 0) ? ready : ready + 1)
        }
        for output in node.outputs { valuePhase[output] = phase }
        try node.operation.lower(LoweringContext(builder: self, node: node, phase: phase))
    }

    private func offset(_ index: Int, in entries: [ParameterStore.Entry]?) throws -> Int {
        guard let entries else { preconditionFailure("a graph with parameters needs a parameter store") }
        return entries[index].offset * MemoryLayout<Float>.size
    }

    /// Makes a value end in memory outside the arenas.
    private func deliver(_ value: Int, to home: Home) throws {
        let buffer = rowMajor(value)
        if case .arena(let placement) = buffers[buffer.index].home, placement == graph.values[value].placement {
            buffers[buffer.index].home = home
        } else {
            let type = graph.values[value].type
            emitCopy(from: buffer, to: makeBuffer(type.byteCount, home), path: "", phase: max(valuePhase[value], reorderPhase(value)))
        }
    }

    // MARK: Buffers

    func makeBuffer(_ byteCount: Int, _ home: Home) -> BufferID {
        buffers.append(Buffer(byteCount: byteCount, home: home))
        return BufferID(index: buffers.count - 1)
    }

    func placement(of phase: Int) -> Placement { phase % 2 == 1 ? .sharded : .shared }

    func declare(_ value: Int) -> BufferID {
        if let buffer = valueBuffer[value] { return buffer }
        let buffer = makeBuffer(graph.values[value].type.byteCount, .arena(graph.values[value].placement))
        valueBuffer[value] = buffer
        return buffer
    }

    func declare(_ value: Int, layout: PhysicalLayout, lengths: [Int]) -> BufferID {
        if layout == PhysicalLayout(lengths: lengths) { return declare(value) }
        let buffer = makeBuffer(layout.byteCount, .arena(graph.values[value].placement))
        valueBuffer[value] = buffer
        valueLayout[value] = (layout, lengths)
        return buffer
    }

    func alias(_ value: Int, to source: Int) { valueBuffer[value] = rowMajor(source) }

    private func buffer(of value: Int) -> BufferID {
        guard let buffer = valueBuffer[value] else { preconditionFailure("a value is read before its op is lowered") }
        return buffer
    }

    /// Reorders run where the value lives: those of parameters once a step for all shards.
    private func reorderPhase(_ value: Int) -> Int { valuePhase[value] }

    func rowMajor(_ value: Int) -> BufferID {
        guard let (layout, lengths) = valueLayout[value] else { return buffer(of: value) }
        if let known = reorders[value]?.first(where: { $0.layout == nil }) { return known.buffer }
        let target = makeBuffer(graph.values[value].type.byteCount, .arena(graph.values[value].placement))
        emitReorder(value, from: layout, to: PhysicalLayout(lengths: lengths), target)
        reorders[value, default: []].append((nil, target))
        return target
    }

    func reordered(_ value: Int, to layout: PhysicalLayout, lengths: [Int]) throws -> BufferID {
        let source = valueLayout[value]?.layout ?? PhysicalLayout(lengths: lengths)
        if source == layout { return buffer(of: value) }
        if let known = reorders[value]?.first(where: { $0.layout == layout }) { return known.buffer }
        let target = makeBuffer(layout.byteCount, .arena(graph.values[value].placement))
        emitReorder(value, from: source, to: layout, target)
        reorders[value, default: []].append((layout, target))
        return target
    }

    // MARK: Kernels

    func emit(_ kernel: Kernel, phase: Int) {
        while phases.count <= phase { phases.append(Phase()) }
        phases[phase].kernels.append(kernel)
    }

    func emit(
        _ primitive: Primitive, name: String, path: String, phase: Int, reads: [BufferID], writes: [BufferID], arguments: [BufferID],
        offsets: [Int]? = nil
    ) {
        let scratchpad = makeBuffer(max(primitive.scratchpadByteCount, 64), .arena(placement(of: phase)))
        let places = zip(arguments, offsets ?? Array(repeating: 0, count: arguments.count)) + [(scratchpad, 0)]
        let run: (KernelContext) -> Void = { context in
            withUnsafeTemporaryAllocation(of: UnsafeMutableRawPointer?.self, capacity: places.count) { pointers in
                for index in 0..<places.count { pointers[index] = context.raw(places[index].0) + places[index].1 }
                primitive.execute(worker: context.worker, pointers.baseAddress!)
            }
        }
        emit(
            Kernel(name: name, path: path, reads: reads, writes: writes + [scratchpad], overwrites: nil, run: run), phase: phase)
    }

    private func emitReorder(_ value: Int, from source: PhysicalLayout, to target: PhysicalLayout, _ buffer: BufferID) {
        let phase = reorderPhase(value)
        do {
            let primitive = try Primitive("reorder") { onednn_reorder_primitive(source, target, workerCount) }
            emit(
                primitive, name: "reorder", path: graph.nodes[graph.values[value].node].path, phase: phase,
                reads: [self.buffer(of: value)], writes: [buffer], arguments: [self.buffer(of: value), buffer])
        } catch {
            preconditionFailure("\(error)")
        }
    }

    func emitCopy(from source: BufferID, to target: BufferID, path: String, phase: Int) {
        let byteCount = buffers[target.index].byteCount
        emit(
            Kernel(name: "copy", path: path, reads: [source], writes: [target], overwrites: nil) { context in
                context.raw(target).copyMemory(from: context.raw(source), byteCount: byteCount)
            }, phase: phase)
    }

    func emitShardSum(of input: Int, to output: Int, path: String, phase: Int) {
        let source = buffer(of: input)
        let target = if let (layout, lengths) = valueLayout[input] {
            declare(output, layout: layout, lengths: lengths)
        } else {
            declare(output)
        }
        let dtype = graph.values[input].type.dtype
        let reduction = Reduction(
            input: source, output: target, count: buffers[source.index].byteCount / dtype.byteCount, dtype: dtype, path: path)
        while phases.count <= phase { phases.append(Phase()) }
        phases[phase].reductions.append(reduction)
    }
}
