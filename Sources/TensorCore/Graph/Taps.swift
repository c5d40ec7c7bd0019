extension Graph {
    /// The first output of the last op recorded under exactly the module path `path`, or nil.
    ///
    /// Attention maps, feature maps and statistics of activations are looked at through taps, never through special code in a model:
    /// ask a plan for the tapped tensor as one more output.
    public func tap(_ path: String) -> Tensor? {
        nodes.last { $0.path == path && !($0.operation is Leaf) }.map { Tensor(graph: self, id: $0.outputs[0]) }
    }
}
