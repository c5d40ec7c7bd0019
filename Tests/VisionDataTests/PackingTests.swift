import Configuration
import TensorCore
import Testing
@testable import VisionData

/// How images of several sizes share sequences.
@Suite struct PackingTests {
    @Test func gridsKeepShapes() {
        var native = NativeSize()
        (native.patch, native.tokens) = (16, 64)
        #expect(native.grid(of: Size2D(32, 64)) == Size2D(2, 4))
        #expect(native.grid(of: Size2D(40, 7)) == Size2D(3, 1))
        // 640×320 has 40 × 20 patches: made smaller to √(64 / 2) rows of half as many columns.
        #expect(native.grid(of: Size2D(640, 320)) == Size2D(11, 5))
        #expect(native.grid(of: Size2D(1, 100_000)) == Size2D(1, 64))
        #expect(native.grid(of: Size2D(100_000, 1)) == Size2D(64, 1))
        for height in stride(from: 1, to: 4000, by: 37) {
            for width in stride(from: 1, to: 4000, by: 41) {
                let grid = native.grid(of: Size2D(height, width))
                #expect(grid.height >= 1 && grid.width >= 1 && grid.height * grid.width <= 64)
            }
        }
    }

    private static let tokens = (0..<50).map { Int32(1 + $0 * 7 % 20) }
    private static let packing = SequencePacking(tokens: tokens, share: 10, places: 4)

    /// No sequence has more tokens than it can hold, and in an evaluation every sample has one place, in order.
    @Test func sequencesHoldTheirSamples() {
        let places = Self.packing.packed((0..<50).map(Int32.init))
        #expect(places.count % 4 == 0 && places.filter { $0 >= 0 } == (0..<50).map(Int32.init))
        for start in stride(from: 0, to: places.count, by: 4) {
            #expect(places[start..<start + 4].reduce(0) { $0 + ($1 < 0 ? 0 : Int(Self.tokens[Int($1)])) } <= 40)
        }
    }

    /// What is packed together is a function of the seed and the epoch.
    @Test func epochsArePackedAnew() {
        let indices = (0..<50).map(Int32.init)
        func places(_ order: EpochOrder, _ epoch: Int) -> [Int32] {
            order.enter(epoch: epoch)
            return (0..<order.count).map { order.draw($0).sample }
        }
        let order = EpochOrder(packing: indices, Self.packing, count: 64, seed: 3), other = EpochOrder(packing: indices, Self.packing, count: 64, seed: 3)
        let first = places(order, 0), second = places(order, 1)
        #expect(first != second && places(other, 1) == second && places(order, 0) == first)
        #expect(places(EpochOrder(packing: indices, Self.packing, count: 64, seed: 4), 0) != first)
        for epoch in [first, second] {
            for start in stride(from: 0, to: 64, by: 4) {
                #expect(epoch[start..<start + 4].reduce(0) { $0 + ($1 < 0 ? 0 : Int(Self.tokens[Int($1)])) } <= 40)
            }
        }
    }
}
