/// Compiles and runs a one-off plan for `tensors`: for tests and debugging, so that there is no second, eager implementation.
///
/// `batch` gives every input of the graph its whole batch.
public func evaluate(
    _ tensors: [Tensor], feeding batch: [(Tensor, HostTensor)] = [], store: ParameterStore? = nil, threads: Int = 1, step: UInt64 = 0
) throws -> [HostTensor] {
    guard let graph = tensors.first?.graph else { return [] }
    let plan = try Plan(graph, outputs: tensors, store: store, pool: WorkerPool(threads: threads))
    let ordered = graph.inputs.map { input in
        guard let fed = batch.first(where: { $0.0.id == input.tensor.id })?.1 else {
            preconditionFailure("the input \(input.name) is not fed")
        }
        precondition(
            fed.shape.elementCount == input.tensor.shape.elementCount * graph.shardCount && fed.dtype == input.tensor.dtype,
            "the input \(input.name) is fed \(fed.shape)")
        return fed.bytes
    }
    func run(_ remaining: ArraySlice<[UInt8]>, _ pointers: [UnsafeRawPointer]) throws {
        guard let first = remaining.first else { return try plan.run(feeding: pointers, step: step) }
        try first.withUnsafeBytes { bytes in
            try run(remaining.dropFirst(), pointers + [bytes.baseAddress ?? UnsafeRawPointer(bitPattern: 64)!])
        }
    }
    try run(ordered[...], [])
    return tensors.indices.map(plan.output)
}
