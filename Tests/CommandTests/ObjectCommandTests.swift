import Foundation
import HDF5
import Measures
import RunStore
import TensorCore
import TestSupport
import Testing

/// `harness predict` of models that find objects, and of models whose images are no pictures, as they are typed.
@Suite(.serialized) struct ObjectCommandTests {
    private static let runs: Result<TemporaryFolder, any Error> = Result {
        let folder = try TemporaryFolder()
        try folder.add("Experiments/found.yaml", """
            data:   {name: digit-scenes, train_examples: 64}
            train:  {epochs: 2, batch_size: 32, optimizer: {adamw: {learning_rate: 5e-3}}}
            task:   {detection: {grid: 4}}
            models: {yolo: {yolo: {size: small, width: 4, norm: batch, hidden: 32}}}
            """)
        try folder.add("Experiments/anchors.yaml", """
            data:   {name: digit-scenes, train_examples: 64, test_examples: 20}
            train:  {epochs: 1, batch_size: 32}
            task:   {detection: {method: anchors, strides: [4, 8], scales: 1}}
            models: {retina: {retinanet: {backbone: {resnet: {depth: 8, width: 4, cut_after: stage3}}, levels: [stage3], extra: 1, width: 8, anchors: 3}}}
            """)
        try folder.add("Experiments/single.yaml", """
            data:   {name: digit-scenes, train_examples: 64}
            train:  {epochs: 1, batch_size: 32}
            task:   localization
            models: {lenet: lenet5}
            """)
        try folder.add("Experiments/solids.yaml", """
            data:   {shapes_3d: {train_shapes: 32, test_shapes: 8, views: 3}}
            train:  {epochs: 1, batch_size: 16}
            models: {m: {mlp: {widths: [4]}}}
            """)
        try folder.add("Experiments/motifs.yaml", """
            data:   {sequences_1d: {train_sequences: 64, test_sequences: 16}}
            train:  {epochs: 1, batch_size: 16}
            models: {m: {cnn1d: {widths: [4], kernel: 4}}}
            """)
        try folder.add("Experiments/counted.yaml", """
            data:   {name: digit-scenes, train_examples: 64}
            train:  {epochs: 1, batch_size: 32}
            task:   {regression: {target: object_count}}
            models: {m: {mlp: {widths: [8]}}}
            """)
        for name in ["found", "anchors", "single", "solids", "motifs", "counted"] {
            let result = try Program.run(["run", name, "--threads", "2"], in: folder.url)
            guard result.exitCode == 0 else { throw Failure(text: "\(name): \(result.errors)") }
        }
        return folder
    }

    private struct Failure: Error { let text: String }
    private let folder: URL

    init() throws { folder = try Self.runs.get().url }

    private func harness(_ words: String...) throws -> Program.Result { try Program.run(words, in: folder) }

    private func path(_ name: String) -> String { folder.appending(path: name).path }

    private func addPNG(_ name: String, _ pixels: [UInt8], _ size: Size2D, channels: Int = 1) throws {
        try FileManager.default.createDirectory(atPath: (path(name) as NSString).deletingLastPathComponent, withIntermediateDirectories: true)
        try Data(PNGFile(pixels, size, channels: channels).bytes).write(to: URL(filePath: path(name)))
    }

    /// What the run file has of the test.
    private func testTables(_ experiment: String) throws -> [String: TableValues] {
        try RunReader(RunFolder.runs(of: path("Results/\(experiment)"))[0]).contents().evaluations[.test]?.tables ?? [:]
    }

    /// The test's images of the digits' scenes, bytes.
    private func testImages() throws -> (pixels: [UInt8], shape: [Int]) {
        if !FileManager.default.fileExists(atPath: path("scenes.h5")) {
            #expect(try harness("data", "convert", "digit-scenes", "scenes.h5").exitCode == 0)
        }
        let file = try HDF5Reader(path("scenes.h5"))
        return (try file.read("/test/images", as: UInt8.self), try file.shape(of: "/test/images"))
    }

