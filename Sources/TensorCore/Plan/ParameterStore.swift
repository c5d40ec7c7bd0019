import Foundation

/// The parameters and the buffers of a model, each kind in one contiguous run of memory.
///
/// An update of all parameters is one pass over memory: those that are trained lie before the frozen ones. A graph for training and one for evaluation of the same model share a
/// store. Invariant for sharing with the workers: a plan's phases write disjoint ranges, and nobody else touches the store while
/// a plan runs.
public final class ParameterStore: @unchecked Sendable {
    /// One parameter or buffer and its place, in elements.
    public struct Entry: Sendable {
        /// The dotted path.
        public let name: String
        /// In PyTorch's order of axes.
        public let shape: Shape
        /// What it is for.
        public let role: ParameterRole
        /// Where its first element lies among those of its kind.
        public let offset: Int
        /// How many elements it has.
        public let count: Int
        /// Whether it is a parameter that has a gradient; false for frozen ones and for buffers.
        public let isTrained: Bool
    }

    /// The parameters, in the order of declaration.
    public let entries: [Entry]
    /// The untrained buffers, in the order of declaration.
    public let bufferEntries: [Entry]
    /// All parameters; each starts at a multiple of 16 elements, and the gaps are zero.
    public let values: UnsafeMutableBufferPointer<Float>
    /// The gradients of the trained parameters, laid out as `values`, which begins with these.
    public let gradients: UnsafeMutableBufferPointer<Float>
    /// All buffers (running statistics), laid out likewise.
    public let bufferValues: UnsafeMutableBufferPointer<Float>
    private let memory: [PageMemory]

    /// Allocates what `graph` declares and gives it its first values.
    ///
    /// - Throws: what the source throws when its values do not fit.
    public convenience init(_ graph: Graph, from source: any WeightSource) throws {
        self.init(graph)
        try source.fill(self, declaredBy: graph)
    }

    /// Allocates what `graph` declares and initializes each parameter from its own stream of `seed`.
    public convenience init(_ graph: Graph, seed: UInt64) {
        self.init(graph)
        Initializers(seed: seed).fill(self, declaredBy: graph)
    }

    /// Allocates the parameters and buffers of another store in the same places, without gradients; all is zero.
    public convenience init(like other: ParameterStore) {
        let entries = other.entries.map { entry in
            Entry(name: entry.name, shape: entry.shape, role: entry.role, offset: entry.offset, count: entry.count, isTrained: false)
        }
        self.init(entries, other.bufferEntries, counts: [other.values.count, 0, other.bufferValues.count])
    }

    /// Allocates what `graph` declares; all is zero.
    private convenience init(_ graph: Graph) {
        let layouts = [Self.layOut(graph.parameters, areTrained: true), Self.layOut(graph.buffers, areTrained: false)]
        self.init(layouts[0].entries, layouts[1].entries, counts: [layouts[0].count, layouts[0].trainedCount, layouts[1].count])
    }

    /// - Parameter counts: of the elements of parameters, gradients and buffers.
    private init(_ entries: [Entry], _ bufferEntries: [Entry], counts: [Int]) {
        memory = counts.map { PageMemory($0 * MemoryLayout<Float>.size) }
        let arrays = zip(memory, counts).map { memory, count in
            UnsafeMutableBufferPointer(start: memory.start.assumingMemoryBound(to: Float.self), count: count)
        }
        (values, gradients, bufferValues) = (arrays[0], arrays[1], arrays[2])
        (self.entries, self.bufferEntries) = (entries, bufferEntries)
    }

    /// The places of parameters one behind the other, the frozen ones last; the elements that all of them take, and those before the frozen.
    private static func layOut(_ parameters: [Parameter], areTrained: Bool) -> (entries: [Entry], count: Int, trainedCount: Int) {
        func length(_ parameter: Parameter) -> Int { (parameter.shape.elementCount + 15) / 16 * 16 }
        let trainedCount = parameters.filter { !$0.isFrozen }.reduce(0) { $0 + length($1) }
        var trainedEnd = 0, end = trainedCount
        let entries = parameters.map { parameter in
            let offset = parameter.isFrozen ? end : trainedEnd
            if parameter.isFrozen { end += length(parameter) } else { trainedEnd += length(parameter) }
            return Entry(
                name: parameter.name, shape: parameter.shape, role: parameter.role, offset: offset, count: parameter.shape.elementCount,
                isTrained: areTrained && !parameter.isFrozen)
        }
        return (entries, end, trainedCount)
    }

    /// The parameters that have gradients, in the order of declaration and of memory.
    public var trainedEntries: [Entry] { entries.filter(\.isTrained) }

    /// The bytes of parameters, gradients and buffers.
    public var byteCount: Int { (values.count + gradients.count + bufferValues.count) * MemoryLayout<Float>.stride }

    /// The numbers of a parameter, where they lie.
    public func values(of parameter: Entry) -> UnsafeMutableBufferPointer<Float> {
        UnsafeMutableBufferPointer(rebasing: values[parameter.offset..<parameter.offset + parameter.count])
    }

    /// The numbers of a buffer, where they lie.
    public func values(ofBuffer buffer: Entry) -> UnsafeMutableBufferPointer<Float> {
        UnsafeMutableBufferPointer(rebasing: bufferValues[buffer.offset..<buffer.offset + buffer.count])
    }

    // MARK: By name

    func slice(_ name: String) -> (Entry, UnsafeMutableBufferPointer<Float>)? {
        for (entries, values) in [(entries, values), (bufferEntries, bufferValues)] {
            if let entry = entries.first(where: { $0.name == name }) {
                return (entry, UnsafeMutableBufferPointer(rebasing: values[entry.offset..<entry.offset + entry.count]))
            }
        }
        return nil
    }

    /// The parameter or buffer called `name`, or nil.
    public func tensor(named name: String) -> HostTensor? {
        slice(name).map { HostTensor($0.shape, Array($1)) }
    }

    /// Replaces a parameter or buffer; false when there is none of that name and shape, or when the values are not float32.
    @discardableResult
    public func set(_ tensor: HostTensor, named name: String) -> Bool {
        guard let (entry, values) = slice(name), entry.shape == tensor.shape, tensor.dtype == .float32 else { return false }
        _ = values.update(fromContentsOf: tensor.floats)
        return true
    }

    /// The gradient of the trained parameter called `name` after the last step, or nil.
    public func gradient(named name: String) -> HostTensor? {
        trainedEntries.first { $0.name == name }.map { HostTensor($0.shape, Array(gradients[$0.offset..<$0.offset + $0.count])) }
    }
}
