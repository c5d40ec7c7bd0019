import Foundation
import HDF5
import Testing

/// What is drawn of test images: boxes that detections found, and views of solids.
@Suite struct ShowTaskTests {
    @Test func boxesAreDrawn() throws {
        let folder = try TemporaryFolder()
        try folder.add("Experiments/found.yaml", """
            data:   {name: digit-scenes, train_examples: 64, test_examples: 20}
            train:  {epochs: 2, batch_size: 32, optimizer: {adamw: {learning_rate: 5e-3}}}
            task:   {detection: {grid: 4}}
            models: {yolo: {yolo: {size: small, width: 4, norm: batch, hidden: 32}}}
            """)
        try folder.add("Experiments/single.yaml", """
            data:   {name: digit-scenes, train_examples: 64, test_examples: 20}
            train:  {epochs: 1, batch_size: 32}
            task:   localization
            models: {lenet: lenet5}
            """)
        try folder.add("Experiments/classes.yaml", "data: {name: digits}\ntrain: {epochs: 1}\nmodels: {m: {mlp: {widths: [4]}}}\n")
        for name in ["found", "single", "classes"] {
            let result = try Program.run(["run", name, "--threads", "2"], in: folder.url)
            #expect(result.exitCode == 0, "\(result.errors)")
        }
        func show(_ words: String...) throws -> Program.Result { try Program.run(["show"] + words, in: folder.url) }
        func data(_ name: String) throws -> Data { try Data(contentsOf: folder.url.appending(path: name)) }
        let drawn = try show("found/yolo", "--boxes", "--output", "a.svg", "--into", "a.h5")
        #expect(drawn.exitCode == 0 && drawn.errors.isEmpty, "\(drawn.errors)")
        let svg = try String(decoding: data("a.svg"), as: UTF8.self)
        #expect(svg.contains("found in the test") && svg.contains(">#0 ") && svg.contains(">#11 ") && !svg.contains(">#12 "))
        let file = try HDF5Reader(folder.url.appending(path: "a.h5").path)
        #expect(try file.shape(of: "/entry/boxes/images") == [12, 32, 32])
        let images = try file.read("/entry/boxes/object_image", as: Int64.self), edges = try file.read("/entry/boxes/object_box", as: Float.self)
        #expect(Set(images).isSubset(of: Set(0..<12)) && edges.count == 4 * images.count && edges.allSatisfy { (0...32).contains($0) })
        // No image has more than five of what was found.
        let found = try file.read("/entry/boxes/found_image", as: Int64.self)
        #expect(!found.isEmpty && Dictionary(grouping: found) { $0 }.values.allSatisfy { $0.count <= 5 })

        #expect(try show("found/yolo", "--boxes", "--image", "3", "5", "--output", "b.png").exitCode == 0)
        #expect(try show("found/yolo", "--boxes", "--image", "3", "5", "--output", "c.png", "--threads", "1").exitCode == 0)
        #expect(try data("b.png") == data("c.png") && data("b.png").starts(with: [0x89, 0x50, 0x4E, 0x47]))
        #expect(try show("single/lenet", "--boxes", "--output", "d.png").exitCode == 0)
        // What is inside a network is the same to see whatever it answers.
        #expect(try show("found/yolo", "--filters", "--output", "e.png").exitCode == 0)
        for (words, code, sentence) in [
            (["classes/m", "--boxes"], 65, "has no boxes that were found in the test: the run is of another task than detection and localization, or is not finished"),
            (["found/yolo", "--gradcam"], 64, "is of the task detection, whose answers are boxes and no class of an image; expected --boxes, or another model"),
            (["found/yolo", "--boxes", "--image", "20"], 64, "there is no test image 20; expected a number from 0 to 19"),
            (["found/yolo", "--boxes", "--image", "class:3"], 64, "--image: boxes are shown of the run's test images; expected the place of one, such as 0"),
        ] {
            let result = try Program.run(["show"] + words + ["--output", "x.png"], in: folder.url)
            #expect(result.exitCode == Int32(code) && result.errors.contains(sentence), "\(words): \(result.exitCode) \(result.errors)")
        }
    }

