import TensorCore
import Testing

@testable import VisionData

@Suite struct TilingTests {
    /// Every pixel has one owner, and tiles of an image put together again are the image, whatever the sizes.
    @Test(arguments: [(Size2D(1, 1), Size2D(8, 8), 3), (Size2D(8, 8), Size2D(8, 8), 0), (Size2D(9, 30), Size2D(8, 12), 5), (Size2D(100, 7), Size2D(32, 16), 31 / 2),
        (Size2D(129, 200), Size2D(64, 64), 16), (Size2D(64, 65), Size2D(64, 64), 63), (Size2D(3, 500), Size2D(48, 40), 10)])
    func tilesMakeTheImage(image: Size2D, tile: Size2D, overlap: Int) {
        let pixels = (0..<image.height * image.width * 2).map { $0 }, tiling = Tiling(image, tile: tile, overlap: overlap)
        var whole = [Int](repeating: -1, count: image.height * image.width)
        for index in 0..<tiling.count {
            let values = tiling.tile(index, of: pixels, channels: 2)
            #expect(values.count == tile.height * tile.width * 2)
            tiling.put(stride(from: 1, to: values.count, by: 2).map { values[$0] }, ofTile: index, into: &whole)
        }
        #expect(whole == (0..<whole.count).map { 2 * $0 + 1 })
    }

    /// Tiles begin on one grid, reach the end, and give answers only at half of their overlap from a border that is not the image's.
    @Test func overlapsAreCutInTheMiddle() {
        let axis = Tiling.Axis(200, tile: 64, overlap: 20)
        #expect(axis.starts == [0, 32, 64, 96, 128, 160])
        #expect(Tiling.Axis(129, tile: 64, overlap: 0).starts == [0, 64, 128])
        #expect(Tiling.Axis(64, tile: 64, overlap: 8).starts == [0] && Tiling.Axis(20, tile: 64, overlap: 8).starts == [0])
        for index in axis.starts.indices {
            let owned = axis.owned(index), start = axis.starts[index]
            #expect(index == 0 || owned.lowerBound >= start + 16)
            #expect(index == axis.starts.count - 1 ? owned.upperBound == 200 : owned.upperBound <= start + 64 - 16)
        }
        // 0 1 2 3 4 | 3 2 1 0 | 1 2 …
        let mirrored = Tiling.Axis(5, tile: 8, overlap: 0)
        #expect((0..<11).map(mirrored.origin) == [0, 1, 2, 3, 4, 3, 2, 1, 0, 1, 2])
    }
}
