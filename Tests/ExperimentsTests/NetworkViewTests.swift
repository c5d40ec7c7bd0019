import Configuration
import Models
import TensorCore
import TestSupport
import Testing

@testable import Experiments

/// What networks look at, beside PyTorch's, NumPy's and scikit-learn's numbers (Tests/Reference/network_views.py).
struct NetworkViewTests {
    private let fixture: FixtureFile
    private static let models = ["resnet": "{resnet: {depth: 8, width: 4}}", "vit": "{vit: {patch: 4, width: 16, depth: 3, heads: 2}}"]

    init() throws { fixture = try FixtureFile("network_views.h5") }

    private func withProbe(_ name: String, threads: Int = 1, batchSize: Int = 1, _ body: (ModelProbe, _ images: [[Float]]) throws -> Void) throws {
        try withTemporaryFolder { folder in
            func arrays(_ group: String) throws -> [NamedArray] {
                try fixture.tensors(in: "/\(name)/\(group)").map { NamedArray(name: $0, shape: Array($1.shape), values: $1.floats) }
            }
            try StoredWeights(parameters: arrays("parameters"), buffers: arrays("buffers")).write(to: "\(folder)/weights.h5")
            let trained = try TrainedModel(
                name, Definition.model(Self.models[name]!), input: ImageShape(height: 16, width: 16, channels: 1), classes: 5, weights: "\(folder)/weights.h5")
            let images = try fixture.tensor("/\(name)/images").floats
            try body(
                ModelProbe(trained, batchSize: batchSize, threads: threads), stride(from: 0, to: images.count, by: 256).map { Array(images[$0..<$0 + 256]) })
        }
    }

    /// Within 1e-4 of the range of what was expected.
    private func expectEqual(_ found: [Float], _ path: String, _ location: SourceLocation = #_sourceLocation) throws {
        let expected = try fixture.tensor(path).floats, range = expected.max()! - expected.min()!
        #expect(found.count == expected.count, "\(path)", sourceLocation: location)
        let worst = zip(found, expected).map { abs($0 - $1) }.max() ?? .infinity
        #expect(worst <= 1e-4 * range && range > 0, "\(path): differs by \(worst) in a range of \(range)", sourceLocation: location)
    }

    @Test func gradCAMOfAConvolutionalNetwork() throws {
        try withProbe("resnet") { probe, images in
            #expect(try probe.gradCAMLayerName() == "stage3")
            let last = try probe.gradCAM(layer: nil), maps = try images.map { try last($0, nil) }
            #expect(maps.map { Int32($0.classIndex) } == (try fixture.tensor("/resnet/labels").elements()))
            #expect(maps.allSatisfy { ($0.rows, $0.columns) == (4, 4) && $0.score > 0.2 && $0.score < 1 })
            try expectEqual(maps.flatMap { $0.maps[0] }, "/resnet/stage3")
            try expectEqual(images.flatMap { try probe.gradCAM(layer: "stage2")($0, nil).maps[0] }, "/resnet/stage2")
            try expectEqual(zip(images, maps).flatMap { try last($0, ($1.classIndex + 1) % 5).maps[0] }, "/resnet/second")
        }
    }

    @Test func gradCAMOfTokens() throws {
        try withProbe("vit") { probe, images in
            // Behind the last block only the class token counts.
            #expect(try probe.gradCAMLayerName() == "block2")
            try expectEqual(images.flatMap { try probe.gradCAM(layer: nil)($0, nil).maps[0] }, "/vit/block2")
        }
    }

    @Test(arguments: ["resnet", "vit"])
    func integratedGradients(name: String) throws {
        try withProbe(name) { probe, images in
            let attribute = try probe.integratedGradients()
            try expectEqual(images.flatMap { try attribute($0, nil).values }, "/\(name)/gradients")
            // Completeness: what all pixels give is the logit less that of a black image.
            let logits = try probe.evaluator(of: [probe.layer("logits")]), nothing = [Float](repeating: 0, count: 5)
            let (index, _, values) = try attribute(images[0], nil)
            let difference = try logits(images[0], nothing)[0].floats[index] - logits([Float](repeating: 0, count: 256), nothing)[0].floats[index]
            #expect(abs(values.reduce(0, +) - difference) < 0.02 * abs(difference))
        }
    }

