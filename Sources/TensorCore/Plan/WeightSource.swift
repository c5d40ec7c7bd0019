/// Where the first values of a model's parameters and buffers come from: initializers, a file of weights, another training.
public protocol WeightSource: Sendable {
    /// Gives every parameter and buffer of a store its value.
    ///
    /// - Parameter graph: which declares them.
    /// - Throws: everything that does not fit in one error, before anything is changed.
    func fill(_ store: ParameterStore, declaredBy graph: Graph) throws
}

/// The initializers that modules declare with their parameters; each parameter draws from its own stream of a seed.
public struct Initializers: WeightSource {
    /// Other seeds draw other values.
    public let seed: UInt64

    /// The initializers with a seed.
    public init(seed: UInt64) { self.seed = seed }

    public func fill(_ store: ParameterStore, declaredBy graph: Graph) {
        func fill(_ parameter: Parameter, _ entry: ParameterStore.Entry, _ values: UnsafeMutableBufferPointer<Float>) {
            parameter.initializer.fill(values, shape: entry.shape, stream: PhiloxStream(seed: seed, name: "initialization/\(entry.name)"))
        }
        for (parameter, entry) in zip(graph.parameters, store.entries) { fill(parameter, entry, store.values(of: entry)) }
        for (buffer, entry) in zip(graph.buffers, store.bufferEntries) { fill(buffer, entry, store.values(ofBuffer: entry)) }
    }
}
