import Foundation
import HDF5
import TensorCore
import TestSupport
import Testing

/// `harness data check` and `harness data convert` of folders with masks and of COCO's files.
@Suite struct AnnotatedDataCommandTests {
    private func add(_ name: String, _ bytes: [UInt8], in folder: TemporaryFolder) throws {
        let path = folder.url.appending(path: name)
        try FileManager.default.createDirectory(at: path.deletingLastPathComponent(), withIntermediateDirectories: true)
        try Data(bytes).write(to: path)
    }

    @Test func masksAreCountedAndWritten() throws {
        let folder = try TemporaryFolder(), size = Size2D(8, 10)
        for number in 0..<6 {
            try add("voc/JPEGImages/\(number).png", PNGFile((0..<80).map { UInt8($0 * (number + 2) % 250) }, size, channels: 1).bytes, in: folder)
            let mask = (0..<80).map { $0 < 10 ? UInt8(255) : $0 < 30 ? 2 : 0 }
            if number != 2 { try add("voc/SegmentationClass/\(number).png", PNGFile(classes: mask, number == 4 ? Size2D(10, 8) : size).bytes, in: folder) }
        }
        try add("voc/ImageSets/Segmentation/train.txt", Array("0\n1\n2\n4\n7\n".utf8), in: folder)
        try add("voc/ImageSets/Segmentation/test.txt", Array("3\n5\n".utf8), in: folder)
        let check = try Program.run(["data", "check", "voc"], in: folder.url)
        #expect(check.exitCode == 0, "\(check.errors)")
        let lines = check.output.split(separator: "\n").map { $0.split(separator: " ").joined(separator: " ") }
        #expect(lines.contains("class name train pixels test pixels") && lines.contains("2 2 40 40") && lines.contains("0 0 100 100") && lines.contains("do not count 20 20"), "\(check.output)")
        #expect(lines.contains("images 2 2") && lines.contains("3 problems:"), "\(check.output)")
        for sentence in ["train.txt:5: there is no image '7' in JPEGImages", "SegmentationClass/2.png: there is no such file, the mask of JPEGImages/2.png", "SegmentationClass/4.png: has 10×8 pixels, expected the 8×10 of"] {
            #expect(lines.contains { $0.contains(sentence) }, "\(check.output)")
        }
        let refused = try Program.run(["data", "convert", "voc", "voc.h5"], in: folder.url)
        #expect(refused.exitCode == 65 || refused.exitCode == 66, "\(refused.errors)")
        try add("voc/ImageSets/Segmentation/train.txt", Array("0\n1\n".utf8), in: folder)
        #expect(try Program.run(["data", "convert", "voc", "voc.h5"], in: folder.url).exitCode == 0)
        let file = try HDF5Reader(folder.url.appending(path: "voc.h5").path)
        #expect(try file.shape(of: "/train/masks") == [2, 8, 10] && file.shape(of: "/test/masks") == [2, 8, 10])
        #expect(try file.read("/test/masks", as: UInt8.self).prefix(80) == (0..<80).map { $0 < 10 ? UInt8(255) : $0 < 30 ? 2 : 0 }[...])
    }

