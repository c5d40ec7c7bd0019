import Synchronization

/// A piece of memory that kernels read and write. Where it lies is settled after all kernels are known.
public struct BufferID: Hashable, Sendable {
    let index: Int
}

/// What a kernel sees while it runs: where its buffers lie for this worker and shard.
public struct KernelContext {
    let addresses: UnsafeMutablePointer<UnsafeMutableRawPointer>
    /// The number of the worker that runs the kernel, from 0.
    public let worker: Int
    /// The number of the shard that is computed, from 0; 0 for what all shards share.
    public let shard: Int
    /// The training step, which random masks depend on.
    public let step: UInt64
    /// Where a kernel says that it could not do its work. Outlives the run.
    unowned(unsafe) let failures: KernelFailures

    /// Where the buffer begins. Valid during the kernel's run; of the length with which the buffer was made.
    public func raw(_ buffer: BufferID) -> UnsafeMutableRawPointer { addresses[buffer.index] }
    /// The buffer as float32 elements; valid as `raw`.
    public func floats(_ buffer: BufferID) -> UnsafeMutablePointer<Float> { addresses[buffer.index].assumingMemoryBound(to: Float.self) }
    /// The buffer as bfloat16 elements, bit patterns; valid as `raw`.
    public func bfloats(_ buffer: BufferID) -> UnsafeMutablePointer<UInt16> { addresses[buffer.index].assumingMemoryBound(to: UInt16.self) }
    /// The buffer as float64 elements; valid as `raw`.
    public func doubles(_ buffer: BufferID) -> UnsafeMutablePointer<Double> { addresses[buffer.index].assumingMemoryBound(to: Double.self) }
    /// The buffer as int32 elements; valid as `raw`.
    public func integers(_ buffer: BufferID) -> UnsafeMutablePointer<Int32> { addresses[buffer.index].assumingMemoryBound(to: Int32.self) }
}

/// The first error of a run's kernels.
final class KernelFailures: Sendable {
    private let first = Mutex<OneDNNError?>(nil)

    func note(_ error: OneDNNError) { first.withLock { $0 = $0 ?? error } }

    /// Throws what was noted, and forgets it.
    func check() throws(OneDNNError) {
        let error = first.withLock { error in
            defer { error = nil }
            return error
        }
        if let error { throw error }
    }
}

/// One scheduled piece of work of a plan: single-threaded, writing all of what it writes.
struct Kernel {
    let name: String
    let reads: [BufferID]
    let writes: [BufferID]
    /// An input whose memory the output may take over if nothing reads it later.
    let overwrites: (output: BufferID, input: BufferID)?
    /// The multiply-adds of one run, where the kernel is a convolution or a matrix product.
    var multiplyAdds = 0
    /// The bytes that one run reads and writes.
    var byteCount = 0
    var pass = Pass.forward
    let run: (KernelContext) -> Void
}

/// The two halves of a training step's plan.
public enum Pass: String, Sendable, Codable, Comparable {
    case forward, backward

    /// The forward pass comes first.
    public static func < (a: Pass, b: Pass) -> Bool { a == .forward && b == .backward }
}

/// A sum over all shards of one buffer, or what takes its place, in a fixed binary tree.
struct Reduction {
    let input: BufferID
    let output: BufferID
    let byteCount: Int
    let combination: TreeCombination
    let pass: Pass
}
