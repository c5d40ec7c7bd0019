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

/// Weights of hybrids under their own names and under timm's: converted, used, and as the start of a training.
@Suite(.serialized) struct HybridWeightTests {
    private static let input = ImageShape(height: 8, width: 8, channels: 1)

    /// A hybrid behind a stage, and one behind the stem, which timm calls the backbone itself.
    private static func hybrid(_ stage: String) -> String {
        "{backbone: {resnet_standardized: {blocks: [1], width: 8, groups: 4, cut_after: \(stage)}}, transformer: {width: 16, depth: 1, heads: 2}}"
    }

    private func network(_ stage: String) throws -> WeightConversion.Network {
        WeightConversion.Network("hybrid", try Definition.model(Self.hybrid(stage)), input: Self.input, classes: 10, resamplesPositions: false)
    }

    private func logits(_ stage: String, _ weights: String, _ images: String) throws -> [Float] {
        let model = try TrainedModel("hybrid", Definition.model(Self.hybrid(stage)), input: Self.input, classes: 10, weights: weights)
        var all: [Float] = []
        try model.predict(UnlabeledImages(images, mayBeBytes: true), threads: 1) { all += $0 }
        return all
    }

    /// A file of weights under the names of this library, and one of images.
    private func withWeights(_ stage: String, _ body: (_ folder: String, _ weights: String, _ images: String) throws -> Void) throws {
        try withTemporaryFolder { folder in
            let declared = try Definition.model(Self.hybrid(stage)).declarations(input: Self.input, classes: 10).parameters
            try writeSafetensors(to: "\(folder)/own.safetensors", declared.map { ($0.name, $0.shape.dimensions) }) { index, values in
                for place in values.indices { values[place] = Float((place * 37 + index * 11) % 101) / 100 - 0.5 }
            }
            let file = try HDF5Writer("\(folder)/images.h5")
            try file.write((0..<3 * 64).map { (index: Int) -> Float in Float(index * 37 % 101) / 50 - 1 }, to: "/images", shape: [3, 1, 8, 8])
            try file.close()
            try body(folder, "\(folder)/own.safetensors", "\(folder)/images.h5")
        }
    }

    @Test("Weights go into timm's names and back, and either file is taken for the model", arguments: [
        ("stage1", "patch_embed.backbone.stages.0.blocks.0.conv1.weight", "patch_embed.backbone.stem.conv.weight"),
        ("stem", "patch_embed.backbone.conv.weight", "patch_embed.backbone.norm.bias"),
    ])
    func conversions(stage: String, first: String, second: String) throws {
        try withWeights(stage) { folder, weights, images in
            let expected = try logits(stage, weights, images), own = try WeightsReader(weights).parameters.map(\.name)
            for (target, hasNetwork) in [("a.safetensors", true), ("b.h5", false)] {
                let path = "\(folder)/\(target)"
                try WeightConversion(from: weights, to: path, names: .timm, network: hasNetwork ? network(stage) : nil).write()
                let names = try WeightsReader(path).parameters.map(\.name)
                #expect(names.contains(first) && names.contains(second) && !names.contains { $0.hasPrefix("backbone.") })
                #expect(try logits(stage, path, images) == expected)
                // With the names of timm already, and without a word about names.
                try WeightConversion(from: path, to: "\(folder)/again.safetensors", names: .timm).write()
                #expect(try Set(WeightsReader("\(folder)/again.safetensors").parameters.map(\.name)) == Set(names))
                try WeightConversion(from: path, to: "\(folder)/back.safetensors", names: nil, network: network(stage)).write()
                #expect(try WeightsReader("\(folder)/back.safetensors").parameters.map(\.name) == own)
                #expect(try Data(contentsOf: URL(filePath: "\(folder)/back.safetensors")) == Data(contentsOf: URL(filePath: weights)))
            }
            #expect(throws: UserError(
                .usage, "--names: torchvision has no names for hybrid that are known here; its own are nobody else's")) {
                try WeightConversion(from: weights, to: "\(folder)/x.h5", names: .torchvision, network: network(stage))
            }
        }
    }

    @Test("A training starts from weights under timm's names")
    func initialWeights() throws {
        try withWeights("stage1") { folder, weights, _ in
            try WeightConversion(from: weights, to: "\(folder)/timm.safetensors", names: .timm).write()
            let text = "data: {name: digits}\ntrain: {epochs: 1, batch_size: 64, init_from: {file: \(folder)/timm.safetensors}}\nmodels:\n  m: \(Self.hybrid("stage1"))\n"
            let options = Runner.Options(threads: 1, results: URL(filePath: "\(folder)/r"), startsOver: false, command: [])
            let run = try Runner(Experiment(definition(text), dataDirectory: nil), options: options, terminal: .silent).run { false }.folders[0]
            let contents = try RunReader(run).contents(), first = try #require(contents.digests.first { $0.step == 0 })
            #expect(try WeightsReader(weights).firstDifference(from: first, tensors: contents.description.tensors) == nil)
        }
    }
}
