import Configuration
import Foundation
import Models
import Tasks
import TensorCore
import VisionData

/// Gives images the style of another one: changes their pixels until a network's features are near those of the image, and their correlations near those of
/// the style (`StyleLosses`).
///
/// Every image is minimized for itself, in a shard of its own, and several images share the threads: the bytes do not depend on the number of either.
/// Everything is computed in float32 with the network as it is evaluated.
public final class StyleTransfer {
    /// What is made small, and how.
    public struct Options: Sendable {
        /// By which steps images are changed.
        public enum Method: String, CaseIterable, Sendable { case lbfgs, adam }

        /// Modules by their paths, or stages, whose features are compared; nil: `StyleTransfer.layers`.
        public var contentLayers: [String]?, styleLayers: [String]?
        /// How much each of the losses counts.
        public var contentWeight = 1.0, styleWeight = 1e6, variationWeight = 0.0
        /// How images are changed.
        public var method = Method.lbfgs
        /// Adam's, on the scale of normalized images.
        public var learningRate = 0.05
        /// How often the losses are evaluated.
        public var steps = 300

        /// What `harness stylize` does unasked.
        public init() {}
    }

    /// The losses of an image, before their weights.
    public struct Losses: Sendable, Equatable {
        /// Of the image's own features, of the correlations, and of neighbouring pixels.
        public let content, style, variation: Double
        /// Weighted and summed.
        public let total: Double
        /// Whether no pixel changes it: all gradients are 0.
        public let isFlat: Bool
    }

    private let trained: TrainedModel
    private let backbone: any BackboneConfiguration
    private let options: Options
    private let threads: Int
    private let store: ParameterStore
    /// The layers that are compared.
    private let contentLayers: [String], styleLayers: [String]

    /// Takes a network with its weights.
    ///
    /// - Throws: `.usage` for a network that has no maps of features, and for a layer that is named twice.
    public init(_ trained: TrainedModel, _ options: Options, threads: Int) throws {
        guard let backbone = trained.definition.configuration as? any BackboneConfiguration else {
            throw UserError(.usage, "\(trained.definition.family) has no stages of feature maps; expected a convolutional network, such as vgg19")
        }
        (self.trained, self.backbone, self.options, self.threads) = (trained, backbone, options, threads)
        let graph = Graph(mode: .evaluation, seed: 0), input = trained.input
        _ = trained.definition.record(graph.input("image", [1, input.height, input.width, input.channels]), classes: trained.classes, in: graph.root)
        store = try ParameterStore(graph, from: trained.weights)
        let usual = Self.layers(of: backbone)
        contentLayers = options.contentLayers ?? usual.content
        styleLayers = options.styleLayers ?? usual.style
        for layers in [contentLayers, styleLayers] {
            if let twin = layers.first(where: { name in layers.count { $0 == name } > 1 }) { throw UserError(.usage, "the layer '\(twin.shortened())' is named twice") }
        }
    }

    /// The layers that are compared where none are named: of VGG-19 those of Gatys et al. (relu4_2, and the first of each block), of other networks the stage
    /// before the last, and all stages.
    private static func layers(of backbone: any BackboneConfiguration) -> (content: [String], style: [String]) {
        if let vgg = backbone as? VGGConfiguration, vgg.norm == .none, vgg.blocks == [2, 2, 4, 4, 4] {
            return (["features.22"], ["features.1", "features.6", "features.11", "features.20", "features.29"])
        }
        let stages = backbone.stageNames
        return ([stages[max(0, stages.count - 2)]], stages)
    }

    /// A recording of the network on images of a size, with the layers that are asked for.
    private func record(_ shape: ImageShape, shards: Int, _ layers: [String]) throws -> (graph: Graph, images: Tensor, features: [Tensor]) {
        let graph = Graph(mode: .evaluation, shardCount: shards, seed: 0), images = graph.input("image", [1, shape.height, shape.width, shape.channels])
        let stages = backbone.makeBackbone(input: shape, through: backbone.lastStage, in: graph.root)(images)
        let features = try layers.map { name -> Tensor in
            guard let found = stages[name] ?? graph.tap(name) else {
                let known = stages.names + graph.tapPaths
                throw UserError(.usage, "\(backboneName) has no layer '\(name.shortened())'\(suggestion(for: name, among: known)); the stages are \(stages.names.joined(separator: ", "))")
            }
            return found
        }
        do { try graph.validate() } catch {
            guard !error.isShortOfMemory, let side = leastSide(beyond: shape) else {
                throw UserError(error.isShortOfMemory ? .internal : .usage, "\(backboneName) does not fit images of \(shape): \(error)")
            }
            throw UserError(.usage, "\(backboneName) does not take images of \(shape); expected sides of at least \(side) pixels (--size)")
        }
        for (name, tensor) in zip(layers, features) where tensor.rank != 4 {
            throw UserError(.usage, "the layer '\(name.shortened())' of \(backboneName) gives \(tensor.shape), which is no feature map")
        }
        return (graph, images, features.map { $0.cast(to: .float32) })
    }

