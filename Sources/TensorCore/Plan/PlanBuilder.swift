/// Turns a graph into phases of kernels over buffers.
///
/// A shared phase runs once a training step, a sharded one once for each shard; they alternate (`Placement.phase(notBefore:)`). A sum over
/// shards leads from a sharded phase to the next shared one; every other op runs in the earliest phase in which its inputs exist.
final class PlanBuilder {
    /// Where a buffer lies.
    enum Home: Equatable {
        /// In an arena that the plan lays out by liveness.
        case arena(Placement)
        /// In the arena of a pair of shards: a sum over the two.
        case pairArena
        /// Where the kernel that writes it decides, at every run.
        case decidedAtRun
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

    /// Work of one placement, in order: first the sums that end what the phase before it began, then the kernels.
    struct Phase {
        var reductions: [Reduction] = []
        var kernels: [Kernel] = []
    }

    let graph: Graph
    let workerCount: Int
    private(set) var buffers: [Buffer] = []
    private(set) var phases: [Phase] = []
    private(set) var isUsed: [Bool]
    /// How often each value is read by what is used.
    private var readerCount: [Int]
    /// Buffers of several values.
    private var sharedBuffers: Set<BufferID> = []
    /// How many primitives the kernels run.
    var primitiveCount = 0
    private var isLowered: [Bool]
    private var fusedAdditions: [Int: FusedAddition] = [:]
    /// The pass of the node that is being lowered.
    private var pass = Pass.forward

    private var valuePhase: [Int]
    private var valueBuffer: [BufferID?]
    /// The layout of values that are not row-major, with their axes as oneDNN sees them.
    private var valueLayout: [Int: (layout: PhysicalLayout, lengths: [Int])] = [:]
    private var copies: [Int: [Copy]] = [:]

    /// What a kernel wants a value to be.
    enum Form: Equatable {
        /// In another layout, and how the value lies or is seen: a square matrix and its transpose may want one layout of different numbers.
        case layout(PhysicalLayout, from: PhysicalLayout)
        /// Weights of `kernel_winograd_weights`, for the convolution itself or for its gradient with respect to images.
        case winograd(isForGradient: Bool)
        /// Panels of a matrix for `kernel_linear`.
        case panels(isTransposed: Bool)
    }

    /// A copy of a value in another form.
    private struct Copy {
        let form: Form
        let buffer: BufferID
        /// The kernel until all its readers are known, and the last phase in which it is early enough for those that are.
        var pending: (kernel: Kernel, phase: Int)?
    }

    init(graph: Graph, workerCount: Int) {
        self.graph = graph
        self.workerCount = workerCount
        isUsed = Array(repeating: false, count: graph.values.count)
        readerCount = Array(repeating: 0, count: graph.values.count)
        isLowered = Array(repeating: false, count: graph.nodes.count)
        valuePhase = Array(repeating: 0, count: graph.values.count)
        valueBuffer = Array(repeating: nil, count: graph.values.count)
    }

    // MARK: From graph to kernels

    /// Lowers what `outputs`, `gradients` and the `updates` of buffers need.
    func build(outputs: [Tensor], gradients: [Tensor], updates: [(buffer: Int, value: Tensor)], store: ParameterStore?) throws {
        let roots = outputs.map(\.id) + gradients.map(\.id) + updates.map(\.value.id)
        markUsed(roots)
        fusedAdditions = graph.fusedAdditions(isUsed: isUsed, roots: roots)
        var shardSums = [[Int]](repeating: [], count: graph.values.count)
        for (index, node) in graph.nodes.enumerated() where node.operation.joinsShards && isUsed[node.outputs[0]] {
            shardSums[node.inputs[0]].append(index)
        }
        for (index, node) in graph.nodes.enumerated() where node.after == nil && node.outputs.contains(where: { isUsed[$0] }) {
            try lower(index, store: store)
            // A sum over shards starts where its terms are made, so that they do not outlive the phase.
            for sum in node.outputs.flatMap({ shardSums[$0] }) { try lower(sum, store: store) }
        }
        for (index, output) in outputs.enumerated() { try deliver(output.id, to: .output(index)) }
        if !gradients.isEmpty {
            guard let store else { preconditionFailure("gradients need a parameter store") }
            let entries = zip(store.entries, graph.parameters).filter { !$0.1.isFrozen }.map(\.0)
            precondition(entries.allSatisfy(\.isTrained), "the store has no gradient of a parameter that the graph trains")
            for (entry, gradient) in zip(entries, gradients) {
                try deliver(gradient.id, to: .gradient(entry.offset * MemoryLayout<Float>.size))
            }
        }
        // Running statistics change when everything that reads the old ones is done.
        let last = Placement.shared.phase(notBefore: phases.count)
        for update in updates {
            guard let store else { preconditionFailure("buffers need a parameter store") }
            let home = Home.buffer(store.bufferEntries[update.buffer].offset * MemoryLayout<Float>.size)
            let value = rowMajor(update.value.id, for: last)
            emitCopy(from: value, to: makeBuffer(update.value.type.byteCount, home), phase: last)
        }
        emitCopies()
    }