    /// The cameras' pictures of a solid, beside one another.
    @Test func viewsAreDrawn() throws {
        let folder = try TemporaryFolder()
        try folder.add("Experiments/solids.yaml", """
            data:   {shapes_3d: {train_shapes: 32, test_shapes: 8, views: 3}}
            train:  {epochs: 1, batch_size: 16}
            models: {m: {mlp: {widths: [4]}}, v: {mvcnn: {backbone: {resnet: {depth: 8, width: 4, cut_after: stage2}}, views: 3, seen_views: [0, 2]}}}
            """)
        #expect(try Program.run(["run", "solids", "--threads", "2"], in: folder.url).exitCode == 0)
        let drawn = try Program.run(["show", "solids/m", "--views", "--image", "0", "5", "--output", "v.svg", "--into", "v.h5"], in: folder.url)
        #expect(drawn.exitCode == 0 && drawn.errors.isEmpty, "\(drawn.errors)")
        let file = try HDF5Reader(folder.url.appending(path: "v.h5").path), pixels = try file.read("/entry/views/views", as: UInt8.self)
        #expect(try file.shape(of: "/entry/views/views") == [2, 3, 32, 32])
        // Each camera sees something else, and not nothing.
        let views = (0..<6).map { Array(pixels[$0 * 1024..<($0 + 1) * 1024]) }
        #expect(Set(views).count == 6 && views.allSatisfy { Set($0).count > 1 })
        #expect(String(decoding: try Data(contentsOf: folder.url.appending(path: "v.svg")), as: UTF8.self).contains("test image 5"))
        // Grad-CAM has a map over each view that the network sees.
        let words = ["show", "solids/v", "--gradcam", "--image", "0", "--output", "g.svg", "--into", "g.h5"]
        let result = try Program.run(words, in: folder.url)
        #expect(result.exitCode == 0 && result.errors.isEmpty, "\(result.errors)")
        let maps = try HDF5Reader(folder.url.appending(path: "g.h5").path)
        #expect(try maps.shape(of: "/entry/gradcam/maps") == [1, 2, 16, 16])
        // The picture beside the maps is the first view, in gray.
        let shown = try maps.read("/entry/gradcam/images", as: UInt8.self)
        #expect(stride(from: 0, to: shown.count, by: 3).map { shown[$0] } == views[0])
        let text = String(decoding: try Data(contentsOf: folder.url.appending(path: "g.svg")), as: UTF8.self)
        #expect(text.contains(">view 0<") && text.contains(">view 2<") && !text.contains(">view 1<"))
    }

