/// A recorded computation: what a model does to one shard of a batch.
///
/// Recording never throws: the first error is kept with the op, the shapes and the module path, later ops on failed tensors do
/// nothing, and `validate()` or `Plan` throws it. A graph is confined to one thread.
public final class Graph {
    /// Whether layers behave as in training (dropout on, batch statistics) or as in evaluation (running statistics).
    public enum Mode: Sendable { case training, evaluation }

    struct Value {
        let type: TensorType
        let placement: Placement
        let node: Int
        let index: Int
    }

    struct Node {
        let operation: any Operation
        let inputs: [Int]
        let outputs: [Int]
        let path: String
        /// Whether `gradients(of:withRespectTo:)` recorded the node.
        let pass: Pass
        /// A value of the backward pass before which the node does not run, where it computes a value of the forward pass again.
        var after: Int?
        /// The part of the model that the backward pass may compute again as a whole.
        var segment: Int?
    }

    /// Fixed for the whole graph: a model is recorded once for training and once for evaluation.
    public let mode: Mode
    /// The number of shards into which a batch is cut. The graph describes one of them.
    public let shardCount: Int
    /// The seed of every random stream that the graph draws from.
    public let seed: UInt64
    /// What matrix products and convolutions take and give.
    public let precision: Precision

    var nodes: [Node] = []
    var values: [Value] = []
    /// Parameters in the order of declaration.
    public private(set) var parameters: [Parameter] = []
    /// Buffers (state that is not trained, such as running statistics) in the order of declaration.
    public private(set) var buffers: [Parameter] = []
    /// The names of both.
    private var declaredNames: Set<String> = []
    /// The parameters' tensors, in the order of `parameters`.
    public private(set) var parameterTensors: [Tensor] = []
    /// The tensors of the parameters that are not frozen, in the same order: a training needs their gradients.
    public var trainedParameterTensors: [Tensor] { zip(parameters, parameterTensors).filter { !$0.0.isFrozen }.map(\.1) }
    /// Whether a run leaves in the running statistics those of its own batch, whatever they were before and whatever momentum a layer has.
    public let keepsBatchStatistics: Bool
    /// Which parameters keep their values, by their names.
    private let freezes: (_ name: String) -> Bool
    /// The newest value of each buffer that gets one, written back at the end of a step.
    private(set) var bufferUpdates: [(buffer: Int, value: Tensor)] = []
    /// How often each buffer was updated so far.
    private var updateCounts: [Int: Int] = [:]
    /// How often the random stream of a path was asked for.
    private var streamCounts: [String: Int] = [:]
    var inputs: [(name: String, tensor: Tensor)] = []
    /// The module path that new nodes get.
    var currentPath = ""
    /// The segment that new nodes belong to, and how many there are.
    private var currentSegment: Int?
    private var segmentCount = 0
    /// The pass that new nodes belong to.
    var currentPass = Pass.forward
    /// The first thing that did not fit, or nil; `validate()` throws it.
    public private(set) var failure: RecordingError?

    /// An empty graph. `shardCount` must be at least 1.
    ///
    /// - Parameters:
    ///   - keepsBatchStatistics: whether a run leaves in the running statistics those of its own batch.
    ///   - freezing: whether the parameter of a name is frozen: it has no gradient, and a batch norm whose parameters are all frozen
    ///     normalizes with its running statistics as they are, in training too.
    public init(
        mode: Mode = .evaluation, shardCount: Int = 1, seed: UInt64 = 0, precision: Precision = .fp32, keepsBatchStatistics: Bool = false,
        freezing: @escaping (_ name: String) -> Bool = { _ in false }
    ) {
        precondition(shardCount > 0, "a batch needs at least one shard")
        self.mode = mode
        self.shardCount = shardCount
        self.seed = seed
        self.precision = precision
        self.keepsBatchStatistics = keepsBatchStatistics
        freezes = freezing
    }

    /// The scope of the whole model, under which modules declare their parameters.
    public var root: Scope { Scope(graph: self, path: "") }

    // MARK: Leaves

    /// Data that is fed at every step; `shape` is one shard's.
    public func input(_ name: String, _ shape: Shape, _ dtype: DType = .float32) -> Tensor {
        precondition(!inputs.contains { $0.name == name }, "two inputs are called \(name)")
        let tensor = leaf(.input(inputs.count), TensorType(shape, dtype), .sharded)
        inputs.append((name, tensor))
        return tensor
    }