    private func markUsed(_ roots: [Int]) {
        func read(_ value: Int) {
            isUsed[value] = true
            readerCount[value] += 1
        }
        for root in roots { read(root) }
        for node in graph.nodes.reversed() where node.outputs.contains(where: { isUsed[$0] }) { node.inputs.forEach(read) }
    }

    /// Lowers a node, with the one that shares its kernel, and first what has to be computed again for it; `reader` is the phase of the
    /// node that asks for that.
    private func lower(_ index: Int, for reader: Int = 0, store: ParameterStore?) throws {
        guard !isLowered[index] else { return }
        let pair = fusedAdditions[index], members = pair.map { [$0.normalization, $0.addition] } ?? [index]
        for member in members { isLowered[member] = true }
        let node = graph.nodes[members[0]], inputs = members.flatMap { graph.nodes[$0].inputs }
        if let leaf = node.operation as? Leaf {
            let value = node.outputs[0]
            let home: Home = switch leaf.kind {
            case .input(let index): .input(index)
            case .constant(let tensor): .constant(tensor)
            case .parameter(let index): .parameter(try offset(of: graph.parameters[index], index, in: store?.entries))
            case .buffer(let index): .buffer(try offset(of: graph.buffers[index], index, in: store?.bufferEntries))
            }
            valuePhase[value] = graph.values[value].placement.firstPhase
            valueBuffer[value] = makeBuffer(graph.values[value].type.byteCount, home)
            return
        }
        let placement = graph.values[node.outputs[0]].placement
        var phase = placement.phase(notAfter: reader)
        func wait(for value: Int) { phase = max(phase, placement.phase(notBefore: valuePhase[value])) }
        if let after = node.after { wait(for: after) }
        let producers = inputs.map { graph.values[$0].node }
        for (input, producer) in zip(inputs, producers) where isLowered[producer] { wait(for: input) }
        for (input, producer) in zip(inputs, producers) where !isLowered[producer] {
            try lower(producer, for: phase, store: store)
            wait(for: input)
        }
        for output in members.flatMap({ graph.nodes[$0].outputs }) { valuePhase[output] = phase }
        pass = node.pass
        let addition = pair.map { graph.nodes[$0.addition] }
        try node.operation.lower(LoweringContext(builder: self, node: node, phase: phase, addition: addition))
    }

    private func offset(of parameter: Parameter, _ index: Int, in entries: [ParameterStore.Entry]?) throws -> Int {
        guard let entries else { preconditionFailure("a graph with parameters needs a parameter store") }
        precondition(
            index < entries.count && entries[index].name == parameter.name,
            "\(parameter.name) has another place in the store: a model declares the same in training and in evaluation")
        return entries[index].offset * MemoryLayout<Float>.size
    }

    /// Makes a value end in memory outside the arenas.
    private func deliver(_ value: Int, to home: Home) throws {
        let buffer = rowMajor(value, for: valuePhase[value])
        if case .arena(let placement) = buffers[buffer.index].home, placement == graph.values[value].placement {
            buffers[buffer.index].home = home
        } else {
            let type = graph.values[value].type
            emitCopy(from: buffer, to: makeBuffer(type.byteCount, home), phase: valuePhase[value])
        }
    }

    // MARK: Buffers

    func makeBuffer(_ byteCount: Int, _ home: Home) -> BufferID {
        buffers.append(Buffer(byteCount: byteCount, home: home))
        return BufferID(index: buffers.count - 1)
    }

    func declare(_ value: Int) -> BufferID {
        if let buffer = valueBuffer[value] { return buffer }
        let buffer = makeBuffer(graph.values[value].type.byteCount, .arena(graph.values[value].placement))
        valueBuffer[value] = buffer
        return buffer
    }

