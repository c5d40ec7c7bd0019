/// What a parameter is for; weight decay spares all but weights.
public enum ParameterRole: String, Sendable, Hashable, Codable {
    case weight, bias, normalization, token, positionEmbedding
}

/// Fills a new parameter. Draws come from the parameter's own stream, so initial values depend on the seed and the name alone.
public protocol Initializer: Sendable {
    /// Writes every element of a parameter of this shape, drawing from `stream` alone.
    func fill(_ values: UnsafeMutableBufferPointer<Float>, shape: Shape, stream: PhiloxStream)
}

/// Every element the same.
public struct ConstantInitializer: Initializer {
    /// What every element is.
    public let value: Float
    /// Fills with `value`.
    public init(_ value: Float) { self.value = value }
    public func fill(_ values: UnsafeMutableBufferPointer<Float>, shape: Shape, stream: PhiloxStream) {
        values.update(repeating: value)
    }
}

/// A declared parameter or buffer. Its dotted name is its key in weight files.
public struct Parameter: Sendable {
    /// The dotted path, such as `blocks.3.attn.qkv.weight`.
    public let name: String
    /// In PyTorch's order of axes.
    public let shape: Shape
    /// What it is for.
    public let role: ParameterRole
    /// What fills it at the start.
    public let initializer: any Initializer
    /// Whether it keeps its value: a frozen parameter has no gradient.
    public internal(set) var isFrozen = false
    /// The places of position embeddings; nil for all else.
    public internal(set) var grid: TokenGrid?
}

/// A place in the tree of modules: `scope["blocks"][3]["attn"]` declares parameters called `blocks.3.attn.…`.
public struct Scope {
    /// Where parameters are declared and ops recorded.
    public let graph: Graph
    /// The dotted path; empty for the root.
    public let path: String

    /// The part called `name` of this one.
    public subscript(name: String) -> Scope { Scope(graph: graph, path: path.isEmpty ? name : "\(path).\(name)") }
    /// Part number `index` of a list of equal parts.
    public subscript(index: Int) -> Scope { self[String(index)] }

    /// Declares a trained parameter, in PyTorch's layout.
    ///
    /// - Parameter grid: the places of position embeddings, which may be resampled when they are loaded.
    public func parameter(
        _ name: String, _ shape: Shape, _ initializer: some Initializer, role: ParameterRole = .weight, grid: TokenGrid? = nil
    ) -> Tensor {
        graph.declareParameter(Parameter(name: self[name].path, shape: shape, role: role, initializer: initializer, grid: grid))
    }

    /// Declares state that is saved but not trained.
    public func buffer(_ name: String, _ shape: Shape, initialValue: Float) -> Tensor { buffer(name, shape, ConstantInitializer(initialValue)) }

    /// Declares state that is saved but not trained, with values of its own, such as a fixed kernel.
    public func buffer(_ name: String, _ shape: Shape, _ initializer: some Initializer) -> Tensor {
        graph.declareBuffer(Parameter(name: self[name].path, shape: shape, role: .normalization, initializer: initializer))
    }

    /// Records ops under this scope's path, which errors, listings and taps name.
    public func record<Result>(_ body: () -> Result) -> Result {
        let outer = graph.currentPath
        graph.currentPath = path
        defer { graph.currentPath = outer }
        return body()
    }

    /// Keeps the first error of the recording: a configuration that no tensor can have.
    @discardableResult
    public func fail(_ message: String) -> Tensor { graph.fail(message, at: path) }

    /// The random stream of the module's first call.
    public var stream: PhiloxStream { PhiloxStream(seed: graph.seed, name: path) }

    /// The random stream of the module's next call; each call of a module has one of its own.
    public func nextStream() -> PhiloxStream { graph.nextStream(at: path) }
}
