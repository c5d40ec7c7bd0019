/// Appends the backward pass of `loss`, a shared scalar, to its graph and returns the gradient with respect to each of `tensors`.
///
/// Reverse accumulation over the nodes between them. Where a shared value meets sharded gradients, those are summed within the
/// shard first and then over the shards. Tensors on which the loss does not depend get a gradient of zeros.
///
/// With `recomputesSegments`, the backward pass keeps of the segments of the graph only what is read outside of them: less memory, more time,
/// the same bits.
public func gradients(of loss: Tensor, withRespectTo tensors: [Tensor], recomputesSegments: Bool = false) -> [Tensor] {
    let graph = loss.graph
    guard loss.isValid, tensors.allSatisfy(\.isValid) else { return tensors }
    precondition(loss.shape.elementCount == 1 && loss.placement == .shared, "gradients(of:) needs a shared scalar; take batchMean() first")

    // The values that lie between the tensors and the loss.
    var depends = [Bool](repeating: false, count: graph.values.count)
    for tensor in tensors { depends[tensor.id] = true }
    for node in graph.nodes where node.inputs.contains(where: { depends[$0] }) {
        for output in node.outputs { depends[output] = true }
    }

    var saved = SavedValues(graph, recomputesSegments: recomputesSegments)
    var sharded = [Tensor?](repeating: nil, count: graph.values.count)
    var shared = sharded

    func accumulate(_ gradient: Tensor, for id: Int) {
        // A gradient that is the same for all shards still belongs to each of them, and counts once for each further down.
        let gradient = graph.values[id].placement == .sharded ? gradient.inEachShard() : gradient
        if gradient.placement == .sharded {
            sharded[id] = sharded[id].map { $0 + gradient } ?? gradient
        } else {
            shared[id] = shared[id].map { $0 + gradient } ?? gradient
        }
    }
    func total(_ id: Int) -> Tensor? {
        if graph.values[id].placement == .shared, let sum = sharded[id]?.shardSum() {
            sharded[id] = nil
            accumulate(sum, for: id)
        }
        return switch (sharded[id], shared[id]) {
        case (let a?, let b?): a + b
        case (let a, let b): a ?? b
        }
    }

    let (path, pass) = (graph.currentPath, graph.currentPass)
    graph.currentPass = .backward
    defer { (graph.currentPath, graph.currentPass) = (path, pass) }
    shared[loss.id] = graph.constant(HostTensor(loss.shape, repeating: Float(1)))
    for index in stride(from: loss.value.node, through: 0, by: -1) {
        let node = graph.nodes[index]
        guard node.outputs.contains(where: { depends[$0] }), !node.inputs.isEmpty else { continue }
        graph.currentPath = node.path
        let upstream = node.outputs.map(total)
        guard let after = upstream.lazy.compactMap(\.self).first?.id else { continue }
        let reference = NodeReference(
            inputs: node.inputs.map { saved.value($0, after: after) },
            outputs: node.outputs.map { saved.value($0, after: after) },
            needsGradient: node.inputs.map { depends[$0] })
        for (input, gradient) in zip(node.inputs, node.operation.gradients(reference, upstream)) where depends[input] {
            guard let gradient, gradient.isValid else { continue }
            precondition(
                gradient.type == graph.values[input].type,
                "\(node.operation.name)'s gradient is of the type \(gradient.type), its input \(graph.values[input].type)")
            accumulate(gradient, for: input)
        }
    }
    return tensors.map { tensor in
        if let total = total(tensor.id) { return total }
        return graph.constant(HostTensor(tensor.shape, repeating: Float(0)))
    }
}