    func declare(_ value: Int, layout: PhysicalLayout, lengths: [Int]) -> BufferID {
        if layout == PhysicalLayout(lengths: lengths, dtype: graph.values[value].type.dtype) { return declare(value) }
        let buffer = makeBuffer(layout.byteCount, .arena(graph.values[value].placement))
        valueBuffer[value] = buffer
        valueLayout[value] = (layout, lengths)
        return buffer
    }

    func alias(_ value: Int, to source: Int, for phase: Int) {
        let buffer = rowMajor(source, for: phase)
        valueBuffer[value] = buffer
        sharedBuffers.insert(buffer)
    }

    private func buffer(of value: Int) -> BufferID {
        guard let buffer = valueBuffer[value] else { preconditionFailure("a value is read before its op is lowered") }
        return buffer
    }

    /// A value in row-major layout, for a reader in `phase`.
    func rowMajor(_ value: Int, for phase: Int) -> BufferID {
        guard let (source, lengths) = valueLayout[value] else { return buffer(of: value) }
        return reordered(value, from: source, to: PhysicalLayout(lengths: lengths, dtype: graph.values[value].type.dtype), for: phase)
    }

    /// A value in `layout`, for a reader in `phase`.
    func reordered(_ value: Int, to layout: PhysicalLayout, lengths: [Int], strides: [Int]?, for phase: Int) -> BufferID {
        let source = valueLayout[value]?.layout
            ?? PhysicalLayout(lengths: lengths, strides: strides, dtype: graph.values[value].type.dtype)
        return source == layout ? buffer(of: value) : reordered(value, from: source, to: layout, for: phase)
    }

    private func reordered(_ value: Int, from source: PhysicalLayout, to layout: PhysicalLayout, for phase: Int) -> BufferID {
        converted(value, to: .layout(layout, from: source), byteCount: layout.byteCount, for: phase) { target in
            do {
                let primitive = try Primitive("reorder") { onednn_reorder_primitive(source, layout, workerCount) }
                return kernel(
                    primitive, name: "reorder", placement: graph.values[value].placement,
                    reads: [buffer(of: value)], writes: [target], arguments: [buffer(of: value), target])
            } catch {
                preconditionFailure("\(error)")
            }
        }
    }

    /// A value in another form, which `makeKernel` writes. It is made once for all its readers: at once, or if shards read a shared value, just
    /// before the first of them do.
    func converted(_ value: Int, to form: Form, byteCount: Int, for phase: Int, by makeKernel: (BufferID) -> Kernel) -> BufferID {
        let isForShards = graph.values[value].placement == .shared && Placement(ofPhase: phase) == .sharded
        if let index = copies[value]?.firstIndex(where: { $0.form == form }) {
            if let (kernel, planned) = copies[value]![index].pending {
                copies[value]![index].pending = (kernel, min(planned, isForShards ? phase - 1 : phase))
            }
            return copies[value]![index].buffer
        }
        let target = makeBuffer(byteCount, .arena(graph.values[value].placement)), kernel = described(makeKernel(target))
        if !isForShards {
            // What is made of another copy cannot come before it.
            for index in copies[value, default: []].indices where kernel.reads.contains(copies[value]![index].buffer) {
                copies[value]![index].pending?.phase = valuePhase[value]
            }
            emit(kernel, phase: valuePhase[value])
        }
        copies[value, default: []].append(Copy(form: form, buffer: target, pending: isForShards ? (kernel, phase - 1) : nil))
        return target
    }

    /// Places the copies that waited for all their readers: behind what writes their source, before all else.
    private func emitCopies() {
        for value in copies.keys.sorted() {
            for (kernel, phase) in copies[value]!.compactMap(\.pending) {
                while phases.count <= phase { phases.append(Phase()) }
                let writer = phases[phase].kernels.lastIndex { $0.writes.contains(kernel.reads[0]) }
                phases[phase].kernels.insert(kernel, at: writer.map { $0 + 1 } ?? 0)
            }
        }
    }

    // MARK: Kernels

    func emit(_ kernel: Kernel, phase: Int) {
        while phases.count <= phase { phases.append(Phase()) }
        phases[phase].kernels.append(described(kernel))
    }

