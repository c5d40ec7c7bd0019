/// The values of the forward pass as the backward pass reads them: kept, or computed again.
///
/// Keeping costs memory from the forward pass on, computing again costs time; an op says which it prefers (`isRecomputed`). What is
/// computed from values that are themselves computed again makes a chain, and all of a chain is in memory where its end is read: so every
/// fourth value of a chain is kept.
///
/// A segment that is recomputed keeps nothing but what others read. Random masks have no state, so they come out the same.
struct SavedValues {
    private let graph: Graph
    /// Whether each value of the forward pass is computed again.
    private let isRecomputed: [Bool]
    private var copies: [Int: Int] = [:]

    private static let longestChain = 3

    init(_ graph: Graph, recomputesSegments: Bool) {
        self.graph = graph
        var isRecomputed = [Bool](repeating: false, count: graph.values.count)
        if recomputesSegments {
            for node in graph.nodes where node.segment != nil && graph.values[node.outputs[0]].placement == .sharded {
                for output in node.outputs { isRecomputed[output] = true }
            }
            for node in graph.nodes {
                for input in node.inputs where graph.nodes[graph.values[input].node].segment != node.segment { isRecomputed[input] = false }
            }
        }
        var chainLengths = [Int](repeating: 0, count: graph.values.count)
        for node in graph.nodes where node.operation.isRecomputed && !isRecomputed[node.outputs[0]] {
            let length = 1 + (node.inputs.map { chainLengths[$0] }.max() ?? 0)
            guard length <= Self.longestChain else { continue }
            for output in node.outputs { (chainLengths[output], isRecomputed[output]) = (length, true) }
        }
        self.isRecomputed = isRecomputed
    }

    /// The value `id`, for a gradient rule whose upstream gradient is `after`.
    mutating func value(_ id: Int, after: Int) -> Tensor { Tensor(graph: graph, id: copy(of: id, after: after)) }

    private mutating func copy(of id: Int, after: Int) -> Int {
        guard isRecomputed[id] else { return id }
        if let known = copies[id] { return known }
        let node = graph.nodes[graph.values[id].node]
        let inputs = node.inputs.map { copy(of: $0, after: after) }
        for (output, copy) in zip(node.outputs, graph.record(again: node, inputs: inputs, after: after)) { copies[output] = copy.id }
        return copies[id] ?? id
    }
}
