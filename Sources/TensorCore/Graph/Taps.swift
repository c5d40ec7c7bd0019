extension Graph {
    /// The first output of the last op recorded under exactly the module path `path`, or nil.
    ///
    /// Attention maps, feature maps and statistics of activations are looked at through taps, never through special code in a model:
    /// ask a plan for the tapped tensor as one more output.
    public func tap(_ path: String) -> Tensor? {
        nodes.last { $0.path == path && !($0.operation is Leaf) }.map { Tensor(graph: self, id: $0.outputs[0]) }
    }

    /// The module paths of the layers with weights that mix their inputs (linear layers, convolutions), in the order in which they were declared.
    public var weightedLayerPaths: [String] {
        let suffix = ".weight"
        return parameters.filter { $0.role == .weight && $0.shape.rank > 1 && $0.name.hasSuffix(suffix) }.map { String($0.name.dropLast(suffix.count)) }
    }
}
