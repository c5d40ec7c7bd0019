import CKernels
import Foundation
import Synchronization

/// Sums of the neighbouring shards 2k and 2k + 1, the first level of the tree that sums all shards.
///
/// Whichever shard of a pair comes first makes its term where the sum will be; the other makes its own elsewhere and adds it. The order of
/// the operands is the shards', so the bits do not depend on who came first. Sharing between workers is safe because a pair's memory is
/// touched by the first until it publishes its term, by the second from then on, and read after the phase has ended.
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

    private func isAlone(_ shard: Int) -> Bool { shard == shardCount - 1 && shard % 2 == 0 }

    /// Whether this shard comes first: it may write its term where the sum will be, and says so by `publish`. The other adds its own.
    func comesFirst(_ shard: Int) -> Bool {
        isAlone(shard)
            || states[shard / 2].compareExchange(expected: State.empty, desired: State.held, ordering: .acquiringAndReleasing).exchanged
    }

    func publish(_ shard: Int) {
        if !isAlone(shard) { states[shard / 2].store(State.filled, ordering: .releasing) }
    }

    /// Adds the term of the shard that came second, when the first has its own in `sum`.
    func add(
        _ term: UnsafeMutableRawPointer, to sum: UnsafeMutableRawPointer, shard: Int, byteCount: Int, _ combination: TreeCombination
    ) {
        while states[shard / 2].load(ordering: .acquiring) != State.filled {
            kernel_spin_hint()
            sched_yield()
        }
        let isFirst = shard % 2 == 0
        withUnsafeTemporaryAllocation(of: UnsafeRawPointer?.self, capacity: 2) { terms in
            (terms[0], terms[1]) = (UnsafeRawPointer(isFirst ? term : sum), UnsafeRawPointer(isFirst ? sum : term))
            combination.combine(terms, to: sum, byteCount: byteCount)
        }
        states[shard / 2].store(State.empty, ordering: .releasing)
    }
}

/// What becomes of the terms of all shards, in a fixed binary tree over them.
enum TreeCombination: Sendable, Equatable {
    /// The sum of float32 or float64, element by element.
    case sum(DType)
    /// Counts, means and sums of squared deviations: `[3, C]` in float64.
    case moments

    /// Whether pieces of the terms can be combined by themselves.
    var isElementwise: Bool { self != .moments }

    /// Combines arrays of so many bytes into one, which may be one of them.
    func combine(_ terms: UnsafeMutableBufferPointer<UnsafeRawPointer?>, to result: UnsafeMutableRawPointer, byteCount: Int) {
        let (terms, count) = (terms.baseAddress!, Int64(terms.count))
        switch self {
        case .sum(.float64): kernel_tree_sum_f64(terms, count, result, Int64(byteCount / MemoryLayout<Double>.size))
        case .sum: kernel_tree_sum_f32(terms, count, result, Int64(byteCount / MemoryLayout<Float>.size))
        case .moments: kernel_tree_moments(terms, count, result, Int64(byteCount / (3 * MemoryLayout<Double>.size)))
        }
    }
}
