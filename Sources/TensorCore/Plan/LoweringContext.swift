/// What an op's lowering works with: its node's buffers, and the places to emit kernels to.
public final class LoweringContext {
    let builder: PlanBuilder
    let node: Graph.Node
    let phase: Int
    /// The types of the node's inputs, in order.
    public let inputTypes: [TensorType]
    /// The types of the node's outputs, in order.
    public let outputTypes: [TensorType]
    /// An addition that the node's kernel does too: its terms that the node does not compute, and the sum; nil where there is none.
    let addition: (terms: [BufferID], sum: BufferID)?

    init(builder: PlanBuilder, node: Graph.Node, phase: Int, addition: Graph.Node?) {
        self.builder = builder
        self.node = node
        self.phase = phase
        inputTypes = node.inputs.map { builder.graph.values[$0].type }
        outputTypes = node.outputs.map { builder.graph.values[$0].type }
        self.addition = addition.map { addition in
            let terms = addition.inputs.filter { !node.outputs.contains($0) }.map { builder.rowMajor($0, for: phase) }
            return (terms, builder.declare(addition.outputs[0]))
        }
    }

    var workerCount: Int { builder.workerCount }
    var shardCount: Int { builder.graph.shardCount }

    /// The buffer of an input in row-major layout.
    func input(_ index: Int) -> BufferID { builder.rowMajor(node.inputs[index], for: phase) }

    /// The buffer of an input in `layout`, reordered and converted once where it is not in it; `lengths` are the axes as oneDNN sees
    /// them, and `strides` where they lie in the input, row-major unless given.
    func input(_ index: Int, in layout: PhysicalLayout, lengths: [Int], strides: [Int]? = nil) -> BufferID {
        builder.reordered(node.inputs[index], to: layout, lengths: lengths, strides: strides, for: phase)
    }

    /// The buffer of an input in a form that `makeKernel` writes, made once for all that read it.
    func input(_ index: Int, as form: PlanBuilder.Form, byteCount: Int, by makeKernel: (BufferID) -> Kernel) -> BufferID {
        builder.converted(node.inputs[index], to: form, byteCount: byteCount, for: phase, by: makeKernel)
    }

    /// The buffer of an output, row-major.
    func output(_ index: Int) -> BufferID { builder.declare(node.outputs[index]) }

    /// Whether anything reads an output; one that nothing reads need not be computed.
    func isUsed(output index: Int) -> Bool { builder.isUsed[node.outputs[index]] }

    /// The buffer of an output in a layout of oneDNN's choice.
    func output(_ index: Int, in layout: PhysicalLayout, lengths: [Int]) -> BufferID {
        builder.declare(node.outputs[index], layout: layout, lengths: lengths)
    }

    /// Lets an output be an input under another shape: nothing moves.
    func alias(output: Int, input: Int) { builder.alias(node.outputs[output], to: node.inputs[input], for: phase) }

    /// Memory that the kernels of this node use among themselves.
    func temporary(_ byteCount: Int) -> BufferID { builder.makeBuffer(byteCount, .arena(Placement(ofPhase: phase))) }

    func emit(
        _ name: String? = nil, reads: [BufferID], writes: [BufferID], overwrites: (output: BufferID, input: BufferID)? = nil,
        multiplyAdds: Int = 0, _ run: @escaping (KernelContext) -> Void
    ) {
        builder.emit(
            Kernel(
                name: name ?? node.operation.name, reads: reads, writes: writes, overwrites: overwrites, multiplyAdds: multiplyAdds, run: run),
            phase: phase)
    }

    /// A primitive that a kernel of this node runs among other things.
    func primitive(_ what: String, _ make: () -> OpaquePointer?) throws(OneDNNError) -> Primitive {
        builder.primitiveCount += 1
        return try Primitive(what, make)
    }

    /// Emits a oneDNN primitive with its buffers in the order of COneDNN.h, each read or written from a byte offset on.
    func emit(
        _ primitive: Primitive, name: String? = nil, reads: [BufferID], writes: [BufferID], arguments: [BufferID], offsets: [Int]? = nil
    ) {
        builder.emit(
            builder.kernel(
                primitive, name: name ?? node.operation.name, placement: Placement(ofPhase: phase), reads: reads,
                writes: writes, arguments: arguments, offsets: offsets), phase: phase)
    }

    /// Emits the sum over shards of input 0, or what takes its place, in whatever layout it has.
    func emitShardSum(_ combination: TreeCombination) {
        builder.emitShardSum(combination, of: node.inputs[0], to: node.outputs[0], phase: phase)
    }
}