    /// Neighbours by embedding, a map of embeddings, those of other images in a file, and a section of the report.
    @Test func embeddingsAreDrawnAndPredicted() throws {
        let folder = try TemporaryFolder()
        try folder.add("Experiments/near.yaml", """
            data:   {name: digits, test_examples: 60, sampling: {classes: 4, images: 4}}
            train:  {epochs: 2, batch_size: 64, shards: 4, optimizer: {adamw: {learning_rate: 5e-3}}}
            task:   {metric_learning: {embedding: 6, few_shot: {ways: 3, queries: 2, episodes: 20}}}
            models: {m: {mlp: {widths: [16]}}}
            """)
        try folder.add("Experiments/classes.yaml", "data: {name: digits}\ntrain: {epochs: 1}\nmodels: {m: {mlp: {widths: [4]}}}\n")
        for name in ["near", "classes"] {
            let result = try Program.run(["run", name, "--threads", "2"], in: folder.url)
            #expect(result.exitCode == 0, "\(result.errors)")
        }
        func path(_ name: String) -> String { folder.url.appending(path: name).path }
        let drawn = try Program.run(["show", "near/m", "--neighbours", "--image", "0", "7", "--output", "n.svg", "--into", "n.h5"], in: folder.url)
        #expect(drawn.exitCode == 0 && drawn.errors.isEmpty, "\(drawn.errors)")
        let svg = try String(decoding: Data(contentsOf: URL(filePath: path("n.svg"))), as: UTF8.self)
        #expect(svg.contains("Neighbours in the test of m-s0") && svg.contains(">#7 ") && svg.contains("farthest"))
        let numbers = try HDF5Reader(path("n.h5")), nearest = try numbers.read("/entry/neighbours/neighbours", as: Int64.self)
        #expect(try numbers.shape(of: "/entry/neighbours/neighbours") == [2, 5])
        // They are those that the run's file lists, which has ten of each.
        let results = path("Results/near"), run = try #require(FileManager.default.contentsOfDirectory(atPath: results).first { $0.hasPrefix("m-s0") })
        let file = try HDF5Reader("\(results)/\(run)/run.h5"), listed = try file.read("/evaluation/test/neighbours", as: Int64.self)
        #expect(nearest == Array(listed[0..<5]) + Array(listed[70..<75]))
        let map = try Program.run(["show", "near/m", "--embedding", "--output", "e.svg"], in: folder.url)
        #expect(map.exitCode == 0, "\(map.errors)")
        #expect(try String(decoding: Data(contentsOf: URL(filePath: path("e.svg"))), as: UTF8.self).contains("Embeddings of m-s0"))

        let silent = try Program.run(["run", "near", "train.store_outputs=false", "train.epochs=1", "--results", "Silent", "--threads", "2"], in: folder.url)
        #expect(silent.exitCode == 0, "\(silent.errors)")
        let mute = try Program.run(["show", "Silent/near", "--neighbours", "--output", "x.png"], in: folder.url)
        #expect(mute.exitCode == 65 && mute.errors.contains("has no embeddings of the test images: the run kept no outputs (train.store_outputs: false)"), "\(mute.errors)")
        let images = try HDF5Writer(path("images.h5"))
        try images.write([Float](repeating: 0.5, count: 64) + (0..<64).map { Float($0 % 5) / 5 }, to: "/images", shape: [2, 1, 8, 8])
        try images.close()
        let predicted = try Program.run(["predict", "near/m", "--input", "images.h5", "--output", "p.h5"], in: folder.url)
        #expect(predicted.exitCode == 0 && predicted.output.isEmpty, "\(predicted.errors)")
        let embeddings = try HDF5Reader(path("p.h5")).read("/embeddings", as: Float.self)
        #expect(embeddings.count == 12)
        for row in [embeddings[..<6], embeddings[6...]] { #expect(abs(row.reduce(0) { $0 + $1 * $1 } - 1) < 1e-5, "they have the length 1") }

        let report = try Program.run(["report", "near", "--output", "report.html"], in: folder.url)
        #expect(report.exitCode == 0, "\(report.errors)")
        let page = try String(decoding: Data(contentsOf: URL(filePath: path("report.html"))), as: UTF8.self)
        #expect(page.contains("Embeddings of the test") && page.contains("few shot accuracy") && page.contains("Hard triplets by epoch"))

        for (words, code, sentence) in [
            (["show", "near/m", "--gradcam", "--output", "x.png"], 64, "--gradcam: m-s0"), (["predict", "near/m", "--input", "images.h5"], 64, "add --output with an HDF5 file for the embeddings"),
            (["predict", "near/m", "--input", "images.h5", "--output", "q.h5", "--top", "2"], 64, "--top: goes with a model that predicts classes; this one gives embeddings"),
            (["show", "classes/m", "--neighbours", "--output", "x.png"], 65, "has neither embeddings nor codes of the test images"),
            (["show", "near/m", "--neighbours", "--image", "60", "--output", "x.png"], 64, "there is no test image 60; expected a number from 0 to 59"),
        ] {
            let result = try Program.run(words, in: folder.url)
            #expect(result.exitCode == Int32(code) && result.errors.contains(sentence), "\(words): \(result.exitCode) \(result.errors)")
        }
    }
}
