import TensorCore
import TestSupport
import Testing

/// Windows of a map against rolling, padding and transposing, as Swin's authors write it.
struct WindowTests {
    @Test(arguments: [(Size2D(8, 12), Size2D(4, 4), Size2D(0, 0)), (Size2D(8, 12), Size2D(4, 4), Size2D(2, 1)), (Size2D(7, 5), Size2D(3, 4), Size2D(1, 2)), (3, 3, 0)])
    func windowsAreRolledPaddedAndCut(map: Size2D, window: Size2D, shift: Size2D) throws {
        let graph = Graph(mode: .training), batch = 2, channels = 3
        let x = graph.input("x", [batch, map.height, map.width, channels])
        let rows = (map.height + window.height - 1) / window.height, columns = (map.width + window.width - 1) / window.width
        let area = window.height * window.width, count = batch * rows * columns
        let expected = x.rolled(axis: 1, by: -shift.height).rolled(axis: 2, by: -shift.width)
            .padded(before: [0, 0, 0, 0], after: [0, rows * window.height - map.height, columns * window.width - map.width, 0])
            .reshaped([batch, rows, window.height, columns, window.width, channels]).transposed([0, 1, 3, 2, 4, 5]).reshaped([count, area, channels])
        let found = x.windows(window, shift: shift)
        // Weighted, so that every cell's gradient is its own.
        let weights = graph.constant(LongAttentionTests.numbers(1, [count, area, channels]))
        func gradient(_ windows: Tensor) -> Tensor { gradients(of: (windows * weights).sum(axes: [0, 1, 2]).shardSum(), withRespectTo: [x])[0] }
        let back = found.map(ofWindows: window, size: map, shift: shift), y = graph.constant(LongAttentionTests.numbers(2, x.shape))
        let joined = weights.map(ofWindows: window, size: map, shift: shift)
        let values = try evaluate(
            [found, expected, gradient(found), gradient(expected), back, (found * weights).sum(axes: [0, 1, 2]), (x * joined).sum(axes: [0, 1, 2, 3]), y],
            feeding: [(x, LongAttentionTests.numbers(3, x.shape))])
        #expect(values[0] == values[1] && values[2] == values[3])
        #expect(values[4].floats == LongAttentionTests.numbers(3, x.shape).floats, "cut and put together is as before")
        assertClose(values[5], values[6], tolerance: 1e-6, "each direction is the other's adjoint")
    }

    @Test(arguments: [
        ("map to windows of [2, 4, 4]: expected [batch, 1, 1, channels]", false),
        ("windows to map of [2, 4, 4]: expected [a multiple of 4, 9, channels], windows of 3×3 in a map of 6×6", true),
    ]) func shapesThatDoNotFitAreErrors(message: String, joins: Bool) {
        let graph = Graph(mode: .evaluation), x = graph.input("x", [2, 4, 4])
        _ = joins ? x.map(ofWindows: 3, size: 6) : x.windows(3)
        #expect { try graph.validate() } throws: { "\($0)".contains(message) }
    }
}
