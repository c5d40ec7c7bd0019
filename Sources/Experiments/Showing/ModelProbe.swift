import Configuration
import Models
import TensorCore
import Training
import VisionData

/// A trained model recorded once more, to be looked into: any value inside it for given images, and the gradients of a class's logit.
///
///     let probe = try ModelProbe(trained, threads: 2)
///     let maps = try probe.values(of: [probe.layer("stage2")], for: image)     // [1, h, w, c]
///
/// Everything is computed in float32, for the images of one batch; results do not depend on the number of threads. Confined to one thread.
public final class ModelProbe {
    /// The model.
    public let trained: TrainedModel
    /// What is recorded. Values are tapped by their paths.
    public let graph: Graph
    /// The images `[B, height, width, channels]` of one shard.
    public let images: Tensor
    /// What the model gives, by name: `logits`, `features.stage1`, …
    public let outputs: NamedOutputs
    /// How many images are computed together.
    public let batchSize: Int
    /// The weights of the logits in the score whose gradients are asked for, `[B, classes]`.
    private let target: Tensor
    private let score: Tensor
    private let backbone: (any Backbone)?
    private let store: ParameterStore
    private let pool: WorkerPool

    /// Records the model and reads its weights.
    ///
    /// - Parameter batchSize: 1, or a multiple of 8.
    /// - Throws: `.usage` for a model that takes images in their own sizes, `.internal` when the memory is too small.
    public init(_ trained: TrainedModel, batchSize: Int = 1, threads: Int) throws {
        precondition(batchSize == 1 || batchSize.isMultiple(of: 8), "a batch of \(batchSize) is neither one image nor cut into 8 equal shards")
        if trained.data?.native != nil { throw UserError(.usage, "the model takes images in their own sizes, which share sequences: what it looks at cannot be shown") }
        let shards = batchSize == 1 ? 1 : 8, input = trained.input
        self.trained = trained
        self.batchSize = batchSize
        pool = WorkerPool(threads: min(threads, shards), shards: shards)
        graph = Graph(mode: .evaluation, shardCount: shards, seed: 0)
        images = graph.input("image", [batchSize / shards, input.height, input.width, input.channels])
        target = graph.input("target", [batchSize / shards, trained.outputs])
        let model = trained.definition.makeModel(input: input, classes: trained.outputs, in: graph.root)
        backbone = model.backbone
        outputs = model(images)
        let logits = outputs.required("logits", in: graph.root)
        // Of a model that answers for every pixel or anchor a number's mean over the image.
        score = ((logits.rank > 2 ? logits.mean(axes: Array(1..<logits.rank - 1)) : logits) * target).sum(axes: [1]).batchMean()
        do { try graph.validate() } catch { throw UserError(error.isShortOfMemory ? .internal : .usage, "the model: \(error)") }
        store = try ParameterStore(graph, from: trained.weights)
    }

    /// A parameter or buffer; nil where there is none of that name.
    public func parameter(_ name: String) -> HostTensor? { store.tensor(named: name) }

    // MARK: Values

    /// Makes what computes some of the graph's values for one batch after another.
    ///
    /// - Returns: takes the pixels of `batchSize` normalized images, and for `score(_:)` and gradients the weights of their logits `[batchSize, classes]`.
    /// - Throws: `.internal` when the memory is too small.
    public func evaluator(of tensors: [Tensor]) throws -> (_ pixels: [Float], _ target: [Float]) throws -> [HostTensor] {
        let plan: Plan
        do {
            plan = try Plan(graph, outputs: tensors.map { $0.cast(to: .float32) }, store: store, pool: pool, updatesBuffers: false)
        } catch let error as RecordingError {
            throw UserError(error.isShortOfMemory ? .internal : .usage, "the model: \(error)")
        }
        let counts = [batchSize * trained.input.count, batchSize * trained.outputs]
        return { pixels, target in
            precondition([pixels.count, target.count] == counts, "a batch has all its images and the weights of their logits")
            try pixels.withUnsafeBytes { pixels in
                try target.withUnsafeBytes { target in try plan.run(feeding: [pixels.baseAddress!, target.baseAddress!]) }
            }
            return tensors.indices.map(plan.output)
        }
    }

    /// Some of the graph's values for one batch.
    public func values(of tensors: [Tensor], for pixels: [Float]) throws -> [HostTensor] {
        try evaluator(of: tensors)(pixels, [Float](repeating: 0, count: batchSize * trained.outputs))
    }

    /// The gradients of the logits that a batch's target weighs, with respect to some of the graph's values; of more than one image divided by their number.
    func gradients(withRespectTo tensors: [Tensor]) -> [Tensor] { TensorCore.gradients(of: score, withRespectTo: tensors) }

    /// The target that asks for one class's logit.
    func target(ofClass index: Int) -> [Float] { (0..<trained.outputs).map { $0 == index ? 1 : 0 } }

