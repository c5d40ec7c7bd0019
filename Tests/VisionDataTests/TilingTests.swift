import Configuration
import Foundation
import TensorCore
import TestSupport
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

    /// Masks of images that were brought to a model's size come back to theirs; what the model has not seen does not count.
    @Test func masksComeBackToTheSizeOfTheirImages() throws {
        try withTemporaryFolder { folder in
            func restored(_ size: Size2D, _ model: Size2D, _ resize: ResizeKind, isSized: Bool = true) throws -> [UInt8] {
                let path = "\(folder)/\(UUID().uuidString).png", shape = ImageShape(height: model.height, width: model.width, channels: 1)
                try Data(PNGFile((0..<size.height * size.width).map { UInt8($0) }, size, channels: 1).bytes).write(to: URL(filePath: path))
                var data = DataConfiguration(.folder(FolderSource(path: folder)))
                (data.size, data.resize) = (model, resize)
                let image = try UnlabeledFiles([path]).whole(0, as: data, model: shape, isSized: isSized), answer = isSized ? model : size
                #expect(image.size == size)
                guard case .bytes(let pixels, 255) = image.pixels else { throw UserError(.internal, "expected bytes") }
                #expect(pixels.count == answer.height * answer.width)
                return image.restored((0..<answer.height * answer.width).map { UInt8($0) })
            }
            let unchanged = try restored(Size2D(2, 2), Size2D(4, 4), .exact, isSized: false)
            #expect(unchanged == [0, 1, 2, 3])
            #expect(try restored(Size2D(4, 6), Size2D(2, 3), .exact) == [0, 0, 1, 1, 2, 2, 0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5, 3, 3, 4, 4, 5, 5])
            #expect(try restored(Size2D(1, 3), Size2D(3, 5), .pad) == [6, 7, 8])
            #expect(try restored(Size2D(2, 5), Size2D(2, 2), .shorter) == [255, 255, 0, 1, 255, 255, 255, 2, 3, 255])
        }
    }
}