    /// A value fixed at recording, the same for all shards.
    public func constant(_ tensor: HostTensor) -> Tensor {
        leaf(.constant(tensor), TensorType(tensor.shape, tensor.dtype), .shared)
    }

    /// A number fixed at recording, of the shape `[]`.
    public func constant(_ value: Float) -> Tensor { constant(HostTensor([], [value])) }

    func declareParameter(_ parameter: Parameter) -> Tensor {
        guard declaredNames.insert(parameter.name).inserted else {
            return fail("the parameter \(parameter.name) is declared twice", at: parameter.name)
        }
        let tensor = leaf(.parameter(parameters.count), TensorType(parameter.shape), .shared, at: parameter.name)
        var parameter = parameter
        parameter.isFrozen = freezes(parameter.name)
        parameters.append(parameter)
        parameterTensors.append(tensor)
        return tensor
    }

    /// Whether `tensor` is a parameter that keeps its value.
    func isFrozen(_ tensor: Tensor) -> Bool {
        guard tensor.isValid, let leaf = nodes[tensor.value.node].operation as? Leaf, case .parameter(let index) = leaf.kind else { return false }
        return parameters[index].isFrozen
    }

    func declareBuffer(_ buffer: Parameter) -> Tensor {
        guard declaredNames.insert(buffer.name).inserted else {
            return fail("the buffer \(buffer.name) is declared twice", at: buffer.name)
        }
        buffers.append(buffer)
        return leaf(.buffer(buffers.count - 1), TensorType(buffer.shape), .shared)
    }

    /// Writes `value`, which must be shared, into `buffer` at the end of every step. A later update of the same buffer takes its place: whoever
    /// updates step by step starts from `newestValue(of:)`.
    public func update(_ buffer: Tensor, to value: Tensor) {
        guard buffer.isValid, value.isValid else { return }
        precondition(value.placement == .shared && value.type == buffer.type, "a buffer is updated to a shared value of its own shape")
        let index = bufferIndex(buffer)
        updateCounts[index, default: 0] += 1
        if let place = bufferUpdates.firstIndex(where: { $0.buffer == index }) {
            bufferUpdates[place].value = value
        } else {
            bufferUpdates.append((index, value))
        }
    }

    /// What `buffer` will hold after everything recorded so far: the value of its last update, or itself.
    public func newestValue(of buffer: Tensor) -> Tensor {
        guard buffer.isValid else { return buffer }
        let index = bufferIndex(buffer)
        return bufferUpdates.first { $0.buffer == index }?.value ?? buffer
    }

    /// How far a running statistic moves to the batch's: by a layer's momentum; or where the batch's own are kept all the way, and of a layer that is
    /// called k times by 1/k in the k-th call, which leaves the mean of its calls.
    func momentum(of buffer: Tensor, usually momentum: Float) -> Float {
        guard keepsBatchStatistics, buffer.isValid else { return momentum }
        return 1 / Float(1 + updateCounts[bufferIndex(buffer), default: 0])
    }

    private func bufferIndex(_ tensor: Tensor) -> Int {
        guard let leaf = nodes[tensor.value.node].operation as? Leaf, case .buffer(let index) = leaf.kind else {
            preconditionFailure("a tensor that is not a buffer is treated as one")
        }
        return index
    }

    /// The random stream for one more call of the module at `path`, so that a module that is called twice does not draw the same twice.
    func nextStream(at path: String) -> PhiloxStream {
        let count = streamCounts[path, default: 0]
        streamCounts[path] = count + 1
        return PhiloxStream(seed: seed, name: count == 0 ? path : "\(path)#\(count)")
    }

    private func leaf(_ kind: Leaf.Kind, _ type: TensorType, _ placement: Placement, at path: String? = nil) -> Tensor {
        append(Leaf(kind: kind), inputs: [], types: [type], placement: placement, at: path)[0]
    }

    // MARK: Recording

