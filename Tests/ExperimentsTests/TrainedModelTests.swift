import Configuration
import Foundation
import HDF5
import Models
import RunStore
import TensorCore
import TestSupport
import Testing
import VisionData

@testable import Experiments

/// Models with weights from files of either kind and either convention of names, and what they make of images.
@Suite(.serialized) struct TrainedModelTests {
    private static let vit = "{vit: {patch: 2, width: 16, depth: 2, heads: 2}}"

    private func run(_ text: String, in results: String) throws -> RunFolder {
        let options = Runner.Options(threads: 1, results: URL(filePath: results), startsOver: false, command: [])
        return try Runner(Experiment(definition(text), dataDirectory: nil), options: options, terminal: .silent).run { false }.folders[0]
    }

    private func write(_ path: String, _ body: (borrowing HDF5Writer) throws -> Void) throws {
        let file = try HDF5Writer(path)
        try body(file)
        try file.close()
    }

    private func logits(_ model: TrainedModel, _ path: String, threads: Int = 2) throws -> [Float] {
        var all: [Float] = []
        try model.predict(UnlabeledImages(path, mayBeBytes: true), threads: threads) { all += $0 }
        return all
    }

    // MARK: Runs

    @Test("A run's model gives the logits that the run recorded, for bytes and for floats, with its class names")
    func asRecorded() throws {
        try withTemporaryFolder { folder in
            let shape = [3, 8, 6], size = shape.reduce(1, *), counts = [96, 21]
            let pixels: [UInt8] = (0..<counts.reduce(0, +) * size).map { (index: Int) -> UInt8 in UInt8(truncatingIfNeeded: index * index * 31 + index / size * 90) }
            try write("\(folder)/data.h5") { file in
                try file.setAttribute("class_names", of: "/", to: ["cup", "dog"])
                for (part, start, count) in [("train", 0, counts[0]), ("test", counts[0], counts[1])] {
                    try file.write(Array(pixels[start * size..<(start + count) * size]), to: "/\(part)/images", shape: [count] + shape)
                    try file.write((0..<count).map { UInt8($0 % 2) }, to: "/\(part)/labels")
                }
            }
            let tested = Array(pixels[(counts[0] * size)...])
            try write("\(folder)/bytes.h5") { try $0.write(tested, to: "/images", shape: [counts[1]] + shape) }
            try write("\(folder)/floats.h5") { try $0.write(tested.map { Float($0) / 255 }, to: "/images", shape: [counts[1]] + shape) }
            let run = try run(
                "data: {hdf5: {path: \(folder)/data.h5}}\ntrain: {epochs: 2, batch_size: 16}\nmodels: {m: {resnet: {depth: 8, width: 4}}}\n", in: "\(folder)/r")
            let model = try TrainedModel(of: run)
            #expect(model.classNames == ["cup", "dog"] && model.classes == 2 && model.input == ImageShape(height: 8, width: 6, channels: 3))
            let recorded = try HDF5Reader(run.runFile).read("/evaluation/test/logits", as: Double.self).map(Float.init)
            let found = try logits(model, "\(folder)/bytes.h5")
            #expect(found.count == 42 && zip(found, recorded).allSatisfy { abs($0 - $1) <= 1e-5 })
            #expect(try logits(model, "\(folder)/bytes.h5", threads: 1) == found)
            #expect(zip(try logits(model, "\(folder)/floats.h5"), recorded).allSatisfy { abs($0 - $1) <= 1e-4 })
            let last = try logits(TrainedModel(of: run, weights: .last), "\(folder)/bytes.h5")
            #expect(last.count == 42 && last.allSatisfy(\.isFinite))

            // What the file of images says wrong.
            try write("\(folder)/other.h5") { try $0.write(tested, to: "/images", shape: [counts[1], 3, 6, 8]) }
            #expect(throws: UserError(.data, "\(folder)/other.h5: /images: found images of 6×8×3, expected 8×6×3, as the model takes")) {
                try logits(model, "\(folder)/other.h5")
            }
            var holed = tested.map { Float($0) }
            holed[5 * size] = .nan
            try write("\(folder)/nan.h5") { try $0.write(holed, to: "/images", shape: [counts[1]] + shape) }
            #expect(throws: UserError(.data, "\(folder)/nan.h5: /images: image 5 holds nan, expected finite numbers")) {
                try logits(model, "\(folder)/nan.h5")
            }
            #expect(throws: UserError(.data, "\(folder)/bytes.h5: /images: found elements of type uint8, expected float32, normalized already")) {
                try UnlabeledImages("\(folder)/bytes.h5", mayBeBytes: false)
            }
            try write("\(folder)/none.h5") { try $0.write([Float](), to: "/images", shape: [0] + shape) }
            #expect(throws: UserError(.data, "\(folder)/none.h5: /images: found the shape [0, 3, 8, 6], expected [n, channels, height, width], none of them 0")) {
                try UnlabeledImages("\(folder)/none.h5", mayBeBytes: true)
            }
            // Weights that are not those of the run.
            try FileManager.default.removeItem(atPath: run.weightsFile(.best))
            #expect(throws: UserError(.data, "\(run.weightsFile(.best)): is missing")) { try TrainedModel(of: run) }
        }
    }

    @Test func mostProbableClasses() {
        let logits: [Float] = [1, 3, 2, 3]
        let prediction = logits.withUnsafeBufferPointer { ImagePrediction($0, count: 3) }
        #expect(prediction.classes == [1, 3, 2] && abs(prediction.scores[0] - 0.3995) < 1e-4 && prediction.scores[0] == prediction.scores[1])
        func classes(_ logits: [Float], sets: Bool = true) -> [Int32] {
            logits.withUnsafeBufferPointer { ImagePrediction($0, count: nil, as: sets ? .ownProbability : .probability).classes }
        }
        #expect(classes([0.5, -1, 2, 0]) == [2, 0] && classes([-2, -1, -3]) == [1] && classes([0.5, -1, 2, 0], sets: false) == [2])
    }

    // MARK: Weights

    /// The weights of a small vision transformer as a training wrote them, and its logits of some images.
    private func withVisionTransformer(_ body: (_ folder: String, _ weights: String, _ logits: [Float]) throws -> Void) throws {
        try withTemporaryFolder { folder in
            let run = try run("data: {name: digits}\ntrain: {epochs: 1, batch_size: 64}\nmodels: {m: \(Self.vit)}\n", in: "\(folder)/r")
            let images: [Float] = (0..<9 * 64).map { (index: Int) -> Float in Float(index * 37 % 101) / 50 - 1 }
            try write("\(folder)/images.h5") { try $0.write(images, to: "/images", shape: [9, 1, 8, 8]) }
            try body(folder, run.weightsFile(.best), logits(model(run.weightsFile(.best)), "\(folder)/images.h5"))
        }
    }

    private func model(_ weights: String, side: Int = 8) throws -> TrainedModel {
        try TrainedModel("vit", Definition.model(Self.vit), input: ImageShape(height: side, width: side, channels: 1), classes: 10, weights: weights)
    }

    private func network(side: Int = 8, resamples: Bool = false) throws -> WeightConversion.Network {
        WeightConversion.Network(
            "vit", try Definition.model(Self.vit), input: ImageShape(height: side, width: side, channels: 1), classes: 10, resamplesPositions: resamples)
    }

    @Test("Weights go from HDF5 to safetensors and back, and into torchvision's names and back, without a changed bit")
    func conversions() throws {
        try withVisionTransformer { folder, weights, expected in
            let ways: [(from: String, to: String, names: WeightNames?, network: Bool)] = [
                (weights, "a.safetensors", nil, false), ("\(folder)/a.safetensors", "b.h5", nil, true),
                ("\(folder)/b.h5", "c.safetensors", .torchvision, false), ("\(folder)/c.safetensors", "d.h5", .torchvision, true),
                ("\(folder)/d.h5", "e.h5", .timm, false), ("\(folder)/e.h5", "f.safetensors", .timm, true),
            ]
            let original = try StoredWeights(reading: weights)
            for way in ways {
                let target = "\(folder)/\(way.to)"
                try WeightConversion(from: way.from, to: target, names: way.names, network: way.network ? network() : nil).write()
                #expect(try logits(model(target), "\(folder)/images.h5") == expected, "\(way.to)")
            }
            for name in ["b.h5", "e.h5"] {
                let read = try StoredWeights(reading: "\(folder)/\(name)")
                #expect(Set(read.parameters.map(\.name)) == Set(original.parameters.map(\.name)))
                for array in original.parameters { #expect(read.parameters.contains(array), "\(array.name)") }
            }
            let torchvision = try WeightsReader("\(folder)/c.safetensors").parameters.map(\.name)
            #expect(torchvision.contains("encoder.layers.encoder_layer_1.self_attention.in_proj_weight") && torchvision.contains("class_token"))
            let first = try Data(contentsOf: URL(filePath: "\(folder)/a.safetensors"))
            #expect(try Data(contentsOf: URL(filePath: "\(folder)/f.safetensors")) == first)
        }
    }

    @Test("Batch norms get PyTorch's counts in safetensors, and keep those that they had")
    func counts() throws {
        try withTemporaryFolder { folder in
            func array(_ name: String, _ values: Float...) -> NamedArray { NamedArray(name: name, shape: [values.count], values: values) }
            try StoredWeights(parameters: [array("bn.weight", 1)], buffers: [array("bn.running_mean", 2), array("bn.running_var", 3)]).write(to: "\(folder)/a.h5")
            func convert(_ from: String, _ to: String) throws { try WeightConversion(from: "\(folder)/\(from)", to: "\(folder)/\(to)", names: nil).write() }
            try convert("a.h5", "b.safetensors")
            #expect(try WeightsReader("\(folder)/b.safetensors").counts == ["bn.num_batches_tracked": 0])
            try writeSafetensors(to: "\(folder)/c.safetensors", [("bn.running_mean", [1]), ("bn.running_var", [1])], counts: ["bn.num_batches_tracked": 41]) {
                $1[0] = Float($0)
            }
            try convert("c.safetensors", "d.safetensors")
            #expect(try WeightsReader("\(folder)/d.safetensors").counts == ["bn.num_batches_tracked": 41])
            try convert("c.safetensors", "e.h5")
            #expect(try WeightsReader("\(folder)/e.h5").buffers.map(\.name) == ["bn.running_mean", "bn.running_var"])
        }
    }

    @Test("Every tensor that does not fit is in one message, and nothing is written")
    func mismatches() throws {
        try withVisionTransformer { folder, weights, _ in
            var wrong = try StoredWeights(reading: weights)
            wrong.parameters.removeAll { $0.name == "cls_token" }
            wrong.parameters += (0..<10).map { NamedArray(name: "extra.\($0)", shape: [1], values: [0]) }
            let index = try #require(wrong.parameters.firstIndex { $0.name == "head.bias" })
            wrong.parameters[index] = NamedArray(name: "head.bias", shape: [7], values: [Float](repeating: 0, count: 7))
            try wrong.write(to: "\(folder)/wrong.h5")
            let differences = ["cls_token is missing", "head.bias has the shape [7], expected [10]"] + (0..<10).map { "extra.\($0) is not in the model" }
            let message = (["\(folder)/wrong.h5: does not fit vit with 10 classes for images of 8×8×1:"] + differences).joined(separator: "\n")
            #expect(throws: UserError(.data, message)) { try model("\(folder)/wrong.h5") }
            #expect(throws: UserError(.data, message)) {
                try WeightConversion(from: "\(folder)/wrong.h5", to: "\(folder)/x.h5", names: nil, network: network())
            }
            wrong = try StoredWeights(reading: weights)
            wrong.parameters[0].values[0] = .infinity
            try wrong.write(to: "\(folder)/wrong.h5")
            let name = wrong.parameters[0].name
            #expect(throws: UserError(.data, "\(folder)/wrong.h5: \(name) holds inf at place 0, expected finite numbers")) { try model("\(folder)/wrong.h5") }
            #expect(!FileManager.default.fileExists(atPath: "\(folder)/x.h5"))
        }
    }

    @Test("Position embeddings are resampled for images of another size, when they are loaded and where a conversion is asked to")
    func positions() throws {
        try withVisionTransformer { folder, weights, _ in
            try write("\(folder)/large.h5") { try $0.write((0..<144).map { Float($0 % 7) }, to: "/images", shape: [1, 1, 12, 12]) }
            let loaded = try logits(model(weights, side: 12), "\(folder)/large.h5")
            #expect(throws: UserError(.data, """
                \(weights): does not fit vit with 10 classes for images of 12×12×1:
                pos_embed has the shape [1, 17, 16], expected [1, 37, 16]
                """)) { try WeightConversion(from: weights, to: "\(folder)/x.h5", names: nil, network: network(side: 12)) }
            for (target, names) in [("x.h5", nil), ("x.safetensors", WeightNames.torchvision)] {
                let path = "\(folder)/\(target)"
                let conversion = try WeightConversion(from: weights, to: path, names: names, network: network(side: 12, resamples: true))
                try conversion.write()
                #expect(conversion.summary.hasSuffix(", position embeddings resampled"))
                #expect(try logits(model(path, side: 12), "\(folder)/large.h5") == loaded)
            }
            // A grid that is no square is not known from the file.
            var odd = try StoredWeights(reading: weights)
            let index = try #require(odd.parameters.firstIndex { $0.name == "pos_embed" })
            odd.parameters[index] = NamedArray(name: "pos_embed", shape: [1, 16, 16], values: [Float](repeating: 0, count: 256))
            try odd.write(to: "\(folder)/odd.h5")
            #expect(throws: UserError(.data, """
                \(folder)/odd.h5: does not fit vit with 10 classes for images of 12×12×1:
                pos_embed has the shape [1, 16, 16], expected [1, 37, 16], or [1, 1 + n · n, 16] of a square grid
                """)) { try model("\(folder)/odd.h5", side: 12) }
        }
    }

    @Test("A training starts from safetensors as from HDF5, in either convention of names")
    func initialWeights() throws {
        try withVisionTransformer { folder, weights, _ in
            for names in WeightNames.allCases {
                let path = "\(folder)/\(names).safetensors"
                try WeightConversion(from: weights, to: path, names: names).write()
                let tuned = try run(
                    "data: {name: digits}\ntrain: {epochs: 1, batch_size: 64, init_from: {file: \(path)}}\nmodels: {m: \(Self.vit)}\n", in: "\(folder)/\(names)")
                let contents = try RunReader(tuned).contents(), first = try #require(contents.digests.first { $0.step == 0 })
                #expect(try WeightsReader(weights).firstDifference(from: first, tensors: contents.description.tensors) == nil)
            }
        }
    }

    @Test("What cannot be converted is said in a sentence", arguments: [
        (["a.b", "a"], "x.h5", nil, "{}: a is a tensor and the beginning of other tensors' names, which HDF5 cannot hold", UserError.Kind.data),
        (["a/b"], "x.h5", nil, "{}: the name 'a/b' cannot be one in HDF5: expected parts without / between single dots", .data),
        (["a..b"], "x.hdf5", nil, "{}: the name 'a..b' cannot be one in HDF5: expected parts without / between single dots", .data),
        (["a"], "x.npz", nil, "x.npz: expected a name that ends in .h5 or .safetensors", .usage),
        (["a"], "x.h5", .timm, "--names: {} holds no vision transformer, whose names alone are translated; --model says whose weights these are", .usage),
        (["blocks.0.attn.qkv.weight", "dist_token", "norm.weight"], "x.h5", .torchvision,
            "{}: has tensors without a name in the convention of torchvision: dist_token", .data),
        (["cls_token", "class_token", "blocks.0.attn.qkv.weight"], "x.h5", .timm, "{}: has two tensors of the name cls_token", .data),
    ] as [([String], String, WeightNames?, String, UserError.Kind)])
    func notConverted(tensors: [String], target: String, names: WeightNames?, sentence: String, kind: UserError.Kind) throws {
        try withTemporaryFolder { folder in
            let path = "\(folder)/w.safetensors", target = target.hasSuffix("npz") ? target : "\(folder)/\(target)"
            try writeSafetensors(to: path, tensors.map { ($0, [1]) }) { $1[0] = 0 }
            #expect(throws: UserError(kind, sentence.replacing("{}", with: path))) { try WeightConversion(from: path, to: target, names: names).write() }
            #expect(try FileManager.default.contentsOfDirectory(atPath: folder) == ["w.safetensors"])
        }
    }

    @Test("A file that declares more numbers than memory holds is refused before any is read")
    func largerThanMemory() throws {
        try withTemporaryFolder { folder in
            let path = "\(folder)/w.safetensors", count = 1 << 40
            let header = Data(#"{"a":{"dtype":"F32","shape":[\#(count)],"data_offsets":[0,\#(4 * count)]}}"#.utf8)
            try (withUnsafeBytes(of: UInt64(header.count)) { Data($0) } + header).write(to: URL(filePath: path))
            #expect(truncate(path, off_t(8 + header.count + 4 * count)) == 0)
            for target in ["x.h5", "x.safetensors"] {
                let error = #expect(throws: UserError.self) { try WeightConversion(from: path, to: "\(folder)/\(target)", names: nil) }
                #expect(error?.kind == .internal && error?.message.hasPrefix("\(path): its weights need at least 4398.0 GB of memory") == true, "\(error!)")
            }
            let fitting = #expect(throws: UserError.self) { try model(path) }
            #expect(fitting?.message.contains("\na is not in the model") == true)
        }
    }

    @Test("A family's own names are converted to themselves, and to nobody's else")
    func otherFamilies() throws {
        try withTemporaryFolder { folder in
            let definition = try Definition.model("mobilenet_v2"), input = ImageShape(height: 32, width: 32, channels: 3)
            let network = WeightConversion.Network("mobilenet_v2", definition, input: input, classes: 3, resamplesPositions: false)
            let declared = definition.declarations(input: input, classes: 3)
            try writeSafetensors(to: "\(folder)/a.safetensors", (declared.parameters + declared.buffers).map { ($0.name, $0.shape.dimensions) }) {
                $1.update(repeating: Float($0))
            }
            try WeightConversion(from: "\(folder)/a.safetensors", to: "\(folder)/b.h5", names: .torchvision, network: network).write()
            #expect(try Set(WeightsReader("\(folder)/b.h5").parameters.map(\.name)) == Set(declared.parameters.map(\.name)))
            #expect(throws: UserError(
                .usage, "--names: timm has no names for mobilenet_v2 that are known here; its own are those of torchvision")) {
                try WeightConversion(from: "\(folder)/a.safetensors", to: "\(folder)/b.h5", names: .timm, network: network)
            }
        }
    }

    @Test func namesOfVisionTransformers() {
        for (timm, torchvision) in [
            ("cls_token", "class_token"), ("pos_embed", "encoder.pos_embedding"), ("patch_embed.proj.weight", "conv_proj.weight"),
            ("blocks.11.norm1.bias", "encoder.layers.encoder_layer_11.ln_1.bias"), ("norm.weight", "encoder.ln.weight"), ("head.bias", "heads.head.bias"),
            ("blocks.0.attn.qkv.bias", "encoder.layers.encoder_layer_0.self_attention.in_proj_bias"),
            ("blocks.0.attn.proj.weight", "encoder.layers.encoder_layer_0.self_attention.out_proj.weight"),
            ("blocks.3.mlp.fc2.weight", "encoder.layers.encoder_layer_3.mlp.3.weight"),
        ] {
            #expect(VisionTransformerNames.torchvision(of: timm) == torchvision)
            #expect(VisionTransformerNames.timm(of: torchvision) == timm)
        }
        #expect(VisionTransformerNames.timm(of: "encoder.layers.encoder_layer_0.mlp.linear_2.bias") == "blocks.0.mlp.fc2.bias")
        for other in ["normal.weight", "blocks.x.norm1.weight", "blocks.0.norm11.weight", "headless", "layer1.0.conv1.weight", ""] {
            #expect(VisionTransformerNames.torchvision(of: other) == nil && VisionTransformerNames.timm(of: other) == nil, "\(other)")
        }
    }
}
