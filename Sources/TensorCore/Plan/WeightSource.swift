import Configuration

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

/// Zeros, where only the plans of a model are wanted: no page of its memory is touched.
public struct UnsetWeights: WeightSource {
    /// Zeros for everything.
    public init() {}

    public func fill(_ store: ParameterStore, declaredBy graph: Graph) {}
}

/// The values of another store of the same model, such as that of a training.
extension ParameterStore: WeightSource {
    /// Copies every parameter and buffer to the one of the same name.
    ///
    /// - Throws: `UserError(.data)` when one is missing here, or has another shape.
    public func fill(_ store: ParameterStore, declaredBy graph: Graph) throws {
        let targets = store.entries.map { ($0, store.values(of: $0)) } + store.bufferEntries.map { ($0, store.values(ofBuffer: $0)) }
        let sources = targets.map { target, _ in slice(target.name).flatMap { $0.0.shape == target.shape ? $0.1 : nil } }
        let missing = zip(targets, sources).compactMap { target, source in source == nil ? "\(target.0.name) \(target.0.shape)" : nil }
        guard missing.isEmpty else { throw UserError(.data, "the weights have no \(missing.joined(separator: ", no "))") }
        for (target, source) in zip(targets, sources) { _ = target.1.update(from: source!) }
    }
}
