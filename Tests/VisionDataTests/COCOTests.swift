import Configuration
import Foundation
import TensorCore
import TestSupport
import Testing

@testable import VisionData

@Suite struct COCOTests {
    private static let images = #"[{"id": 7, "file_name": "a.png"}, {"id": 9, "file_name": "b.png"}]"#
    private static let categories = #"[{"id": 18, "name": "dog"}, {"id": 3, "name": "car"}]"#

    /// A folder with two files of two images of 20×10 pixels.
    private static func load(
        _ folder: String, train: String, testCategories: String = categories, most: Int = 100, onProblem: ((UserError) -> Void)? = nil
    ) throws -> (images: LabeledImages, notes: [String]) {
        let files = FileManager.default, test = #"{"images": [{"id": 1, "file_name": "a.png"}], "categories": \#(testCategories), "annotations": []}"#
        for name in ["annotations", "train2017", "val2017"] { try files.createDirectory(atPath: "\(folder)/\(name)", withIntermediateDirectories: true) }
        let png = Data(PNGFile((0..<20 * 10 * 3).map { UInt8($0 % 200) }, Size2D(10, 20), channels: 3).bytes)
        for name in ["train2017/a.png", "train2017/b.png", "val2017/a.png"] { try png.write(to: URL(filePath: "\(folder)/\(name)")) }
        try Data(train.utf8).write(to: URL(filePath: "\(folder)/annotations/instances_train2017.json"))
        try Data(test.utf8).write(to: URL(filePath: "\(folder)/annotations/instances_val2017.json"))
        var source = COCOSource(path: folder)
        (source.size, source.most) = (40, most)
        return try loadCOCOImages(source, at: folder, onProblem: onProblem)
    }

    /// What is wrong with images and annotations is told one by one, and the others are read.
    @Test func allMistakesAreToldToWhoAsks() throws {
        try withTemporaryFolder { folder in
            let annotations = [Self.annotation("[1, 1, 2, 2]", category: 4), Self.annotation("[1, 1, 2]"), Self.annotation("[1, 1, 2, 2]", image: 8), Self.annotation("[1, 1, 2, 2]")]
            let images = #"[{"id": 7, "file_name": "a.png"}, {"id": 9, "file_name": "none.png"}, {"id": 10, "file_name": "../b.png"}]"#
            var problems: [String] = []
            let found = try Self.load(folder, train: Self.file(annotations.joined(separator: ", "), images: images)) { problems.append($0.message) }.images
            #expect(found.train.count == 1 && found.boxes?.boxes.map(\.count) == [1, 0])
            let expected = ["annotations[0]: category_id 4", "annotations[1]: found the bbox", "annotations[2]: image_id 8", "none.png, which it names", "images[2].file_name: found '../b.png'"]
            #expect(problems.count == 5 && zip(problems, expected).allSatisfy { $0.contains($1) }, "\(problems)")
        }
    }

    /// A number is one class in both files, and boxes are of the image that is there: else they would be wrong and nobody would see it.
    @Test func filesThatDoNotGoTogetherAreSaid() throws {
        try withTemporaryFolder { folder in
            let train = Self.file(Self.annotation("[1, 1, 2, 2]")), swapped = #"[{"id": 3, "name": "dog"}, {"id": 18, "name": "car"}]"#
            let other = #expect(throws: UserError.self) { _ = try Self.load(folder, train: train, testCategories: swapped) }
            #expect(other?.message.hasSuffix("instances_val2017.json: categories[0]: 3 is called 'dog', expected 'car' as in \(folder)/annotations/instances_train2017.json") == true)
            // Classes that the test lacks, or has besides without an object, are no error.
            for categories in [#"[{"id": 3, "name": "car"}]"#, #"[{"id": 3, "name": "car"}, {"id": 5, "name": "cat"}]"#] {
                let names = try Self.load(folder, train: train, testCategories: categories).images.classNames
                #expect(names == ["car", "dog"])
            }
            let images = #"[{"id": 7, "file_name": "a.png", "width": 20, "height": 10}, {"id": 9, "file_name": "b.png", "width": 10, "height": 20}]"#
            let size = #expect(throws: UserError.self) { _ = try Self.load(folder, train: Self.file("", images: images)) }
            #expect(size?.message.hasSuffix("instances_train2017.json: images[1]: says 20×10 pixels, found 10×20 in \(folder)/train2017/b.png") == true, "\(size?.message ?? "")")
        }
    }

