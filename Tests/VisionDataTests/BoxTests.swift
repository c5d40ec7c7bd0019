import Configuration
import TensorCore
import Testing

@testable import VisionData

@Suite struct BoxTests {
    private static let shape = ImageShape(height: 24, width: 36, channels: 1)

    /// An image that is 1 in each box and 0 elsewhere.
    private static func dataset(_ boxes: [InstanceBox], maximum: Int, size: Size2D? = nil, resize: ResizeKind = .exact) throws -> ImageDataset {
        var pixels = [UInt8](repeating: 0, count: shape.count)
        for box in boxes {
            for row in Int(box.y)..<Int(box.y + box.height) { for column in Int(box.x)..<Int(box.x + box.width) { pixels[row * shape.width + column] = 1 } }
        }
        var configuration = DataConfiguration()
        (configuration.validation, configuration.normalization, configuration.size, configuration.resize) = (.count(0), .none, size, resize)
        return try ImageDataset(
            LabeledImages(
                "boxed", shape: shape, pixels: .bytes(pixels + pixels, maximum: 1), labels: [0, 1], classCount: 10, testCount: 1,
                boxes: InstanceBoxes(maximum: maximum, [boxes, []])), configuration)
    }

    /// The image and the rows of boxes of a sample in an epoch.
    private static func written(_ dataset: ImageDataset, _ augmentations: [Augmentation] = [], epoch: Int = 0, sample: Int = 0) throws -> (image: [Float], rows: [[Float]]) {
        let fields = try ["image", "boxes"].map { try #require(dataset.field(named: $0)) }
        let writer = dataset.makeWriter(of: fields, augmentations: augmentations, seed: 3)
        var image = [Float](repeating: -1, count: dataset.shape.count), rows = [Float](repeating: 7, count: fields[1].shape.elementCount)
        try image.withUnsafeMutableBytes { image in
            try rows.withUnsafeMutableBytes { rows in try writer.write(sample, epoch: epoch, place: 0, in: [image.baseAddress!, rows.baseAddress!]) }
        }
        return (image, (0..<rows.count / 5).map { Array(rows[5 * $0..<5 * $0 + 5]) })
    }

    private static let box = InstanceBox(label: 4, x: 12, y: 8, width: 10, height: 6), free: [Float] = [-1, 0, 0, 0, 0]

    @Test func aFieldHoldsTheEdges() throws {
        let dataset = try Self.dataset([Self.box, InstanceBox(label: 0, x: 0, y: 0, width: 36, height: 24)], maximum: 3)
        #expect(dataset.field(named: "boxes") == Field("boxes", [3, 5]))
        #expect(try Self.written(dataset).rows == [[4, 12, 8, 22, 14], [0, 0, 0, 36, 24], Self.free])
        #expect(try Self.written(dataset, sample: 1).rows == [Self.free, Self.free, Self.free])
        var plain = DataConfiguration()
        plain.validation = .count(0)
        let images = try LabeledImages("plain", shape: Self.shape, pixels: .bytes([UInt8](repeating: 0, count: 2 * 24 * 36), maximum: 1), labels: [0, 1], testCount: 1)
        #expect(try ImageDataset(images, plain).field(named: "boxes") == nil)
    }

    @Test func aBoxIsResizedWithItsImage() throws {
        #expect(try Self.written(Self.dataset([Self.box], maximum: 1, size: Size2D(48, 18))).rows == [[4, 6, 16, 11, 28]])
        #expect(try Self.written(Self.dataset([Self.box], maximum: 1, size: Size2D(30, 41), resize: .pad)).rows == [[4, 14, 11, 24, 17]])
    }

    /// Of shifts and flips the box is exactly around what is seen of the object; less than a quarter is no object any more.
    @Test func aBoxMovesWithItsImage() throws {
        let dataset = try Self.dataset([Self.box], maximum: 1)
        var seen = Set<[Float]>()
        for epoch in 0..<200 {
            let (image, rows) = try Self.written(dataset, [.shift(pixels: 16), .horizontalFlip(probability: 0.5)], epoch: epoch)
            let places = image.indices.filter { image[$0] == 1 }, columns = places.map { $0 % 36 }, lines = places.map { $0 / 36 }
            if 4 * places.count < 60 { #expect(rows == [Self.free]) } else {
                #expect(rows == [[4, Float(columns.min()!), Float(lines.min()!), Float(columns.max()! + 1), Float(lines.max()! + 1)]])
            }
            seen.insert(rows[0])
        }
        #expect(seen.count > 100 && seen.contains(Self.free))
    }

    /// Of other maps the object is seen within its box to a pixel, and reaches each of its edges where it is turned by no more than a little.
    @Test(arguments: [[Augmentation.rotation(degrees: 20)], [.shear(degrees: 20)], [.zoom(fraction: 0.4)], [.horizontalFlip(probability: 1), .rotation(degrees: 90), .shift(pixels: 4)]])
    func aBoxIsAroundTheChangedObject(augmentations: [Augmentation]) throws {
        let dataset = try Self.dataset([Self.box], maximum: 1)
        for epoch in 0..<50 {
            let (image, rows) = try Self.written(dataset, augmentations, epoch: epoch), row = rows[0]
            #expect(row[0] == 4)
            let places = image.indices.filter { image[$0] > 0.5 }, columns = places.map { Float($0 % 36) }, lines = places.map { Float($0 / 36) }
            let found = [columns.min()!, lines.min()!, columns.max()! + 1, lines.max()! + 1]
            #expect(found[0] >= row[1] - 1 && found[1] >= row[2] - 1 && found[2] <= row[3] + 1 && found[3] <= row[4] + 1)
            #expect(zip(found, row[1...]).allSatisfy { abs($0 - $1) <= 2.5 }, "\(found) \(row)")
        }
    }
}
