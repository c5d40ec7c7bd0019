/// A run of ops that one module recorded, with what they cost.
public struct LayerSummary: Sendable, Equatable {
    /// The module path; empty for what the model itself records.
    public let path: String
    /// The kinds of ops, each once.
    public let kind: String
    /// The shape that the last op gives, for one shard.
    public let outputShape: Shape
    /// The parameters that the module declares itself.
    public let parameters: Int
    /// The multiply-adds of one shard; of one sample where the batch has one.
    public let multiplyAdds: Int
    /// How many numbers convolutions and linear layers of the run give, for one shard.
    public let activations: Int
    /// The shape of the weights of the first convolution or linear layer; nil where there is none.
    public let weightShape: Shape?
    /// The runs whose results it takes, by their places in the list, ascending; none for what takes inputs of the graph alone.
    public let sources: [Int]
}

extension Graph {
    /// The number of trained values.
    public var parameterCount: Int { parameters.reduce(0) { $0 + $1.shape.elementCount } }

    /// The multiply-adds of everything recorded so far, for one shard.
    public var multiplyAdds: Int { nodes.reduce(0) { $0 + multiplyAdds($1) } }

    /// The multiply-adds of convolutions alone, for one shard.
    public var convolutionMultiplyAdds: Int { nodes.reduce(0) { $0 + ($1.operation is Convolution ? multiplyAdds($1) : 0) } }

    /// The multiply-adds of attention's two products, scores and sums of values, for one shard.
    public var attentionMultiplyAdds: Int { nodes.reduce(0) { $0 + ($1.operation is Attention ? multiplyAdds($1) : 0) } }

    /// What modules recorded, in order, neighbouring ops of one module as one row. Ops on parameters alone are left out;
    /// the parameters of a module that has no others count for the one around it.
    public func layerSummary() -> [LayerSummary] {
        var own: [String: Int] = [:]
        for parameter in parameters {
            let path = parameter.name.lastIndex(of: ".").map { String(parameter.name[..<$0]) } ?? ""
            own[path, default: 0] += parameter.shape.elementCount
        }
        let recorded = nodes.filter { !($0.operation is Leaf) && values[$0.outputs[0]].placement == .sharded }
        var rows: [[Node]] = []
        for node in recorded {
            if let last = rows.last, last[0].path == node.path {
                rows[rows.count - 1].append(node)
            } else {
                rows.append([node])
            }
        }
        let paths = Set(rows.map { $0[0].path })
        for (path, count) in own where !paths.contains(path) {
            var around = path[...]
            while !around.isEmpty, !paths.contains(String(around)) { around = around.lastIndex(of: ".").map { around[..<$0] } ?? "" }
            own[path] = nil
            own[String(around), default: 0] += count
        }
        var places: [Int: Int] = [:]
        for (place, nodes) in rows.enumerated() {
            for node in nodes { for value in node.outputs { places[value] = place } }
        }
        return rows.enumerated().map { place, nodes in
            // A reshape moves nothing, so it is named only where there is nothing else.
            let names = nodes.filter { !($0.operation is Reshape) }.map { kind(of: $0) }
            let kinds = names.reduce(into: [String]()) { if !$0.contains($1) { $0.append($1) } }
            return LayerSummary(
                path: nodes[0].path, kind: kinds.isEmpty ? "reshape" : kinds.joined(separator: ", "), outputShape: values[nodes[nodes.count - 1].outputs[0]].type.shape,
                parameters: own.removeValue(forKey: nodes[0].path) ?? 0, multiplyAdds: nodes.reduce(0) { $0 + multiplyAdds($1) },
                activations: nodes.filter(isWeighted).reduce(0) { $0 + values[$1.outputs[0]].type.shape.elementCount },
                weightShape: nodes.first(where: isWeighted).map { values[$0.inputs[1]].type.shape },
                sources: Set(nodes.flatMap(\.inputs).compactMap { places[$0] }).subtracting([place]).sorted())
        }
    }

    /// The op's name, of a convolution with how it is grouped.
    private func kind(of node: Node) -> String {
        guard let convolution = node.operation as? Convolution, convolution.groups > 1 else { return node.operation.name }
        let weights = values[node.inputs[1]].type.shape
        return weights[1] == 1 ? "depthwise convolution" : "grouped convolution"
    }

    private func isWeighted(_ node: Node) -> Bool {
        node.operation is Convolution || node.operation is TransposedConvolution || node.operation is Linear
    }

    private func multiplyAdds(_ node: Node) -> Int {
        node.operation is Leaf
            ? 0 : node.operation.multiplyAdds(node.inputs.map { values[$0].type }, node.outputs.map { values[$0].type })
    }
}