    /// The length that both sides of an image have to have at least; nil where longer ones do not help.
    private func leastSide(beyond shape: ImageShape) -> Int? {
        func fits(_ side: Int) -> Bool {
            let larger = ImageShape(height: max(shape.height, side), width: max(shape.width, side), channels: shape.channels)
            let graph = Graph(mode: .evaluation), images = graph.input("image", [1, larger.height, larger.width, larger.channels])
            _ = backbone.makeBackbone(input: larger, through: backbone.lastStage, in: graph.root)(images)
            return (try? graph.validate()) != nil
        }
        guard var most = (1...10).lazy.map({ 1 << $0 }).first(where: fits) else { return nil }
        while most > 1, fits(most - 1) { most -= 1 }
        return most
    }

    private var backboneName: String { trained.definition.family }

    private func plan(_ graph: Graph, _ outputs: [Tensor], gradients: [Tensor] = [], pool: WorkerPool) throws -> Plan {
        do {
            return try Plan(graph, outputs: outputs + gradients, store: try ParameterStore(graph, from: store), pool: pool, updatesBuffers: false)
        } catch let error as RecordingError {
            throw UserError(error.isShortOfMemory ? .internal : .usage, "\(backboneName): \(error)")
        }
    }

    private var minimizer: any Minimizer.Type { options.method == .lbfgs ? LBFGSMinimizer.self : AdamMinimizer.self }

    /// The bytes of what changes some images: what is minimized with, the best points so far and the present ones.
    private func changingByteCount(_ numbers: Double) -> Double { 4 * numbers * Double(minimizer.vectorCount(after: options.steps) + 2) }

    /// Checks that images fit into the memory, before any of them is read: all pixels at once, and what changes those that are changed together. What the network
    /// needs beside it is known, and checked, when they are changed.
    ///
    /// - Parameter groups: the images' sizes, and how many are changed together.
    /// - Throws: `.internal` when they do not.
    public func requireMemory(for groups: [(shape: ImageShape, count: Int)], style: ImageShape) throws {
        func numbers(_ shape: ImageShape) -> Double { Double(shape.height) * Double(shape.width) * Double(shape.channels) }
        let changed = groups.map { numbers($0.shape) * Double($0.count) }
        let total = 4 * (changed.reduce(numbers(style), +)) + changingByteCount(changed.max() ?? 0)
        guard let shortage = MemoryDemand(total: total).shortage, let largest = (groups.map(\.shape) + [style]).max(by: { numbers($0) < numbers($1) }) else { return }
        throw UserError(.internal, "images of \(largest) need \(shortage); expected a smaller --size")
    }