    /// Records one op and returns its outputs.
    public func record(_ operation: some Operation, _ inputs: [Tensor]) -> [Tensor] {
        guard failure == nil, inputs.allSatisfy(\.isValid) else { return failedOutputs(of: operation) }
        precondition(inputs.allSatisfy { $0.graph === self }, "an op mixes tensors of two graphs")
        do {
            let types = try operation.outputTypes(inputs.map(\.type))
            precondition(types.count == operation.outputCount, "\(operation.name) has \(types.count) outputs and announces \(operation.outputCount)")
            let sharded = operation.isPerShard || inputs.contains { $0.placement == .sharded }
            let placement: Placement = sharded && !operation.joinsShards ? .sharded : .shared
            return append(operation, inputs: inputs.map(\.id), types: types, placement: placement)
        } catch {
            fail("\(operation.name) \(error.message)", at: currentPath)
            return failedOutputs(of: operation)
        }
    }

    func record(one operation: some Operation, _ inputs: Tensor...) -> Tensor { record(operation, inputs)[0] }

    /// Records `node` again with other inputs, to run where its values are read and not before `after` exists.
    func record(again node: Node, inputs: [Int], after: Int) -> [Tensor] {
        let copies = append(
            node.operation, inputs: inputs, types: node.outputs.map { values[$0].type }, placement: values[node.outputs[0]].placement)
        nodes[nodes.count - 1].after = after
        return copies
    }

    private func append(_ operation: any Operation, inputs: [Int], types: [TensorType], placement: Placement, at path: String? = nil) -> [Tensor] {
        if let large = types.first(where: \.shape.isTooLarge) {
            fail("\(operation.name) of \(large.shape): more than \(Shape.largestElementCount) elements", at: path ?? currentPath)
            return failedOutputs(of: operation)
        }
        let node = nodes.count
        let outputs = types.enumerated().map { index, type in
            values.append(Value(type: type, placement: placement, node: node, index: index))
            return values.count - 1
        }
        nodes.append(Node(operation: operation, inputs: inputs, outputs: outputs, path: currentPath, pass: currentPass, segment: currentSegment))
        return outputs.map { Tensor(graph: self, id: $0) }
    }

    /// Records what `body` records as one segment: where the backward pass is asked to save memory, it keeps nothing of a segment but
    /// what others read, and computes the rest again.
    public func recordSegment<Result>(_ body: () -> Result) -> Result {
        let outer = currentSegment
        currentSegment = segmentCount
        segmentCount += 1
        defer { currentSegment = outer }
        return body()
    }

    // MARK: Errors

    private var invalidTensor: Tensor { Tensor(graph: self, id: -1) }

    private func failedOutputs(of operation: any Operation) -> [Tensor] { Array(repeating: invalidTensor, count: operation.outputCount) }

    /// Keeps the first error and returns a tensor on which further ops do nothing.
    @discardableResult
    func fail(_ message: String, at path: String) -> Tensor {
        if failure == nil { failure = RecordingError(path: path, message: message) }
        return invalidTensor
    }

    /// Throws the first error of the recording, if there was one.
    public func validate() throws(RecordingError) {
        if let failure { throw failure }
    }
}

/// The first op of a recording that did not fit: `blocks.3.attn.qkv: matmul [64, 50, 192] × [256, 576]: 192 ≠ 256`.
public struct RecordingError: Error, Equatable, Sendable, CustomStringConvertible {
    /// Where in the tree of modules it happened; empty for the root.
    public let path: String
    /// The op and the shapes, without the path.
    public let message: String
    /// Whether nothing is wrong with what was recorded, but this process may not have the memory for it.
    public let isShortOfMemory: Bool

    init(path: String, message: String, isShortOfMemory: Bool = false) {
        self.path = path
        self.message = message
        self.isShortOfMemory = isShortOfMemory
    }

    /// Path and message in one line.
    public var description: String { path.isEmpty ? message : "\(path): \(message)" }
}

/// A value that no op computes.
struct Leaf: Operation {
    enum Kind: Sendable, Equatable {
        case input(Int), parameter(Int), buffer(Int)
        case constant(HostTensor)
    }

    let kind: Kind

    var name: String {
        switch kind {
        case .input: "input"
        case .parameter: "parameter"
        case .buffer: "buffer"
        case .constant: "constant"
        }
    }

    func outputTypes(_ inputs: [TensorType]) throws(ShapeError) -> [TensorType] {
        preconditionFailure("leaves are recorded by the graph itself")
    }

    func lower(_ context: LoweringContext) throws {}
}