    /// The largest class of each pixel of an image, of a model that answers for every pixel.
    ///
    /// - Throws: `.usage` for one that answers for an image.
    public func mask(of pixels: [Float]) throws -> [UInt8] {
        guard trained.definition.answersPixels, let logits = outputs["logits"] else {
            throw UserError(.usage, "\(trained.definition.family) gives one answer for an image; expected a model that answers for every pixel, such as unet")
        }
        let values = try values(of: [logits], for: pixels)[0].floats, classes = trained.outputs
        return stride(from: 0, to: values.count, by: classes).map { start in
            UInt8((1..<max(classes, 1)).reduce(0) { values[start + $1] > values[start + $0] ? $1 : $0 })
        }
    }

    // MARK: Layers

    /// The names of the model's stages, from the images up.
    public var stageNames: [String] { outputs.names.filter { $0.hasPrefix("features.") }.map { String($0.dropFirst("features.".count)) } }

    /// What a stage, an output or the module at a path gives.
    ///
    /// - Throws: `.usage` with the nearest name when there is none.
    public func layer(_ name: String) throws -> Tensor {
        if !name.isEmpty, let found = outputs["features.\(name)"] ?? outputs[name] ?? graph.tap(name) { return found }
        let known = stageNames + graph.tapPaths
        let advice = nearest(to: name, among: known).map { "did you mean '\($0)'?" }
            ?? "the stages are \(stageNames.joined(separator: ", ")), and harness models shows the modules' paths"
        throw UserError(.usage, "the model has no layer '\(name.shortened())'; \(advice)")
    }

    /// The last stage that is a feature map of a convolutional network; of more than one cell where there is one.
    ///
    /// - Returns: its name; nil where no stage is a map.
    public var lastMapName: String? {
        let maps = outputs.entries.filter { $0.name.hasPrefix("features.") && $0.tensor.rank == 4 }
        return (maps.last { $0.tensor.shape[1] * $0.tensor.shape[2] > 1 } ?? maps.last).map { String($0.name.dropFirst("features.".count)) }
    }

    // MARK: Tokens

    /// How many tokens before the patches stand for no place: class token, distillation token, registers.
    var prefixTokens: Int {
        graph.parameters.reduce(0) { count, parameter in
            switch parameter.name.split(separator: ".").last {
            case "cls_token", "dist_token": count + 1
            case "reg_token": count + parameter.shape[1]
            default: count
            }
        }
    }

    /// Whether the first token is a class token.
    var hasClassToken: Bool { graph.parameters.contains { $0.name == "cls_token" } }

    /// The places of the tokens of a stage or an attention that has so many; nil where they have no common grid.
    func grid(ofTokens count: Int) -> TokenGrid? {
        for entry in outputs.entries where entry.name.hasPrefix("features.") && entry.tensor.rank == 3 && entry.tensor.shape[1] == count {
            guard let map = backbone?.featureMap(entry.tensor), map.isValid, map.rank == 4 else { continue }
            let grid = TokenGrid(prefixTokens: prefixTokens, rows: map.shape[1], columns: map.shape[2])
            if grid.tokenCount == count { return grid }
        }
        for entry in outputs.entries where entry.name.hasPrefix("features.") && entry.tensor.rank == 4 && entry.tensor.shape[1] * entry.tensor.shape[2] == count {
            return TokenGrid(prefixTokens: 0, rows: entry.tensor.shape[1], columns: entry.tensor.shape[2])
        }
        return nil
    }
}

/// How what a layer gives for one image is laid out as maps.
public struct MapLayout: Equatable {
    /// How many maps there are, and their size.
    public let maps, rows, columns: Int
    /// How many tokens before the first place are left out.
    let prefix: Int

    /// The maps of an image, from the layer's numbers with the channels last.
    public func maps(_ values: [Float]) -> [[Float]] {
        let first = prefix * maps
        return (0..<maps).map { map in (0..<rows * columns).map { values[first + $0 * maps + map] } }
    }
}

extension ModelProbe {
    /// The layout of a layer's output `[1, …]`: a map for each channel of feature maps and of tokens with places; all else is one map with the last axis as columns.
    public func layout(of shape: Shape) -> MapLayout {
        if shape.rank == 4 { return MapLayout(maps: shape[3], rows: shape[1], columns: shape[2], prefix: 0) }
        if shape.rank == 3, let grid = grid(ofTokens: shape[1]) { return MapLayout(maps: shape[2], rows: grid.rows, columns: grid.columns, prefix: grid.prefixTokens) }
        let columns = shape.rank == 0 ? 1 : shape[-1]
        return MapLayout(maps: 1, rows: shape.elementCount / columns, columns: columns, prefix: 0)
    }

    /// Whether maps of an attention are those of the class token.
    public func usesClassToken(of layer: AttentionLayer) -> Bool { hasClassToken && layer.queries.prefixTokens > 0 }
}