    @Test("So are numbers, in the unit of the targets")
    func numbersAreThoseOfTheTest() throws {
        let (pixels, shape) = try testImages(), size = shape[2] * shape[3], tables = try testTables("counted")
        let estimates = try #require(tables["estimates"]?.reals), targets = try #require(tables["targets"]?.reals)
        #expect(estimates.count == shape[0] && abs(estimates.reduce(0, +) - targets.reduce(0, +)) < 0.5 * Float(shape[0]), "near the mean of the targets")
        let file = try HDF5Writer(path("counted.h5"))
        try file.write(pixels, to: "/images", shape: shape)
        try file.close()
        let found = try harness("predict", "counted", "--input", "counted.h5", "--output", "numbers.h5", "--format", "csv")
        #expect(found.exitCode == 0, "\(found.errors)")
        #expect(try HDF5Reader(path("numbers.h5")).read("/estimates", as: Float.self) == estimates)
        #expect(found.output.hasPrefix("image,estimate\n0,\(estimates[0])\n"))
        for index in 0..<2 { try addPNG("shown/\(index).png", Array(pixels[index * size..<(index + 1) * size]), Size2D(shape[2], shape[3])) }
        let files = try harness("predict", "counted", "shown")
        #expect(files.exitCode == 0 && files.output.contains("shown/1.png") && files.output.contains(String(format: "%.4f", estimates[1])), "\(files.output) \(files.errors)")
        let json = try harness("predict", "counted", "shown", "--format", "json")
        #expect(json.output.contains("\"estimates\"") && json.output.contains("\"path\" : \"shown/0.png\""))
        let top = try harness("predict", "counted", "shown", "--top", "2")
        #expect(top.exitCode == 64 && top.errors.contains("--top: goes with a model that predicts classes; this one estimates numbers"))
    }

    @Test("The boxes of the test's images are those of the run's test, from an HDF5 file and from image files")
    func boxesAreThoseOfTheTest() throws {
        let (pixels, shape) = try testImages(), size = shape[2] * shape[3]
        let file = try HDF5Writer(path("test.h5"))
        try file.write(pixels, to: "/images", shape: shape)
        try file.close()
        let result = try harness("predict", "found/yolo", "--input", "test.h5", "--output", "found.h5", "--threads", "2")
        #expect(result.exitCode == 0 && result.output == "", "\(result.errors)")
        let test = try testTables("found"), found = try HDF5Reader(path("found.h5"))
        let places = try found.read("/box_image", as: Int64.self), boxes = try found.read("/boxes", as: Float.self)
        #expect(places == test["found_image"]?.integers && !places.isEmpty)
        #expect(try found.read("/classes", as: Int64.self) == test["found_class"]?.integers)
        #expect(try found.read("/scores", as: Float.self) == test["found_score"]?.reals)
        #expect(try found.shape(of: "/image_sizes") == [shape[0], 2] && found.attributeStrings("columns", of: "/boxes") == ["x", "y", "width", "height"])
        let edges = try #require(test["found_box"]?.reals)
        for place in edges.indices where place % 4 < 2 {
            let low = boxes[place], high = low + boxes[place + 2]
            #expect(abs(low - edges[place]) < 1e-4 && abs(high - edges[place + 2]) < 1e-4)
        }
        // The same images as files, with one that is none.
        for image in 0..<8 { try addPNG("shots/\(image).png", Array(pixels[image * size..<(image + 1) * size]), Size2D(shape[2], shape[3])) }
        try Data("no image".utf8).write(to: URL(filePath: path("shots/none.png")))
        let files = try harness("predict", "found/yolo", "shots", "--output", "files.h5", "--threads", "1", "--format", "csv", "--pictures", "drawn")
        #expect(files.exitCode == 0 && files.errors.contains("shots/none.png: is no JPEG, PNG or WebP file; passed over"), "\(files.errors)")
        let same = try HDF5Reader(path("files.h5")), count = places.prefix { $0 < 8 }.count
        #expect(try same.read("/boxes", as: Float.self) == Array(boxes.prefix(4 * count)))
        let lines = files.output.split(separator: "\n")
        #expect(lines.count == count + 1 && lines[0] == "image,class,name,score,x,y,width,height" && lines[1].hasPrefix("shots/0.png,"))
        #expect(try FileManager.default.contentsOfDirectory(atPath: path("drawn")).count == 8)
        // A threshold leaves the surest, and who asks for too much is told.
        let none = try harness("predict", "found/yolo", "shots/0.png", "--threshold", "0.999", "--format", "json", "--pictures", "bare")
        // A picture is the image where nothing was found, and other pixels where something was.
        let bare = try Data(contentsOf: URL(filePath: path("bare/0.png"))), framed = try Data(contentsOf: URL(filePath: path("drawn/0.png")))
        #expect(bare.prefix(33) == framed.prefix(33) && bare != framed)
        #expect(none.exitCode == 0 && none.output.contains("\"objects\" : [") && none.errors.contains("nothing was found in 1 of 1 image"), "\(none)")
        let scores = try found.read("/scores", as: Float.self).prefix(count).map { Double($0) }, ordered = scores.sorted()
        let middle = (ordered[count / 2 - 1] + ordered[count / 2]) / 2
        let few = try harness("predict", "found/yolo", "shots", "--threshold", "\(middle)", "--format", "csv")
        #expect(few.output.split(separator: "\n").count == 1 + scores.count { $0 >= middle })
    }