    /// A kernel of the node that is being lowered, with what a profile says about it.
    private func described(_ kernel: Kernel) -> Kernel {
        var kernel = kernel
        kernel.pass = pass
        kernel.byteCount = (kernel.reads + kernel.writes).reduce(0) { $0 + buffers[$1.index].byteCount }
        return kernel
    }

    func kernel(
        _ primitive: Primitive, name: String, placement: Placement, reads: [BufferID], writes: [BufferID],
        arguments: [BufferID], offsets: [Int]? = nil
    ) -> Kernel {
        primitiveCount += 1
        let scratchpad = makeBuffer(max(primitive.scratchpadByteCount, 64), .arena(placement))
        let places = zip(arguments, offsets ?? Array(repeating: 0, count: arguments.count)) + [(scratchpad, 0)]
        return Kernel(
            name: name, reads: reads, writes: writes + [scratchpad], overwrites: nil, multiplyAdds: primitive.multiplyAdds
        ) { context in
            withUnsafeTemporaryAllocation(of: UnsafeMutableRawPointer?.self, capacity: places.count) { pointers in
                for index in 0..<places.count { pointers[index] = context.raw(places[index].0) + places[index].1 }
                if !primitive.execute(worker: context.worker, pointers.baseAddress!) { context.failures.note(primitive.executionError) }
            }
        }
    }

    func emitCopy(from source: BufferID, to target: BufferID, phase: Int) {
        let byteCount = buffers[target.index].byteCount
        emit(
            Kernel(name: "copy", reads: [source], writes: [target], overwrites: nil) { context in
                context.raw(target).copyMemory(from: context.raw(source), byteCount: byteCount)
            }, phase: phase)
    }

    /// Sums over shards in two phases: each pair of neighbouring shards is summed in the sharded phase before `phase`, as soon as both have
    /// their terms; the pairs' sums are summed at the beginning of the shared `phase`. So half as many copies are in memory as there are shards.
    func emitShardSum(_ combination: TreeCombination, of input: Int, to output: Int, phase: Int) {
        let source = buffer(of: input)
        let target = if let (layout, lengths) = valueLayout[input] {
            declare(output, layout: layout, lengths: lengths)
        } else {
            declare(output)
        }
        let byteCount = buffers[source.index].byteCount
        let partial = makeBuffer(byteCount, .pairArena), pairs = PairSums(shardCount: graph.shardCount)
        let own = makeInPlace(input, of: pairs, in: partial, phase: phase - 1), isInPlace = own != nil
        emit(
            Kernel(name: "shard sum", reads: [own ?? source], writes: [partial], overwrites: nil) { context in
                let term = context.raw(source), sum = context.raw(partial), shard = context.shard
                if isInPlace ? term == sum : pairs.comesFirst(shard) {
                    if !isInPlace { sum.copyMemory(from: term, byteCount: byteCount) }
                    pairs.publish(shard)
                } else {
                    pairs.add(term, to: sum, shard: shard, byteCount: byteCount, combination)
                }
            }, phase: phase - 1)
        while phases.count <= phase { phases.append(Phase()) }
        phases[phase].reductions.append(Reduction(input: partial, output: target, byteCount: byteCount, combination: combination, pass: pass))
    }

    /// Lets the kernel that makes a term of a sum write it where the sum will be, if its shard is the first of the pair. Returns the
    /// memory of the other shard's term, or nil when others read the term too and all stays as it was.
    private func makeInPlace(_ value: Int, of pairs: PairSums, in sum: BufferID, phase: Int) -> BufferID? {
        let term = buffer(of: value)
        guard readerCount[value] == 1, !sharedBuffers.contains(term), case .arena = buffers[term.index].home, phase < phases.count else {
            return nil
        }
        let kernels = phases[phase].kernels, touching = kernels.indices.filter { (kernels[$0].reads + kernels[$0].writes).contains(term) }
        guard touching.count == 1, let index = touching.first else { return nil }
        let writer = kernels[index]
        let own = makeBuffer(buffers[term.index].byteCount, buffers[term.index].home)
        buffers[term.index].home = .decidedAtRun
        phases[phase].kernels[index] = Kernel(
            name: writer.name, reads: writer.reads, writes: writer.writes + [own, sum], overwrites: writer.overwrites,
            multiplyAdds: writer.multiplyAdds, byteCount: writer.byteCount, pass: writer.pass
        ) { context in
            context.addresses[term.index] = context.raw(pairs.comesFirst(context.shard) ? sum : own)
            writer.run(context)
        }
        return own
    }
}
