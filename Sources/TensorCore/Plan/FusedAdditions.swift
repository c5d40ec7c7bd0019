import CKernels

/// Two nodes that one kernel computes: an addition and the layer normalization of the sum, or the gradient of a layer normalization and
/// the addition that alone reads it. So a transformer's residual stream goes through memory once on its way there, and once on its way back.
struct FusedAddition {
    /// Places among the graph's nodes.
    let normalization: Int, addition: Int
}

extension Graph {
    /// The pairs of nodes to fuse, by each of the two. `roots` are the values that leave the plan.
    ///
    /// A pair is lowered where the earlier of the two would be: all that the later one reads besides has to be there by then.
    func fusedAdditions(isUsed: [Bool], roots: [Int]) -> [Int: FusedAddition] {
        var readers = [[Int]](repeating: [], count: values.count)
        for (index, node) in nodes.enumerated() where node.outputs.contains(where: { isUsed[$0] }) {
            for input in node.inputs { readers[input].append(index) }
        }
        let roots = Set(roots)

        func isAddition(_ node: Node) -> Bool {
            (node.operation as? Binary)?.function == KERNEL_ADD && values[node.inputs[0]].type == values[node.inputs[1]].type
        }
        func isReady(_ later: Node, at index: Int) -> Bool {
            later.after == nodes[index].after && values[later.outputs[0]].placement == values[nodes[index].outputs[0]].placement
                && later.inputs.allSatisfy { values[$0].node <= index || nodes[values[$0].node].operation is Leaf }
        }

        var pairs: [Int: FusedAddition] = [:]
        for (index, node) in nodes.enumerated() where !(node.operation is Leaf) && pairs[index] == nil {
            let value = node.outputs[0]
            var pair: FusedAddition?
            if isAddition(node) {
                // The sum may take the place of what is added, which therefore must not be the norm's scale or offset.
                pair = readers[value].first {
                    nodes[$0].operation is LayerNormalization && nodes[$0].inputs[0] == value && isReady(nodes[$0], at: index)
                        && Set(node.inputs).isDisjoint(with: nodes[$0].inputs.dropFirst())
                }.map { FusedAddition(normalization: $0, addition: index) }
            } else if node.operation is LayerNormalizationGradient, readers[value].count == 1, !roots.contains(value) {
                let reader = readers[value][0]
                let addendIsOfThisNode = !Set(nodes[reader].inputs).isDisjoint(with: node.outputs.dropFirst())
                if isAddition(nodes[reader]), isReady(nodes[reader], at: index), !addendIsOfThisNode {
                    pair = FusedAddition(normalization: index, addition: reader)
                }
            }
            guard let pair else { continue }
            pairs[pair.normalization] = pair
            pairs[pair.addition] = pair
        }
        return pairs
    }
}
