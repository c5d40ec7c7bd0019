import Foundation
import Models
import TensorCore
import TestSupport
import Testing
import Training

/// Networks on views, voxels and sequences, against PyTorch (`Tests/Reference/volume_networks.py`).
struct VolumeNetworkTests {
    struct Case: Decodable, CustomTestStringConvertible, Sendable {
        let definition: String
        let shape: [Int]
        let tensors: [String]
        let logits: [Double]
        let losses: [Double]

        var testDescription: String { definition }
    }

    static let cases: [Case] = {
        let tests = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        return try! JSONDecoder().decode([Case].self, from: Data(contentsOf: tests.appending(path: "Fixtures/volume_networks.json")))
    }()
    private static let classes = 5

    private func fill(_ store: ParameterStore, _ graph: Graph) -> Set<String> {
        let tensors = graph.parameters.map { ($0.name, $0.shape) } + store.bufferEntries.map { ($0.name, $0.shape) }
        for (name, shape) in tensors { store.set(HostTensor(shape, FormulaValues.values(name, shape)), named: name) }
        return Set(tensors.map { "\($0) \($1.dimensions)" })
    }

    @Test("Names, shapes and logits are those of the reference", arguments: cases)
    func reference(_ reference: Case) throws {
        let graph = Graph(), images = graph.input("images", Shape(reference.shape))
        let logits = try definition(reference.definition).logits(images, classes: Self.classes), store = ParameterStore(graph, seed: 0)
        #expect(fill(store, graph) == Set(reference.tensors))
        let found = try evaluate([logits], feeding: [(images, HostTensor(images.shape, FormulaValues.values("images", images.shape)))], store: store)[0].floats
        let range = reference.logits.max()! - reference.logits.min()!
        #expect(found.count == reference.logits.count && zip(found, reference.logits).allSatisfy { abs(Double($0) - $1) <= 1e-4 * range })
    }

    /// Ten steps of SGD with momentum, from the same weights on the same batches; the bits do not depend on the number of threads.
    @Test("Ten training losses are those of the reference", arguments: cases)
    func losses(_ reference: Case) throws {
        let (losses, values) = try train(reference, shards: 2, threads: 1), (others, otherValues) = try train(reference, shards: 2, threads: 2)
        for (step, loss) in losses.enumerated() { assertClose(loss, reference.losses[step], tolerance: 1e-4, "loss of step \(step)") }
        #expect(losses == others && values == otherValues)
    }

    private func train(_ reference: Case, shards: Int, threads: Int) throws -> (losses: [Double], values: [Float]) {
        let batch = reference.shape[0], graph = Graph(mode: .training, shardCount: shards)
        let images = graph.input("images", Shape([batch / shards] + reference.shape.dropFirst()))
        let logits = try definition(reference.definition).logits(images, classes: Self.classes)
        let labels = graph.input("labels", Shape(logits.shape.dropLast()), .int32), losses = logits.softmaxCrossEntropy(labels: labels)
        let loss = (losses.rank > 1 ? losses.mean(axes: Array(1..<losses.rank)) : losses).batchMean()
        let store = ParameterStore(graph, seed: 0), pool = WorkerPool(threads: threads)
        _ = fill(store, graph)
        let plan = try Plan(graph, outputs: [loss], gradients: gradients(of: loss, withRespectTo: graph.parameterTensors), store: store, pool: pool)
        var options = OptimizerConfiguration.SGD()
        (options.learningRate, options.momentum, options.weightDecay) = (0.02, 0.9, 0)
        let optimizer = OptimizerConfiguration.sgd(options), update = Optimizer(optimizer, store: store, pool: pool)
        let answers = labels.shape.elementCount * shards
        let found = try (0..<10).map { step in
            let pixels = FormulaValues.values("images \(step)", Shape(reference.shape)), classes = (0..<answers).map { Int32(($0 + step) % Self.classes) }
            try pixels.withUnsafeBytes { pixels in
                try classes.withUnsafeBytes { classes in try plan.run(feeding: [pixels.baseAddress!, classes.baseAddress!], step: UInt64(step)) }
            }
            update.update(step: step, learningRate: optimizer.learningRate, gradientScale: 1)
            return Double(plan.output(0).floats[0])
        }
        return (found, Array(store.values))
    }

