extension NamedOutputs {
    /// Whether the outputs of two recordings have the same names and are computed by the same ops, from inputs, parameters and buffers of the same names
    /// and shapes. Initializers, what parameters are for, and the module paths of ops do not count.
    ///
    /// Only what is recorded in the same order is found to be the same.
    public func areComputed(as others: NamedOutputs) -> Bool {
        guard names == others.names, zip(entries, others.entries).allSatisfy({ $0.tensor.id == $1.tensor.id }) else { return false }
        guard let graph = entries.first?.tensor.graph, let other = others.entries.first?.tensor.graph else { return true }
        return graph.failure == nil && other.failure == nil && graph.computesTheSame(as: other)
    }
}

extension Graph {
    fileprivate func computesTheSame(as other: Graph) -> Bool {
        func isSame(_ a: Parameter, _ b: Parameter) -> Bool { a.name == b.name && a.shape == b.shape }
        func isSame(_ a: Node, _ b: Node) -> Bool {
            a.inputs == b.inputs && a.outputs.map { values[$0].type } == b.outputs.map { other.values[$0].type } && isEqual(a.operation, b.operation)
        }
        return inputs.map(\.name) == other.inputs.map(\.name) && parameters.elementsEqual(other.parameters, by: isSame)
            && buffers.elementsEqual(other.buffers, by: isSame) && nodes.elementsEqual(other.nodes, by: isSame)
    }
}

/// Whether two ops are of one kind and equal.
private func isEqual<Op: Operation>(_ a: Op, _ b: any Operation) -> Bool { b as? Op == a }