    /// An image of one gray is the same to the model in any size, so that its boxes are the same but for the scale.
    @Test(arguments: ["found/yolo", "anchors/retina", "single/lenet"]) func boxesComeBackToTheImagesOwnSize(run: String) throws {
        try addPNG("gray/a.png", [UInt8](repeating: 90, count: 32 * 32), Size2D(32, 32))
        try addPNG("gray/b.png", [UInt8](repeating: 90, count: 64 * 96 * 3), Size2D(64, 96), channels: 3)
        let result = try harness("predict", run, "gray", "--output", "gray.h5", "--format", "json", "--pictures", "framed")
        #expect(result.exitCode == 0, "\(result.errors)")
        let file = try HDF5Reader(path("gray.h5")), boxes = try file.read("/boxes", as: Float.self), half = boxes.count / 2
        #expect(try file.read("/image_sizes", as: Int64.self) == [32, 32, 64, 96] && half > 0)
        for (place, value) in boxes.prefix(half).enumerated() { #expect(abs(boxes[half + place] - value * (place % 2 == 0 ? 3 : 2)) < 1e-3) }
        for row in 0..<boxes.count / 4 {
            let limits: [Float] = row < half / 4 ? [32, 32] : [96, 64], box = boxes[4 * row..<4 * row + 4].map { $0 }
            #expect(box[0] >= 0 && box[1] >= 0 && box[0] + box[2] <= limits[0] + 1e-3 && box[1] + box[3] <= limits[1] + 1e-3)
        }
        if run == "single/lenet" { #expect(half == 4) }
        let json = try #require(try JSONSerialization.jsonObject(with: Data(result.output.utf8)) as? [[String: Any]])
        #expect(json.count == 2 && (json[1]["objects"] as? [[String: Any]])?.count == half / 4 && json[1]["path"] as? String == "gray/b.png")
    }

    @Test("Models of views and sequences say what they take, and take it", arguments: [
        ("solids/m", [4, 3, 32, 32], "the model takes images of 3 channels, such as views or slices of voxels, which image files are not; expected --input with an HDF5 file of /images [n, 3, 32, 32]"),
        ("motifs/m", [4, 1, 1, 32], "the model takes sequences, images of one row, which image files are not; expected --input with an HDF5 file of /images [n, 1, 1, 32]"),
    ])
    func otherImages(run: String, shape: [Int], sentence: String) throws {
        try addPNG("gray/a.png", [UInt8](repeating: 90, count: 32 * 32), Size2D(32, 32))
        let refused = try harness("predict", run, "gray/a.png")
        #expect(refused.exitCode == 64 && refused.errors.contains(sentence), "\(refused.errors)")
        let file = try HDF5Writer(path("other.h5"))
        try file.write((0..<shape.reduce(1, *)).map { UInt8($0 % 251) }, to: "/images", shape: shape)
        try file.close()
        let result = try harness("predict", run, "--input", "other.h5", "--format", "csv")
        #expect(result.exitCode == 0 && result.output.split(separator: "\n").count == 5, "\(result.errors)")
    }

    @Test func whatDoesNotGoTogetherIsSaid() throws {
        try addPNG("gray/a.png", [UInt8](repeating: 90, count: 32 * 32), Size2D(32, 32))
        try addPNG("taken/a.png", [UInt8](repeating: 90, count: 32 * 32), Size2D(32, 32))
        let before = try Data(contentsOf: URL(filePath: path("taken/a.png")))
        try? FileManager.default.createDirectory(atPath: path("linked"), withIntermediateDirectories: true)
        try? FileManager.default.createSymbolicLink(atPath: path("linked/a.png"), withDestinationPath: path("elsewhere.png"))
        for (words, sentence) in [
            (["found/yolo", "gray/a.png", "--top", "3"], "--top: goes with other answers than boxes; expected --threshold to have fewer of them"),
            (["found/yolo", "gray/a.png", "--tiles"], "--tiles: goes with other answers than boxes"),
            (["found/yolo", "gray/a.png", "--threshold", "1"], "--threshold: expected a number from 0, below 1, found 1.0"),
            (["single/lenet", "gray/a.png", "--threshold", "0.5"], "--threshold: goes with the task detection; a localization gives every image one box"),
            (["solids/m", "--input", "test.h5", "--threshold", "0.5"], "--threshold: goes with a run whose answers are boxes"),
            (["found/yolo", "gray/a.png", "--pictures", "gray/a.png"], "gray/a.png: is a file, expected a folder for the pictures"),
            (["found/yolo", "gray/a.png", "--pictures", "gray"], "gray/a.png: is what is read, expected another file to write"),
            (["found/yolo", "gray/a.png", "--pictures", "taken"], "taken/a.png: is there already and is no picture of harness, which replaces its own alone; expected another name"),
            (["found/yolo", "gray/a.png", "--pictures", "linked"], "linked/a.png: is a link, which is not followed; expected a new file or one to replace"),
        ] {
            let result = try Program.run(["predict"] + words, in: folder)
            #expect(result.exitCode == 64 && result.errors.contains(sentence), "\(words): \(result.exitCode) \(result.errors)")
        }
        #expect(try Data(contentsOf: URL(filePath: path("taken/a.png"))) == before && !FileManager.default.fileExists(atPath: path("elsewhere.png")))
        // Its own pictures are replaced.
        for _ in 0..<2 { #expect(try harness("predict", "found/yolo", "gray/a.png", "--pictures", "own").exitCode == 0) }
        // A picture of show is the program's own, another's is not.
        for name in ["own/a.png", "own/b.svg"] { for _ in 0..<2 { #expect(try harness("show", "found/yolo", "--boxes", "--output", name).exitCode == 0) } }
        try Data("<svg xmlns=\"http://www.w3.org/2000/svg\"/>".utf8).write(to: URL(filePath: path("mine.svg")))
        for name in ["taken/a.png", "mine.svg", "linked/a.png"] { #expect(try harness("show", "found/yolo", "--boxes", "--output", name).exitCode == 64) }
    }

    /// A test without objects has no average precision, and its run is there all the same.
    @Test func testsWithoutObjects() throws {
        let file = try HDF5Writer(path("empty.h5"))
        for (part, count) in [("train", 32), ("test", 8)] {
            try file.write((0..<count * 256).map { UInt8($0 % 251) }, to: "/\(part)/images", shape: [count, 1, 16, 16])
            try file.write((0..<count).map { Int64($0 % 2) }, to: "/\(part)/labels")
            let box: [Int64] = part == "train" ? [1, 2, 3, 8, 6] : [-1, 0, 0, 0, 0]
            try file.write((0..<count).flatMap { _ in box }, to: "/\(part)/boxes", shape: [count, 1, 5])
        }
        try file.close()
        try Data("""
            data:   {hdf5: {path: ../empty.h5}, validation: 0}
            train:  {epochs: 2, batch_size: 16}
            task:   {detection: {grid: 2}}
            models: {m: {mlp: {widths: [8]}}}
            """.utf8).write(to: URL(filePath: path("Experiments/empty.yaml")))
        #expect(try harness("run", "empty", "--threads", "2").exitCode == 0)
        let table = try harness("compare", "empty"), sentence = "has no test_map_50: none of its test images has an object, by which it is measured"
        #expect(table.exitCode == 0 && table.output.contains("–") && (table.output + table.errors).contains(sentence), "\(table)")
        let page = try harness("report", "empty", "--output", "empty.html")
        #expect(page.exitCode == 0, "\(page.errors)")
        #expect(try String(contentsOfFile: path("empty.html"), encoding: .utf8).contains(sentence))
    }
}