    /// torchvision's r3d_18, and VoxNet's own figure for 40 classes.
    @Test func haveThePublishedNumbersOfParameters() throws {
        func parameters(_ json: String, _ shape: ImageShape, _ classes: Int) throws -> Int {
            try ModelSummary(definition(json), input: shape, classes: classes).parameters
        }
        #expect(try parameters(#"{"resnet3d": {"channels": 3}}"#, ImageShape(height: 112, width: 112, channels: 48), 400) == 33_371_472)
        #expect(try parameters(#"{"voxel_cnn": {}}"#, ImageShape(height: 32, width: 32, channels: 32), 40) == 921_736)
        let presets = ["r3d-18", "voxnet"].compactMap(ModelPreset.named)
        #expect(try presets.map { try ModelSummary($0.definition, input: $0.input, classes: $0.classes).parameters } == [33_371_472, 921_736])
    }

    /// In training an image's answer is that of one of its views, which one depends on the image and the step; in evaluation that of all.
    @Test func trainsOnOneViewOfEachImage() throws {
        func logits(_ json: String, _ mode: Graph.Mode, _ images: [Float], step: UInt64 = 0) throws -> [Float] {
            let graph = Graph(mode: mode, seed: 4), input = graph.input("images", [8, 9, 12, images.count / (8 * 9 * 12)])
            let logits = try definition(json).logits(input, classes: Self.classes), store = ParameterStore(graph, seed: 0)
            _ = fill(store, graph)
            let plan = try Plan(graph, outputs: [logits], store: store, pool: WorkerPool(threads: 1), updatesBuffers: false)
            try images.withUnsafeBytes { try plan.run(feeding: [$0.baseAddress!], step: step) }
            return plan.output(0).floats
        }
        // Eight times the same three views, without norms so that an answer depends on its view alone.
        let views = FormulaValues.values("images", [9, 12, 3]), images = (0..<8).flatMap { _ in views }
        let backbone = #""backbone": {"resnet": {"depth": 8, "width": 4, "norm": {"group": {"groups": 2}}, "cut_after": "stage2"}}, "views": 3, "pooling": "logits""#
        let single = try (0..<3).map { try logits(#"{"mvcnn": {\#(backbone), "seen_views": [\#($0)]}}"#, .evaluation, images) }.map { Array($0[..<Self.classes]) }
        let one = #"{"mvcnn": {\#(backbone), "train_views": "one"}}"#
        func chosen(_ step: UInt64) throws -> [Int?] {
            let found = try logits(one, .training, images, step: step)
            return (0..<8).map { image in
                let own = found[image * Self.classes..<(image + 1) * Self.classes]
                return single.firstIndex { zip($0, own).allSatisfy { abs($0 - $1) < 1e-5 } }
            }
        }
        let steps = try (0..<6).map { try chosen(UInt64($0)) }
        #expect(steps.joined().allSatisfy { $0 != nil } && Set(steps.joined()).count == 3 && Set(steps).count > 1)
        #expect(try chosen(2) == steps[2])
        let mean = (0..<Self.classes).map { place in single.reduce(0) { $0 + $1[place] } / 3 }, found = try logits(one, .evaluation, images)
        #expect(zip(found, mean).allSatisfy { abs($0 - $1) < 1e-5 })
        let two = try logits(#"{"mvcnn": {\#(backbone), "seen_views": [0, 2]}}"#, .evaluation, images)
        #expect((0..<Self.classes).allSatisfy { abs(two[$0] - (single[0][$0] + single[2][$0]) / 2) < 1e-5 })
    }

    /// An answer of a causal network depends on nothing behind its place.
    @Test func causalAnswersSeeNothingThatComesLater() throws {
        let graph = Graph(), images = graph.input("images", [1, 1, 24, 1])
        let logits = try definition(#"{"cnn1d": {"widths": [4, 4], "kernel": 3, "causal": true, "dilated": true, "answer": "positions"}}"#).logits(images, classes: 2)
        let store = ParameterStore(graph, seed: 3)
        var values = FormulaValues.values("sequence", images.shape)
        let before = try evaluate([logits], feeding: [(images, HostTensor(images.shape, values))], store: store)[0].floats
        for place in 12..<24 { values[place] += 1 }
        let after = try evaluate([logits], feeding: [(images, HostTensor(images.shape, values))], store: store)[0].floats
        #expect(before[..<24] == after[..<24] && before[24..<26] != after[24..<26])
    }

    @Test("What does not fit is said in a sentence", arguments: [
        (#"{"mvcnn": {"backbone": {"resnet": {"depth": 8, "cut_after": "stage3"}}, "views": 5}}"#, [32, 32, 12], "5 views do not divide the 12 channels of images of 32×32×12"),
        (#"{"mvcnn": {"backbone": {"resnet": {"depth": 8, "cut_after": "stage2"}}, "pool_after": "stage3"}}"#, [32, 32, 12], "resnet cut after stage2 has no stage 'stage3'; its stages: stem, stage1, stage2"),
        (#"{"mvcnn": {"backbone": {"resnet": {"depth": 8, "cut_after": "stage2"}}, "pool_after": "stem", "pooling": "logits"}}"#, [32, 32, 12], "goes with pooling: max or mean; logits joins the answers"),
        (#"{"mvcnn": {"backbone": {"resnet": {"depth": 8, "cut_after": "stage2"}}, "train_views": "one"}}"#, [32, 32, 12], "goes with pooling: logits or probabilities"),
        (#"{"mvcnn": {"backbone": {"resnet": {"depth": 8, "cut_after": "stage2"}}, "seen_views": [3, 12]}}"#, [32, 32, 12], "found view 12, expected 0 to 11"),
        (#"{"mvcnn": {"backbone": {"resnet": {"depth": 8, "cut_after": "stage2"}}, "seen_views": [3, 3]}}"#, [32, 32, 12], "expected views in ascending order, found [3, 3]"),
        (#"{"mvcnn": {"backbone": {"lenet5": {"cut_after": "stage2"}}, "views": 1}}"#, [8, 8, 1], "lenet5 needs images of at least 12×12 pixels, found 8×8"),
        (#"{"resnet3d": {"channels": 3}}"#, [32, 32, 32], "3 channels at each depth do not divide the 32 channels of images of 32×32×32"),
        (#"{"voxel_cnn": {}}"#, [32, 32, 8], "voxel_cnn needs volumes of at least 11 voxels a side, found 8×32×32"),
        (#"{"cnn1d": {}}"#, [8, 8, 1], "cnn1d takes sequences, images of height 1, such as those of sequences-1d; found images of 8×8×1"),
        (#"{"cnn1d": {"answer": "positions", "pool": "mean"}}"#, [1, 8, 1], "goes with answer: sequence"),
        (#"{"vit": {"patch": 4, "dimensions": 3, "width": 8, "depth": 1, "heads": 2}}"#, [32, 32, 30], "a patch of 4 does not divide the voxels of 30×32×32"),
        (#"{"vit": {"patch": 4, "dimensions": 3, "width": 8, "depth": 1, "heads": 2, "position": "sincos"}}"#, [32, 32, 32], "patches of 3 dimensions have learned positions or none"),
        (#"{"vit": {"patch": 4, "dimensions": 1, "width": 8, "depth": 1, "heads": 2}}"#, [8, 8, 1], "patches of one dimension are those of sequences, images of height 1; found images of 8×8×1"),
        (#"{"vit": {"patch": 4, "dimensions": 1, "stem": "convolutions", "width": 8, "depth": 1, "heads": 2}}"#, [1, 8, 1], "goes with stem: patchify"),
    ] as [(String, [Int], String)])
    func misfitsAreSaid(json: String, shape: [Int], sentence: String) {
        let found = errors(json, ImageShape(height: shape[0], width: shape[1], channels: shape[2]))
        #expect(found.count == 1 && found[0].contains(sentence), "\(found)")
    }
}
