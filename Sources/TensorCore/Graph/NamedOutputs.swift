import Configuration

/// What a network gives, each by its name, in the order in which it was recorded: `features.stage1`, `features.pooled`, `logits`, `aux1`.
///
/// An output that nothing reads costs nothing: a plan leaves out what no loss, measure or output of its own needs.
public struct NamedOutputs {
    /// One output.
    public struct Entry {
        /// Parts of the name are parted by dots, from the whole to the part.
        public let name: String
        /// What the network gives under this name.
        public let tensor: Tensor
        /// The weight of the loss of an auxiliary head, which is trained beside the main one for the same targets and left out when the network is
        /// used; nil for all else.
        public let auxiliaryWeight: Double?
    }

    /// A term that a network adds to the loss of its training, such as the divergence of a variational autoencoder's codes.
    public struct Penalty {
        /// As a measure.
        public let name: String
        /// For the run file.
        public let unit: String
        /// By which it counts in the sum of the losses.
        public let weight: Double
        /// Of each sample, float32 `[B]`.
        public let values: Tensor
        /// Whether an evaluation's loss has it too: it is part of what the network is judged by, and does not only steer its training.
        public let isEvaluated: Bool
    }

    /// Every output, in order.
    public private(set) var entries: [Entry] = []
    /// What the network adds to the loss, in order.
    public private(set) var penalties: [Penalty] = []

    /// No outputs yet.
    public init() {}

    /// Adds an output, whose name must be new.
    ///
    /// - Parameter auxiliaryWeight: for an auxiliary head, the weight of its loss beside the main one's, as its paper has it.
    public mutating func add(_ name: String, _ tensor: Tensor, auxiliaryWeight: Double? = nil) {
        precondition(self[name] == nil, "two outputs are called \(name)")
        entries.append(Entry(name: name, tensor: tensor, auxiliaryWeight: auxiliaryWeight))
    }

    /// Adds a term of the loss, of a new name.
    public mutating func addPenalty(_ name: String, unit: String, weight: Double, _ values: Tensor, isEvaluated: Bool = false) {
        precondition(!penalties.contains { $0.name == name }, "two penalties are called \(name)")
        penalties.append(Penalty(name: name, unit: unit, weight: weight, values: values, isEvaluated: isEvaluated))
    }

    /// The names, in order.
    public var names: [String] { entries.map(\.name) }

    /// The last output, which of a network's stages is the deepest; there must be one.
    public var last: Tensor {
        guard let last = entries.last else { preconditionFailure("a network without outputs has no last one") }
        return last.tensor
    }

    /// The auxiliary heads, in order.
    public var auxiliaries: [Entry] { entries.filter { $0.auxiliaryWeight != nil } }

    /// The output called `name`, or nil.
    public subscript(name: String) -> Tensor? { entries.first { $0.name == name }?.tensor }

    /// The output called `name`. Where there is none, the recording fails at `scope` with a sentence that lists what there is.
    public func required(_ name: String, in scope: Scope) -> Tensor {
        self[name] ?? scope.fail("the network has no output '\(name)'\(suggestion(for: name, among: names))")
    }

    /// The same outputs as parts of a whole: `stage1` becomes `features.stage1`.
    public func named(under whole: String) -> NamedOutputs {
        var copy = NamedOutputs()
        for entry in entries { copy.add("\(whole).\(entry.name)", entry.tensor, auxiliaryWeight: entry.auxiliaryWeight) }
        copy.penalties = penalties
        return copy
    }
}
