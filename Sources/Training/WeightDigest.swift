import Checksums
import Measures
import TensorCore

/// Checksums of all weights at one moment, by which two trainings are compared tensor by tensor.
public struct WeightDigest: Sendable, Equatable {
    /// Finished steps; 0 stands for the initial weights.
    public let step: Int
    /// One for each of `TrainingLoop.tensorNames`.
    public let checksums: [UInt64]
}

/// Takes the checksums of a store's parameters and buffers and of averages of them, in one pass over memory that is cut among workers.
final class WeightDigester {
    /// Of the tensors, in the order of a digest's checksums.
    let names: [String]
    /// Keep the memory.
    private let stores: [ParameterStore]
    private let pool: WorkerPool
    /// For each tensor its range of blocks.
    private let tensors: [Range<Int>]
    /// The checksums of the blocks. A block is one worker's alone, and so is its place here.
    private let checksums: UnsafeMutableBufferPointer<UInt64>
    private let takeBlock: (_ worker: Int, _ block: Int) -> Void

    init(_ store: ParameterStore, averages: [(name: WeightAverage, store: ParameterStore)] = [], pool: WorkerPool) {
        stores = [store] + averages.map(\.store)
        self.pool = pool
        var arrays: [(entries: [ParameterStore.Entry], values: UnsafeMutableBufferPointer<Float>, average: WeightAverage?)] = [
            (store.entries, store.values, nil), (store.bufferEntries, store.bufferValues, nil),
        ]
        for (name, store) in averages {
            arrays.append((store.entries, store.values, name))
            // Those of an equal average change after the digest of an epoch's last step.
            if name == .ema { arrays.append((store.bufferEntries, store.bufferValues, name)) }
        }
        names = arrays.flatMap { array in array.entries.map { array.average?.tensorName($0.name) ?? $0.name } }
        var blocks: [UnsafeBufferPointer<Float>] = [], tensors: [Range<Int>] = []
        for (entries, values, _) in arrays {
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

    func digest(step: Int) -> WeightDigest {
        pool.run(checksums.count, takeBlock)
        return WeightDigest(step: step, checksums: tensors.map { TensorChecksum.combine(checksums[$0]) })
    }
}