    @Test func attention() throws {
        try withProbe("vit") { probe, images in
            let maps = try images.map(probe.attentionMaps(layer: "blocks.1"))
            #expect(maps.allSatisfy { $0.layer.path == "blocks.1.attn" && $0.grid == TokenGrid(prefixTokens: 1, rows: 4, columns: 4) })
            try expectEqual(maps.flatMap { $0.heads.flatMap(\.self) }, "/vit/heads")
            try expectEqual(maps.flatMap { $0.rollout ?? [] }, "/vit/rollout")
        }
        for (threads, batchSize) in [(1, 8), (2, 8), (1, 1)] {
            try withProbe("vit", threads: threads, batchSize: batchSize) { probe, images in
                var batches = batchSize == 8 ? [(images.flatMap(\.self) + [Float](repeating: 0, count: 5 * 256), 3)] : images.map { ($0, 1) }
                let distances = try probe.attentionDistances { batches.isEmpty ? nil : batches.removeFirst() }
                #expect(distances.imageCount == 3 && distances.paths == (0..<3).map { "blocks.\($0).attn" })
                try expectEqual(distances.pixels.flatMap { $0.map(Float.init) }, "/vit/distances")
            }
        }
    }

    @Test func positions() throws {
        try withProbe("vit") { probe, _ in
            let found = try probe.positionSimilarities()
            #expect(found.count == 1 && found[0].areTrained && found[0].grid == TokenGrid(prefixTokens: 1, rows: 4, columns: 4))
            try expectEqual(found[0].cosines.flatMap(\.self), "/vit/positions")
        }
    }

    @Test func principalComponents() throws {
        let vectors = try fixture.tensor("/components/vectors").floats
        let found = PrincipalComponents((0..<60).map { Array(vectors[$0 * 20..<($0 + 1) * 20]) })
        try expectEqual(found.points.flatMap { [Float($0.x), Float($0.y)] }, "/components/points")
        let shares = try fixture.tensor("/components/shares").floats
        #expect(abs(Float(found.shares.x) - shares[0]) < 1e-5 && abs(Float(found.shares.y) - shares[1]) < 1e-5)
        #expect(PrincipalComponents([[1, 2], [1, 2]]).points == [.zero, .zero])
        #expect(PrincipalComponents([[1], [3]]).points == [SIMD2(-1, 0), SIMD2(1, 0)])
    }

