import Foundation
import RunStore
import TensorCore
import TestSupport
import Testing
import VisionData

@testable import Experiments

/// Runs on data of one's own with boxes and masks.
@Suite struct AnnotatedDataTests {
    /// Images of 20×20 pixels with a bright rectangle, its corner, and its class.
    private func scene(_ number: Int) -> (pixels: [UInt8], x: Int, y: Int, label: Int) {
        let x = number * 7 % 9, y = number * 5 % 10, label = number % 2
        let pixels = (0..<400).map { place -> UInt8 in
            let (row, column) = (place / 20, place % 20), isInside = (y..<y + 8).contains(row) && (x..<x + 6 + 4 * label).contains(column)
            return isInside ? UInt8(160 + 80 * label) : UInt8(place * (number + 3) % 60)
        }
        return (pixels, x, y, label)
    }

    /// The same bytes from COCO's files and from the HDF5 file that is made of them.
    @Test func aRunOnCOCOsFilesIsOneOnTheirHDF5File() throws {
        try withTemporaryFolder { folder in
            for (part, images, count) in [("train", "train2017", 32), ("val", "val2017", 8)] {
                for name in ["annotations", images] { try FileManager.default.createDirectory(atPath: "\(folder)/street/\(name)", withIntermediateDirectories: true) }
                var records: [[String: Any]] = [], objects: [[String: Any]] = []
                for number in 0..<count {
                    let (pixels, x, y, label) = scene(number)
                    try Data(PNGFile(pixels.flatMap { [$0, $0, $0] }, Size2D(20, 20), channels: 3).bytes).write(to: URL(filePath: "\(folder)/street/\(images)/\(number).png"))
                    records.append(["id": number, "file_name": "\(number).png"])
                    objects.append(["image_id": number, "category_id": label + 3, "iscrowd": 0, "bbox": [Double(x) + 0.25, Double(y), Double(6 + 4 * label) - 0.5, 8.0]])
                }
                let json: [String: Any] = ["images": records, "annotations": objects, "categories": [["id": 3, "name": "car"], ["id": 4, "name": "bus"]]]
                try JSONSerialization.data(withJSONObject: json).write(to: URL(filePath: "\(folder)/street/annotations/instances_\(part)2017.json"))
            }
            func text(_ data: String) -> String {
                """
                data:   {\(data), validation: 0}
                train:  {epochs: 2, batch_size: 16, optimizer: {adamw: {learning_rate: 5e-3}}}
                task:   {detection: {grid: 2}}
                models: {m: {mlp: {widths: [16]}}}

                """
            }
            var source = COCOSource(path: "\(folder)/street")
            source.size = 16
            let run = try trainedTwice(text("coco: {path: \(folder)/street, size: 16}"), in: "\(folder)/a")
            try FoundImages(DataConfiguration(.coco(source))).images.write(to: "\(folder)/street.h5")
            let same = try trainedTwice(text("hdf5: {path: \(folder)/street.h5}"), in: "\(folder)/b")
            #expect(FileManager.default.contentsEqual(atPath: run.weightsFile(.best), andPath: same.weightsFile(.best)))
            #expect(try RunReader(run).contents().evaluations == RunReader(same).contents().evaluations)
        }
    }

    /// 20×20 pixels cannot be cut into patches of 8×8; with a border they can, and the border counts nowhere.
    @Test func aRunOnPaddedMasks() throws {
        try withTemporaryFolder { folder in
            for name in ["images", "masks"] { try FileManager.default.createDirectory(atPath: "\(folder)/cells/\(name)", withIntermediateDirectories: true) }
            for number in 0..<32 {
                let (pixels, x, y, label) = scene(number)
                let mask = (0..<400).map { (y..<y + 8).contains($0 / 20) && (x..<x + 6 + 4 * label).contains($0 % 20) ? UInt8(1 + label) : 0 }
                try Data(PNGFile(pixels, Size2D(20, 20), channels: 1).bytes).write(to: URL(filePath: "\(folder)/cells/images/\(number).png"))
                try Data(PNGFile(classes: mask, Size2D(20, 20)).bytes).write(to: URL(filePath: "\(folder)/cells/masks/\(number).png"))
            }
            let run = try trainedTwice("""
                data:   {folder: {path: \(folder)/cells, masks: masks, channels: 1}, pad_to: 8, validation: 0}
                train:  {epochs: 2, batch_size: 8, optimizer: {adamw: {learning_rate: 5e-3}}}
                task:   segmentation
                models: {m: {setr: {patch: 8, width: 16, depth: 1, heads: 2, decoder_channels: 8}}}

                """, in: "\(folder)/runs")
            let contents = try RunReader(run).contents(), confusion = try #require(contents.evaluations[.test]?.tables["confusion"]?.integers)
            #expect(contents.description.data?.imageShape == [24, 24, 1])
            let testCount = try #require(contents.description.data?.files?.test.count)
            #expect(confusion.reduce(0, +) == Int64(400 * testCount))
            // Photographs get the same border, and their masks have the photographs' size.
            let trained = try TrainedModel(of: run), files = try UnlabeledFiles(["\(folder)/cells/images/3.png"])
            try trained.predictMasks(files, MaskOptions(), threads: 1, onError: { throw $0 }) { image, mask in
                #expect(image.size == Size2D(20, 20) && mask.count == 400 && !mask.contains(255))
            }
        }
    }
}
