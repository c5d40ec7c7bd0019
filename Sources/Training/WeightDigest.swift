import Checksums
import TensorCore

/// Checksums of all weights at one moment, by which two trainings are compared tensor by tensor.
public struct WeightDigest: Sendable, Equatable {
    /// Finished steps; 0 stands for the initial weights.
    public let step: Int
    /// One for each of `TrainingLoop.tensorNames`.
    public let checksums: [UInt64]
}

/// Takes the checksums of a store's parameters and buffers, in one pass over memory that is cut among workers.
final class WeightDigester {
    private let store: ParameterStore
    private let pool: WorkerPool
    /// For each tensor its range of blocks.
    private let tensors: [Range<Int>]
    /// The checksums of the blocks. A block is one worker's alone, and so is its place here.
    private let checksums: UnsafeMutableBufferPointer<UInt64>
    private let takeBlock: (_ worker: Int, _ block: Int) -> Void

    init(_ store: ParameterStore, pool: WorkerPool) {
        self.store = store
        self.pool = pool
        var blocks: [UnsafeBufferPointer<Float>] = [], tensors: [Range<Int>] = []
        for (entries, values) in [(store.entries, store.values), (store.bufferEntries, store.bufferValues)] {
            for entry in entries {
                let start = blocks.count, end = entry.offset + entry.count
                for offset in stride(from: entry.offset, to: end, by: TensorChecksum.blockLength) {
                    blocks.append(UnsafeBufferPointer(rebasing: values[offset..<min(offset + TensorChecksum.blockLength, end)]))
                }
                tensors.append(start..<blocks.count)
            }
        }
        self.tensors = tensors
        let checksums = UnsafeMutableBufferPointer<UInt64>.allocate(capacity: blocks.count)
        checksums.initialize(repeating: 0)
        self.checksums = checksums
        takeBlock = { _, block in checksums[block] = TensorChecksum.block(blocks[block]) }
    }

    deinit { checksums.deallocate() }

    var names: [String] { (store.entries + store.bufferEntries).map(\.name) }

    func digest(step: Int) -> WeightDigest {
        pool.run(checksums.count, takeBlock)
        return WeightDigest(step: step, checksums: tensors.map { TensorChecksum.combine(checksums[$0]) })
    }
}