    @Test func filtersAndLayers() throws {
        try withProbe("resnet") { probe, images in
            let filters = try probe.firstLayerFilters()
            #expect((filters.path, filters.height, filters.width, filters.channels) == ("conv1", 3, 3, 1))
            #expect(filters.filters.flatMap(\.self) == (try fixture.tensor("/resnet/parameters/conv1.weight").floats))
            let tensor = try probe.layer("layer2.0.conv1"), layout = probe.layout(of: tensor.shape)
            #expect((layout.maps, layout.rows, layout.columns) == (8, 8, 8))
            #expect(throws: UserError(.usage, "the model has no layer 'stge2'; did you mean 'stage2'?")) { try probe.layer("stge2") }
            #expect(throws: UserError(.usage, "resnet has no attention; transformers, hybrids and CNNs with attention_after have")) { try probe.attentionLayers() }
            #expect(throws: UserError(.usage, "resnet has no position embeddings; transformers with learned, sincos, factorized or coordinates positions have")) {
                try probe.positionSimilarities()
            }
        }
    }

    /// The grids of every kind of network with attention, and what has none.
    @Test(arguments: [
        ("{vit: {patch: 2, width: 16, depth: 2, heads: 2, pool: mean, position: sincos, registers: 3}}", "3+4×4 3+4×4", true),
        ("{vit: {patch: 2, width: 16, depth: 1, heads: 2, distillation: true, position: factorized}}", "2+4×4", true),
        ("{vit: {patch: 2, width: 16, depth: 1, heads: 2, position: coordinates, local_attention: true}}", "1+4×4", true),
        ("{vit: {patch: 2, width: 16, depth: 1, heads: 2, position: rotary}}", "1+4×4", false),
        ("{cct: {width: 16, depth: 2, heads: 2, convolutions: 1}}", "0+4×4 0+4×4", true),
        ("{resnet: {depth: 8, width: 4, attention_after: [stage2, stage3], attention_heads: 2}}", "0+4×4 0+2×2", false),
        ("{levit: {widths: [16, 24], heads: [2, 2], blocks: [1, 1], patch: 2}}", "0+4×4 0+4×4 0+2×2", false),
        ("{coatnet: {blocks: [1, 1], width: 8, stem_width: 8, stem_stride: 1, head_width: 8, convolution_stages: 1, drop_path: 0}}", "0+2×2", false),
        ("{backbone: {resnet: {depth: 8, width: 4, cut_after: stage2}}, tokens: {patch: 1}, transformer: {width: 16, depth: 1, heads: 2}}", "1+4×4", true),
    ])
    func grids(model: String, expected: String, hasPositions: Bool) throws {
        try withModel(model) { probe in
            let layers = try probe.attentionLayers()
            #expect(layers.map { "\($0.keys.prefixTokens)+\($0.keys.rows)×\($0.keys.columns)" }.joined(separator: " ") == expected)
            let maps = try probe.attentionMaps(layer: nil)((0..<64).map { Float($0 % 7) / 7 })
            for head in maps.heads { #expect(head.allSatisfy { $0 >= 0 } && head.reduce(0, +) < 1.0001 && head.count == layers[layers.count - 1].keys.rows * layers[layers.count - 1].keys.columns) }
            #expect((maps.rollout == nil) == (Set(expected.split(separator: " ")).count > 1))
            if hasPositions {
                let similarity = try probe.positionSimilarities()[0]
                #expect((similarity.grid.rows, similarity.grid.columns) == (4, 4))
                for place in 0..<16 { #expect(abs(similarity.cosines[place][place] - 1) < 1e-5) }
            } else {
                #expect(throws: UserError.self) { try probe.positionSimilarities() }
            }
            _ = try probe.firstLayerFilters()
        }
    }

    @Test func windowsHaveNoMaps() throws {
        try withModel("{swin: {blocks: [1, 1], width: 8, heads: [2, 2], window: 2, patch: 1, drop_path: 0}}") { probe in
            #expect(throws: UserError(.usage, "swin attends within windows, of which no map over the image can be made")) { try probe.attentionLayers() }
        }
        // A window as large as the map is all of it.
        try withModel("{swin: {blocks: [1], width: 8, heads: [2], window: 4, patch: 2, drop_path: 0}}") { probe in
            let layers = try probe.attentionLayers()
            #expect(layers.map(\.keys) == [TokenGrid(prefixTokens: 0, rows: 4, columns: 4)])
        }
        // Some layers in windows, the last over the whole map.
        try withModel("{swin: {blocks: [1, 1], width: 8, heads: [2, 2], window: 4, patch: 1, drop_path: 0}}") { probe in
            let layers = try probe.attentionLayers(), all = probe.attentionPaths
            #expect(all.count == 2 && layers.map(\.path) == [all[1]])
            #expect(throws: UserError(.usage, "'\(all[0])' attends within windows, of which no map over the image can be made; expected one of \(all[1])")) {
                try probe.attentionLayer(all[0])
            }
        }
        try withModel("{backbone: {resnet: {depth: 8, width: 4, cut_after: stage3}}, tokens: {stages: [stage2, stage3], patches: [2, 1]}, transformer: {width: 16, depth: 1, heads: 2}}") { probe in
            #expect(throws: UserError(.usage, "the tokens of the model's attention have no common grid, so no map over the image can be made")) { try probe.attentionLayers() }
            let positions = try probe.positionSimilarities()
            #expect(positions.map { "\($0.grid.rows)×\($0.grid.columns)" } == ["2×2", "2×2"])
        }
    }

    /// A model for 8×8 images with initial weights.
    private func withModel(_ text: String, _ body: (ModelProbe) throws -> Void) throws {
        try withTemporaryFolder { folder in
            let definition = try Definition.model(text), input = ImageShape(height: 8, width: 8, channels: 1)
            let graph = Graph(mode: .evaluation)
            _ = definition.record(graph.input("images", [1, 8, 8, 1]), classes: 5, in: graph.root)
            try graph.validate()
            let store = try ParameterStore(graph, from: Initializers(seed: 1))
            func arrays(_ declared: [Parameter]) -> [NamedArray] { declared.map { NamedArray(name: $0.name, shape: Array($0.shape), values: store.tensor(named: $0.name)!.floats) } }
            try StoredWeights(parameters: arrays(graph.parameters), buffers: arrays(graph.buffers)).write(to: "\(folder)/weights.h5")
            try body(ModelProbe(TrainedModel("m", definition, input: input, classes: 5, weights: "\(folder)/weights.h5"), threads: 1))
        }
    }
}
