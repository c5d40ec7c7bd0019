extension Graph {
    /// A value that was recorded under the module path `path`, or nil: the first output of the last op under exactly that path, or another
    /// output by its name behind the path of its op.
    ///
    ///     graph.tap("blocks.0.attn")                  // what the attention of the first block gives
    ///     graph.tap("blocks.0.attn.probabilities")    // and the probabilities behind it, [B, H, N, M]
    ///
    /// Attention maps, feature maps and statistics of activations are looked at through taps, never through special code in a model:
    /// ask a plan for the tapped tensor as one more output. What a backward pass records, under the same paths, is not found.
    public func tap(_ path: String) -> Tensor? {
        let forward = nodes.lazy.filter { $0.pass == .forward }
        if let node = forward.last(where: { $0.path == path && !($0.operation is Leaf) }) { return Tensor(graph: self, id: node.outputs[0]) }
        // `module.output`
        guard let dot = path.lastIndex(of: ".") else { return nil }
        let module = path[..<dot], name = String(path[path.index(after: dot)...])
        for node in forward.reversed() where node.path == module {
            if let index = node.operation.furtherOutputNames.firstIndex(of: name) { return Tensor(graph: self, id: node.outputs[index + 1]) }
        }
        return nil
    }

    /// The module paths under which `tap` finds a value, each once, in the order in which they were recorded.
    public var tapPaths: [String] { paths { !($0.operation is Leaf) } }

    /// The module paths of the ops that give a further output of a name: with `probabilities` those of every attention.
    public func paths(withOutput name: String) -> [String] { paths { $0.operation.furtherOutputNames.contains(name) } }

    private func paths(_ isWanted: (Node) -> Bool) -> [String] {
        var known: Set<String> = [""]
        return nodes.filter { $0.pass == .forward && isWanted($0) }.map(\.path).filter { known.insert($0).inserted }
    }

    /// What a module gives that computes nothing, such as position embeddings: the parameter of that name, or the last value under exactly that path,
    /// be it a constant; nil where there is neither.
    public func fixedValue(_ path: String) -> Tensor? {
        if let index = parameters.firstIndex(where: { $0.name == path }) { return parameterTensors[index] }
        return nodes.last { $0.pass == .forward && $0.path == path && !$0.outputs.isEmpty }.map { Tensor(graph: self, id: $0.outputs[0]) }
    }

    /// The module paths of the layers with weights that mix their inputs (linear layers, convolutions), in the order in which they were declared.
    public var weightedLayerPaths: [String] {
        let suffix = ".weight"
        return parameters.filter { $0.role == .weight && $0.shape.rank > 1 && $0.name.hasSuffix(suffix) }.map { String($0.name.dropLast(suffix.count)) }
    }
}
