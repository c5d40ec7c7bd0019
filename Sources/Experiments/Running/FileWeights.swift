import Configuration
import RunStore
import TensorCore
import Training

/// The weights of a file, HDF5 or safetensors, as a model's first values. What is excepted keeps its initializers' values.
public struct FileWeights: WeightSource {
    /// The path of the file.
    public let path: String
    /// Which parameters and buffers are left out.
    let origin: WeightOrigin
    /// The values of what is left out.
    let initializers: Initializers
    /// The places of the file's position embeddings, where they are known.
    let grids: [String: TokenGrid]

    init(path: String, origin: WeightOrigin, initializers: Initializers, grids: [String: TokenGrid] = [:]) {
        (self.path, self.origin, self.initializers, self.grids) = (path, origin, initializers, grids)
    }

    /// The weights of a file for all parameters and buffers of a model.
    public init(_ path: String) { self.init(path: path, origin: WeightOrigin(), initializers: Initializers(seed: 0)) }

    /// How the parameters and buffers of a file go with those of a model.
    ///
    /// - Throws: `.data` when the file is damaged or no weights file, `.noInput` when it is not there.
    static func matching(of path: String, with targets: [NamedShape], except: [String]) throws -> WeightMatching {
        let file = try WeightsReader(path)
        return WeightMatching(targets, from: (file.parameters + file.buffers).shapes, except: except, of: "model")
    }

    /// Checks that what is taken from a file are finite numbers.
    ///
    /// - Throws: `.data` with the first tensor that has others.
    static func checkNumbers(of path: String, _ matching: WeightMatching) throws {
        let file = try WeightsReader(path), stored = file.parameters + file.buffers
        for pair in matching.pairs { try file.checkNumbers(of: stored[pair.source]) }
    }

    public func fill(_ store: ParameterStore, declaredBy graph: Graph) throws {
        let file = try WeightsReader(path), stored = file.parameters + file.buffers
        let entries = store.entries.map { ($0, store.values(of: $0)) } + store.bufferEntries.map { ($0, store.values(ofBuffer: $0)) }
        let sources = stored.map { NamedShape(name: $0.name, shape: $0.shape, grid: grids[$0.name]) }
        let matching = WeightMatching((graph.parameters + graph.buffers).shapes, from: sources, except: origin.except, of: "model")
        if let complaint = matching.complaint { throw UserError(.data, "\(path): does not fit the model: \(complaint)") }
        initializers.fill(store, declaredBy: graph)
        for pair in matching.pairs { try file.read(stored[pair.source], for: pair, into: entries[pair.target].1) }
    }
}

extension [WeightsReader.Entry] {
    /// The entries without their places in the file.
    var shapes: [NamedShape] { map { NamedShape(name: $0.name, shape: $0.shape) } }
}