    @Test func objectsAreCountedAndWritten() throws {
        let folder = try TemporaryFolder()
        let png = PNGFile((0..<20 * 10 * 3).map { UInt8($0 % 200) }, Size2D(10, 20), channels: 3).bytes
        for name in ["train2017/a.png", "train2017/b.png", "val2017/a.png"] { try add("street/\(name)", png, in: folder) }
        func json(_ images: String, _ annotations: [String]) -> [UInt8] {
            Array(#"{"images": [\#(images)], "categories": [{"id": 3, "name": "car"}, {"id": 5, "name": "dog"}], "annotations": [\#(annotations.joined(separator: ", "))]}"#.utf8)
        }
        func object(_ image: Int, _ category: Int) -> String { #"{"image_id": \#(image), "category_id": \#(category), "bbox": [2, 1, 5, 6], "segmentation": [[2, 1, 7, 1, 7, 7, 2, 7]]}"# }
        let images = #"{"id": 1, "file_name": "a.png"}, {"id": 2, "file_name": "b.png"}"#
        try add("street/annotations/instances_train2017.json", json(images, [object(1, 3), object(1, 5), object(2, 9)]), in: folder)
        try add("street/annotations/instances_val2017.json", json(#"{"id": 1, "file_name": "a.png"}"#, [object(1, 3)]), in: folder)
        let check = try Program.run(["data", "check", "street"], in: folder.url)
        let lines = check.output.split(separator: "\n").map { $0.split(separator: " ").joined(separator: " ") }
        #expect(check.exitCode == 0 && lines.contains("0 car 1 1") && lines.contains("1 dog 1 0") && lines.contains("images without objects 1 0"), "\(check.output)")
        #expect(lines.contains { $0.contains("annotations[2]: category_id 9 is none of the categories") })
        try add("street/annotations/instances_train2017.json", json(images, [object(1, 3), object(1, 5)]), in: folder)
        let sized = try Program.run(["data", "convert", "street", "small.h5", "--size", "40"], in: folder.url)
        #expect(sized.exitCode == 0, "\(sized.errors)")
        let small = try HDF5Reader(folder.url.appending(path: "small.h5").path)
        #expect(try small.shape(of: "/train/images") == [2, 3, 40, 40] && small.read("/train/boxes", as: Int64.self).prefix(5) == [0, 4, 4, 10, 24])
        for words in [["--size", "5"], ["--size", "40", "--resize", "pad"]] {
            #expect(try Program.run(["data", "convert", "street", "other.h5"] + words, in: folder.url).exitCode == 64)
        }
        // A definition says what a folder does not.
        try add("masked.yaml", Array("data: {coco: {path: street, size: 16, masks: true}}\ntask: segmentation\nmodels: {u: {unet: {width: 4, depth: 2}}}\n".utf8), in: folder)
        let convert = try Program.run(["data", "convert", "masked.yaml", "street.h5"], in: folder.url)
        #expect(convert.exitCode == 0, "\(convert.errors)")
        let file = try HDF5Reader(folder.url.appending(path: "street.h5").path)
        #expect(try file.shape(of: "/train/images") == [2, 3, 16, 16] && file.shape(of: "/train/masks") == [2, 16, 16] && file.shape(of: "/train/boxes") == [2, 100, 5])
        #expect(try file.attributeStrings("class_names", of: "/") == ["background", "car", "dog"])
        let masked = try Program.run(["data", "check", "masked.yaml"], in: folder.url)
        #expect(masked.exitCode == 0 && masked.output.contains("train pixels") && masked.output.contains("train objects"), "\(masked)")
    }

    /// A number out of its range is said once.
    @Test(arguments: [
        ("data: {name: digits, folds: 1, fold: 0}", "data.folds: expected a value from 2 to 100, found 1"),
        ("data: {name: digits, size: 9000, resize: pad}", "data.size[0]: expected a value from 1 to 4096, found 9000"),
        ("data: {fashion_scenes: {garments: [2, 500]}}", "data.fashion_scenes.garments[1]: expected a value from 1 to 64, found 500"),
        ("data: {fashion_scenes: {sides: [0, 500]}}", "data.fashion_scenes.sides[0]: expected a value from 4 to 1024, found 0"),
        ("data: {name: digit-scenes}\ntask: {detection: {method: anchors, strides: [0]}}", "task.detection.strides[0]: expected a value from 1 to 4096, found 0"),
        ("data: {name: digit-scenes}\ntask: {segmentation: {class_weights: [1, -2]}}", "task.segmentation.class_weights[1]: "),
        ("data: {name: digits}\ntrain: {batch_size: 0, shards: 3}", "train.batch_size: expected a value from 1 to 1000000, found 0"),
        ("data: {name: digits, size: 32, pad_to: 8}", "data.pad_to: goes with images in their own size; leave size out, or say a size that is a multiple"),
    ])
    func aMistakeIsSaidOnce(text: String, sentence: String) throws {
        let folder = try TemporaryFolder()
        try folder.add("x.yaml", "\(text)\nmodels: {m: {mlp: {widths: [4]}}}\n")
        let result = try Program.run(["check", "x.yaml"], in: folder.url)
        #expect(result.exitCode == 64 && result.errors.contains(sentence) && result.errors.split(separator: "\n").count == 1, "\(result.errors)")
    }
}
