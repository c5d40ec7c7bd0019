/// The values of the forward pass as the backward pass reads them: kept, or computed again.
///
/// Keeping costs memory from the forward pass on, computing again costs time; an op says which it prefers (`isRecomputed`). What is
/// computed from values that are themselves computed again makes a chain, and all of a chain is in memory where its end is read: so every
/// fourth value of a chain is kept.
struct SavedValues {
    private let graph: Graph
    /// For each value of the forward pass the length of the chain that ends in it; 0 for those that are kept.
    private let chainLengths: [Int]
    private var copies: [Int: Int] = [:]

    private static let longestChain = 3

    init(_ graph: Graph) {
        self.graph = graph
        var lengths = [Int](repeating: 0, count: graph.values.count)
        for node in graph.nodes where node.operation.isRecomputed {
            let length = 1 + (node.inputs.map { lengths[$0] }.max() ?? 0)
            for output in node.outputs where length <= Self.longestChain { lengths[output] = length }
        }
        chainLengths = lengths
    }

    /// The value `id`, for a gradient rule whose upstream gradient is `after`.
    mutating func value(_ id: Int, after: Int) -> Tensor { Tensor(graph: graph, id: copy(of: id, after: after)) }

    private mutating func copy(of id: Int, after: Int) -> Int {
        guard chainLengths[id] > 0 else { return id }
        if let known = copies[id] { return known }
        let node = graph.nodes[graph.values[id].node]
        let inputs = node.inputs.map { copy(of: $0, after: after) }
        for (output, copy) in zip(node.outputs, graph.record(again: node, inputs: inputs, after: after)) { copies[output] = copy.id }
        return copies[id] ?? id
    }
}
