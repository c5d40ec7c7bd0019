/// What a graph computes of an input alone, sample by sample, as long as some parameters keep their values: the same at every step.
///
///     image ── fixed ops ──► features ── ops with parameters that are trained ──► loss
///
/// Between the two lie the features: once they are known, nothing before them has to be computed again. Ops with random numbers or that put samples
/// together, such as a batch's statistics, and all that depends on them, are not fixed.
extension Graph {
    /// The features of `input`: all that is fixed, depends on it and is read by what is not fixed.
    ///
    /// - Parameters:
    ///   - roots: what is computed in the end; what no root needs does not count.
    ///   - keeps: whether the parameter of a name keeps its value.
    /// - Returns: each `[B, …]`; nil where there is nothing to save: where no matrix product or convolution is fixed, and where a root itself is.
    public func fixedFeatures(of input: Tensor, for roots: [Tensor], keeping keeps: (_ name: String) -> Bool) -> [Tensor]? {
        guard input.isValid, roots.allSatisfy(\.isValid) else { return nil }
        let updates = bufferUpdates.map(\.value)
        var isUsed = [Bool](repeating: false, count: values.count)
        for root in roots + updates { isUsed[root.id] = true }
        for node in nodes.reversed() where node.outputs.contains(where: { isUsed[$0] }) {
            for value in node.inputs { isUsed[value] = true }
        }

        let sampleCount = input.shape[0]
        func isOfSamples(_ id: Int) -> Bool {
            let shape = values[id].type.shape
            return values[id].placement == .sharded && shape.rank > 0 && shape[0] > 0 && shape[0].isMultiple(of: sampleCount)
        }
        /// What a value is a function of: of nothing that changes, of the input of each sample too, of other things.
        enum Dependence { case nothing, input, other }
        var dependences = [Dependence](repeating: .nothing, count: values.count), work = 0
        for node in nodes {
            let dependence: Dependence
            if let leaf = node.operation as? Leaf {
                dependence = switch leaf.kind {
                case .input: node.outputs[0] == input.id ? .input : .other
                case .parameter(let index): keeps(parameters[index].name) ? .nothing : .other
                case .buffer(let index): bufferUpdates.contains { $0.buffer == index } ? .other : .nothing
                case .constant: .nothing
                }
            } else if node.operation.joinsShards || (node.operation.isPerShard && !(node.operation is EachShard)) {
                dependence = .other
            } else {
                let found = node.inputs.map { dependences[$0] }
                dependence = found.contains(.other) ? .other : !found.contains(.input) ? .nothing : node.outputs.allSatisfy(isOfSamples) ? .input : .other
            }
            for output in node.outputs { dependences[output] = dependence }
            if dependence == .input, node.outputs.contains(where: { isUsed[$0] }) {
                work += node.operation.multiplyAdds(node.inputs.map { values[$0].type }, node.outputs.map { values[$0].type })
            }
        }
        guard work > 0, !(roots + updates).contains(where: { dependences[$0.id] == .input }) else { return nil }

        var features: [Int] = []
        for node in nodes where dependences[node.outputs[0]] == .other && node.outputs.contains(where: { isUsed[$0] }) {
            for value in node.inputs where dependences[value] == .input && !features.contains(value) { features.append(value) }
        }
        guard !features.isEmpty, !features.contains(input.id), Set(features.map { values[$0].node }).count == features.count else { return nil }
        return features.map { Tensor(graph: self, id: $0) }
    }

    /// Takes features as inputs from here on: the first in the place of `input`, the others behind the inputs that there are. Nothing before them is
    /// computed any more. To be called before the backward pass is recorded.
    public func feed(_ features: [Tensor], inPlaceOf input: Tensor) {
        for (index, feature) in features.enumerated() {
            let node = nodes[feature.value.node], place: Int
            if index == 0 {
                guard let known = inputs.firstIndex(where: { $0.tensor.id == input.id }) else { preconditionFailure("features stand for an input") }
                place = known
                inputs[place].tensor = feature
            } else {
                place = inputs.count
                inputs.append((name: "features.\(index)", tensor: feature))
            }
            nodes[feature.value.node] = Node(
                operation: Leaf(kind: .input(place)), inputs: [], outputs: [feature.id], path: node.path, pass: node.pass)
        }
    }
}