    /// Changes images, all of one size, from where they start.
    ///
    /// - Parameters:
    ///   - contents: the images, normalized, `[height · width · channels]` each.
    ///   - style: the image with the style, normalized, of any size.
    ///   - start: where to begin; nil: at the images themselves.
    ///   - onStep: is told the losses of all images at each step, counted from 1, and may look at them.
    /// - Returns: the images, normalized.
    /// - Throws: `.usage` when the network does not fit the images or a loss is not finite at the start, `.diverged` when one is later, `.internal` when the memory
    ///   is too small, and what `onStep` throws.
    public func run(
        _ contents: [[Float]], of shape: ImageShape, style: [Float], of styleShape: ImageShape, startingAt start: [[Float]]? = nil,
        onStep: (_ step: Int, _ losses: [Losses], _ images: () -> [[Float]]) throws -> Void
    ) throws -> [[Float]] {
        let count = contents.count, pool = WorkerPool(threads: min(threads, count), shards: count)
        // What is aimed at.
        let styleRecording = try record(styleShape, shards: 1, styleLayers), contentRecording = try record(shape, shards: count, contentLayers)
        let correlations = try values(of: styleRecording.features.map(StyleLosses.gram), in: styleRecording.graph, for: [style])
        let features = try values(of: contentRecording.features, in: contentRecording.graph, for: contents)
        // What is minimized.
        let recorded = try record(shape, shards: count, contentLayers + styleLayers), graph = recorded.graph
        let targets = zip(contentLayers, features).map { name, values in graph.input("content of \(name)", Shape([1] + values.shape.dropFirst())) }
        let content = zip(recorded.features, targets).map { StyleLosses.content($0, $1) }
        let styles = zip(recorded.features.dropFirst(contentLayers.count), correlations).map { StyleLosses.style($0, graph.constant($1)) }
        func mean(_ values: [Tensor]) -> Tensor { values.dropFirst().reduce(values[0], +) * (1 / Float(values.count)) }
        let parts = [mean(content), mean(styles), StyleLosses.variation(recorded.images)]
        let weights = [options.contentWeight, options.styleWeight, options.variationWeight]
        let total = zip(parts, weights).map { $0 * Float($1) }.reduce(graph.constant(HostTensor([1], [Float(0)])), +)
        let gradient = gradients(of: total.sum(axes: [0]).shardSum(), withRespectTo: [recorded.images])
        let plan = try plan(graph, [total] + parts, gradients: gradient, pool: pool)
        // What is minimized with comes to be when the plan is there already.
        let held = Double(plan.summary.arenaByteCount + plan.summary.parameterByteCount), length = shape.count
        let kept = changingByteCount(Double(count * length)) + 4 * Double(features.reduce(0) { $0 + $1.shape.elementCount })
        if let shortage = MemoryDemand(total: held + kept, held: held).shortage { throw UserError(.internal, "\(backboneName): needs \(shortage)") }
        var minimizers = (start ?? contents).map { image -> any Minimizer in
            options.method == .lbfgs ? LBFGSMinimizer(from: image) : AdamMinimizer(from: image, rate: options.learningRate)
        }
        var best = minimizers.map { (value: Double.infinity, point: $0.point) }
        let fed = features.map(\.floats)
        for step in 1...max(1, options.steps) {
            let points = minimizers.map(\.point)
            try feed(plan, [points.flatMap(\.self)] + fed)
            let values = plan.output(0).floats, gradients = plan.output(4).floats, losses = (0..<count).map { image in
                let own = (1...3).map { Double(plan.output($0).floats[image]) }
                let isFlat = gradients[image * length..<(image + 1) * length].allSatisfy { $0 == 0 }
                return Losses(content: own[0], style: own[1], variation: own[2], total: Double(values[image]), isFlat: isFlat)
            }
            // A line search goes back by itself.
            if step == 1 || options.method == .adam, losses.contains(where: { !$0.total.isFinite }) || !gradients.allSatisfy(\.isFinite) {
                guard step > 1 else { throw UserError(.usage, "the losses are no numbers at the first step; expected smaller weights") }
                throw UserError(.diverged, "the losses are no numbers at step \(grouped(step)); expected a smaller --learning-rate")
            }
            for image in 0..<count where losses[image].total < best[image].value { best[image] = (losses[image].total, points[image]) }
            try onStep(step, losses) { best.map(\.point) }
            if step == 1, losses.allSatisfy(\.isFlat) { break }
            gradients.withUnsafeBufferPointer { gradients in
                for image in 0..<count {
                    minimizers[image].take(value: losses[image].total, gradient: UnsafeBufferPointer(rebasing: gradients[image * length..<(image + 1) * length]))
                }
            }
            if minimizers.allSatisfy(\.isDone) { break }
        }
        return best.map(\.point)
    }

    /// Values of a recording for some images.
    private func values(of outputs: [Tensor], in graph: Graph, for images: [[Float]]) throws -> [HostTensor] {
        let pool = WorkerPool(threads: min(threads, images.count), shards: images.count), plan = try plan(graph, outputs, pool: pool)
        try feed(plan, [images.flatMap(\.self)])
        return outputs.indices.map(plan.output)
    }

    private func feed(_ plan: Plan, _ values: [[Float]]) throws {
        func bind(_ rest: ArraySlice<[Float]>, _ pointers: [UnsafeRawPointer]) throws {
            guard let first = rest.first else { return try plan.run(feeding: pointers) }
            try first.withUnsafeBytes { try bind(rest.dropFirst(), pointers + [$0.baseAddress!]) }
        }
        try bind(values[...], [])
    }
}