    private static func file(_ annotations: String, images: String = images) -> String {
        #"{"info": {}, "images": \#(images), "categories": \#(categories), "annotations": [\#(annotations)]}"#
    }

    private static func annotation(_ box: String, image: Int = 7, category: Int = 18, crowd: Int = 0) -> String {
        #"{"id": 1, "image_id": \#(image), "category_id": \#(category), "iscrowd": \#(crowd), "area": 5, "segmentation": [], "bbox": \#(box)}"#
    }

    @Test func boxesGoWithTheirImages() throws {
        try withTemporaryFolder { folder in
            let annotations = [
                Self.annotation("[2.2, 1, 4, 3.1]"), Self.annotation("[0, 0, 10, 10]", category: 3), Self.annotation("[15, 5, 100, 1]"),
                Self.annotation("[1, 1, 5, 5]", crowd: 1), Self.annotation("[3, 3, 0, 4]"), Self.annotation("[30, 3, 4, 4]"),
            ]
            let (images, notes) = try Self.load(folder, train: Self.file(annotations.joined(separator: ", ")))
            #expect(images.shape == ImageShape(height: 40, width: 40, channels: 3) && images.classNames == ["car", "dog"] && images.test == 2..<3)
            #expect(images.boxes == InstanceBoxes(maximum: 100, [
                [
                    InstanceBox(label: 1, x: 4, y: 4, width: 9, height: 13), InstanceBox(label: 0, x: 0, y: 0, width: 20, height: 40),
                    InstanceBox(label: 1, x: 30, y: 20, width: 10, height: 4),
                ], [], [],
            ]))
            #expect(images.labels == [0, 0, 0])
            #expect(notes == ["\(folder): regions of crowds that are left out: 1", "\(folder): boxes of no width or height, or outside their images, that are left out: 2"])
        }
    }

    @Test("What is wrong in a file is said with its record", arguments: [
        (file(annotation("[1, 1, 2, 2]", category: 4)), "annotations[0]: category_id 4 is none of the categories"),
        (file(annotation("[1, 1, 2, 2]") + ", " + annotation("[1, 1, 2, 2]", image: 8)), "annotations[1]: image_id 8 is none of the images"),
        (file(annotation("[1, 1, 2]")), "annotations[0]: found the bbox [1.0, 1.0, 2.0], expected x, y, and a width and a height from 0"),
        (file(annotation("[1, 1, -2, 2]")), "annotations[0]: found the bbox [1.0, 1.0, -2.0, 2.0], expected x, y, and a width and a height from 0"),
        (file(#"{"image_id": 7, "category_id": 3}"#), "annotations[0].bbox is missing"),
        (file("", images: #"[{"id": "x", "file_name": "a.png"}]"#), "images[0].id: expected a number"),
        (file(annotation("[1, \"1\", 2, 2]")), "annotations[0].bbox[1]: expected a number"), (file("5"), "annotations[0]: expected a map"),
        (file(#"{"image_id": 7.5, "category_id": 3, "bbox": [1, 1, 2, 2]}"#), "annotations[0].image_id: expected a whole number that fits 64 bits"),
        (file("").replacingOccurrences(of: "car", with: "dog"), "categories: two are called 'dog', expected a name of its own for each"),
        (String(file(annotation("[1, 1, 2, 2]")).dropLast(30)), "is no JSON, or ends too early"),
        (file("", images: #"[{"id": 7, "file_name": "c.png"}]"#), "train2017/c.png, which it names"),
        (file("", images: #"[{"id": 7, "file_name": "a.png"}, {"id": 7, "file_name": "b.png"}]"#), "images: found two of one id, expected each once"),
        (file("", images: #"[{"id": 7, "file_name": "../train2017/a.png"}]"#), "images[0].file_name: found '../train2017/a.png', expected a file in "),
        (file("", images: #"[{"id": 7, "file_name": "/etc/a.png"}]"#), "images[0].file_name: found '/etc/a.png', expected a file in "),
        (file("", images: #"[{"id": 7, "file_name": "a\n.png"}]"#), "images[0].file_name: found 'a\\n.png', expected a file in "),
        (file("").replacingOccurrences(of: "car", with: "a\\u001bcar"), "categories[1].name: found "),
        (file("").replacingOccurrences(of: "car", with: " "), "categories[1].name: found ' ', expected a name on one line"),
        (file((0..<3).map { _ in annotation("[1, 1, 2, 2]") }.joined(separator: ", ")), "the image a.png has 3 boxes, expected at most the 2 of data.coco.most"),
    ])
    func mistakesAreSaid(train: String, sentence: String) throws {
        try withTemporaryFolder { folder in
            let error = #expect(throws: UserError.self) { _ = try Self.load(folder, train: train, most: 2) }
            #expect(error?.message.contains("instances_train2017.json: ") == true && error?.message.contains(sentence) == true, "\(error?.message ?? "")")
        }
    }

    @Test func aDefinitionNamesAFolder() throws {
        let node = try YAML.node("coco: {path: shots, size: 64}\nvalidation: 0.2\n") { SourceMark(file: "x.yaml", line: $0) }, errors = ConfigurationErrors()
        var fields = FieldReader(node, path: "data", errors: errors)
        let configuration = DataConfiguration(from: &fields)
        fields.finish()
        try errors.throwIfAny()
        #expect(configuration.coco?.size == 64 && configuration.coco?.train == "annotations/instances_train2017.json")
        #expect(configuration.identity["path"] != nil)
    }

    private struct MaskCase: Decodable {
        let height: Int, width: Int, inside: String, segmentations: [COCOMask]
    }

    /// Polygons, runs and runs in COCO's code of one region.
    @Test func masksAreThoseOfPycocotools() throws {
        let decoder = JSONDecoder(), tests = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        decoder.userInfo[COCOMask.isWanted] = true
        let cases = try decoder.decode([MaskCase].self, from: Data(contentsOf: tests.appending(path: "Fixtures/coco_masks.json")))
        #expect(cases.count == 24)
        for (index, found) in cases.enumerated() {
            for mask in found.segmentations {
                let inside = mask.pixels(height: found.height, width: found.width).map { String($0.map { $0 ? "1" : "0" }) }
                #expect(inside == found.inside, "case \(index): \(mask)")
            }
        }
    }

    /// Numbers beyond 64 bits, as in a damaged file, are no runs.
    @Test func runsThatCannotBeAreNone() {
        #expect(COCOMask.counts(of: String(repeating: "ooooooooooo?", count: 60)) == nil)
        #expect(COCOMask.counts(of: "Q2") != nil)
    }

    @Test func masksGoWithTheirImages() throws {
        func annotation(_ segmentation: String, category: Int = 18, crowd: Int = 0) -> String {
            #"{"image_id": 7, "category_id": \#(category), "iscrowd": \#(crowd), "segmentation": \#(segmentation), "bbox": [0, 0, 10, 10]}"#
        }
        func load(_ annotations: [String], in folder: String) throws -> LabeledImages {
            _ = try Self.load(folder, train: Self.file(annotations.joined(separator: ", ")))
            var source = COCOSource(path: folder)
            (source.size, source.hasMasks) = (10, true)
            return try loadCOCOImages(source, at: folder).images
        }
        try withTemporaryFolder { folder in
            // Images of 10 rows and 20 columns: columns 0 to 7 a dog, 4 to 11 a car, of which 4 to 7 are both; the last two columns a crowd.
            let images = try load([
                annotation("[[0, 0, 8, 0, 8, 10, 0, 10]]"), annotation(#"{"size": [10, 20], "counts": [40, 80, 80]}"#, category: 3),
                annotation(#"{"size": [10, 20], "counts": [180, 20]}"#, crowd: 1),
            ], in: folder)
            #expect(images.classNames == ["background", "car", "dog"] && images.boxes?.boxes[0].map(\.label) == [2, 1])
            let row: [UInt8] = [2, 2, 255, 255, 1, 1, 0, 0, 0, 255]
            #expect(images.masks?.prefix(100) == Array((0..<10).map { _ in row }.joined())[...] && images.masks?.dropFirst(100).allSatisfy { $0 == 0 } == true)
            for segmentation in ["[]", "[[0, 0, 1, 1]]", #"{"size": [10, 20], "counts": [40, 80]}"#, #"{"size": [20, 10], "counts": [200]}"#, #"{"size": [10, 20], "counts": "~"}"#] {
                let error = #expect(throws: UserError.self) { _ = try load([annotation("[[0, 0, 8, 0, 8, 10]]"), annotation(segmentation)], in: folder) }
                #expect(error?.message.contains("instances_train2017.json: annotations[1]: segmentation: expected polygons of at least three corners, or runs that fill the image of 10×20") == true, "\(error?.message ?? "")")
            }
        }
    }
}
