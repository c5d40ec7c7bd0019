import CKernels
import Foundation
import Synchronization

/// Sums of the neighbouring shards 2k and 2k + 1, the first level of the tree that sums all shards.
///
/// Whichever shard of a pair comes first leaves its term; the other adds its own. The order of the operands is the shards', so the
/// bits do not depend on who came first. Sharing between workers is safe because a pair's memory is touched only by who holds its
/// flag, and read after the phase has ended.
final class PairSums: @unchecked Sendable {
    private enum State {
        static let empty = 0, filled = 1, held = 2
    }

    private let shardCount: Int
    private let states: UnsafeMutableBufferPointer<Atomic<Int>>

    init(shardCount: Int) {
        self.shardCount = shardCount
        states = .allocate(capacity: Self.pairCount(shardCount))
        for pair in states.indices { states.initializeElement(at: pair, to: Atomic(State.empty)) }
    }

    deinit {
        states.deinitialize()
        states.deallocate()
    }

    /// The last pair of an odd number of shards is one shard alone.
    static func pairCount(_ shardCount: Int) -> Int { (shardCount + 1) / 2 }

    func add(_ term: UnsafeMutableRawPointer, to sum: UnsafeMutableRawPointer, shard: Int, count: Int, dtype: DType) {
        let pair = shard / 2
        if shard == shardCount - 1, shard % 2 == 0 {
            sum.copyMemory(from: term, byteCount: count * dtype.byteCount)
        } else if hold(pair) == State.empty {
            sum.copyMemory(from: term, byteCount: count * dtype.byteCount)
            states[pair].store(State.filled, ordering: .releasing)
        } else {
            let isFirst = shard % 2 == 0
            withUnsafeTemporaryAllocation(of: UnsafeRawPointer?.self, capacity: 2) { terms in
                (terms[0], terms[1]) = (UnsafeRawPointer(isFirst ? term : sum), UnsafeRawPointer(isFirst ? sum : term))
                treeSum(terms, to: sum, count: count, dtype: dtype)
            }
            states[pair].store(State.empty, ordering: .releasing)
        }
    }

    /// Takes the pair's flag and returns what it was; waits for a neighbour that is at it.
    private func hold(_ pair: Int) -> Int {
        while true {
            let before = states[pair].exchange(State.held, ordering: .acquiringAndReleasing)
            if before != State.held { return before }
            kernel_spin_hint()
            sched_yield()
        }
    }
}

/// Adds arrays of `count` elements in a fixed binary tree over the arrays.
func treeSum(_ terms: UnsafeMutableBufferPointer<UnsafeRawPointer?>, to sum: UnsafeMutableRawPointer, count: Int, dtype: DType) {
    let kernel = dtype == .float64 ? kernel_tree_sum_f64 : kernel_tree_sum_f32
    kernel(terms.baseAddress!, Int64(terms.count), sum, Int64(count))
}
