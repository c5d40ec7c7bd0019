import TensorCore
import Testing

@testable import VisionData

struct PictureTests {
    @Test func smallImagesStayAsTheyAre() throws {
        let dataset = try countedDataset(train: 20, test: 10)
        let pictures = try dataset.pictures(of: [25, 3])
        #expect(pictures == Pictures(height: 1, width: 1, channels: 1, pixels: [25, 3]))
        #expect(dataset.evaluationOrder(of: .test) == Array(20..<30))
    }

    /// A side of more than 64 pixels is brought to 64, the other with it; of four channels three are shown.
    @Test func largeImagesAreMadeSmaller() throws {
        let shape = ImageShape(height: 130, width: 65, channels: 4)
        let colours: [Float] = [0.25, 0.5, 1, 0], shown: [UInt8] = [64, 128, 255]
        let pixels = (0..<2 * shape.count).map { colours[$0 % 4] }
        let pictures = try floatDataset(pixels, shape: shape).pictures(of: [1])
        #expect([pictures.height, pictures.width, pictures.channels] == [64, 32, 3])
        let expected = (0..<64 * 32 * 3).map { shown[$0 % 3] }
        #expect(pictures.pixels == expected)
    }

    /// Numbers beyond 0 to 1 are stretched over all images alike.
    @Test func otherNumbersAreStretched() throws {
        let pictures = try floatDataset([-1, 0, 1, 3, 3, 3, 3, 3], shape: ImageShape(height: 2, width: 2, channels: 1)).pictures(of: [0])
        #expect(pictures.pixels == [0, 64, 128, 255])
    }
}
