import Configuration
import Models
import Tasks
import TensorCore
import Training
import VisionData

/// A model and a batch size whose training steps `harness bench` times.
public struct Workload: Sendable {
    /// As `harness bench` calls it.
    public let name: String
    /// Images a step.
    public let batchSize: Int
    /// The preset that it trains, with 10 classes.
    private let model: String
    /// Into how many shards a batch is cut; nil: as a definition does that does not say it.
    private let shards: Int?

    /// - Parameter model: nil: the preset of the workload's name.
    private init(name: String, batchSize: Int, model: String? = nil, shards: Int? = nil) {
        (self.name, self.batchSize, self.model, self.shards) = (name, batchSize, model ?? name, shards)
    }

    /// The workloads of `harness bench`, in the order in which it lists them.
    public static let all = [
        Workload(name: "vit-28", batchSize: 64), Workload(name: "resnet18-28", batchSize: 64), Workload(name: "vit-tiny-224", batchSize: 16),
        Workload(name: "resnet18-224", batchSize: 16), Workload(name: "hybrid-28", batchSize: 64),
        Workload(name: "resnet50-224", batchSize: 8, model: "resnet50"), Workload(name: "densenet121-224", batchSize: 8, model: "densenet121"),
        Workload(name: "mobilenetv2-224", batchSize: 16, model: "mobilenet-v2"),
        Workload(name: "convnext-tiny-224", batchSize: 8, model: "convnext-tiny"),
        // Every shard reads all weights, so that large models are faster in few shards; small ones where a shard's values stay in the cache.
        Workload(name: "vgg16-224", batchSize: 8, model: "vgg16", shards: 2), Workload(name: "swin-tiny-224", batchSize: 8, model: "swin-tiny", shards: 4),
        Workload(name: "r26-s32-224", batchSize: 8, model: "r26-s-32", shards: 2), Workload(name: "cct-7-32", batchSize: 64, model: "cct-7-3x1", shards: 32),
        Workload(name: "vit-b-224", batchSize: 8, model: "vit-b-16", shards: 4), Workload(name: "r3d-18-112", batchSize: 4, model: "r3d-18", shards: 2),
        Workload(name: "voxnet-32", batchSize: 32, model: "voxnet"),
    ]
    private static let classCount = 10

    /// A workload, or any other preset with 8 images a step.
    ///
    /// - Throws: `.usage` with the nearest name when there is no such workload or preset.
    public static func named(_ name: String) throws -> Workload {
        if let workload = all.first(where: { $0.name == name }) { return workload }
        if ModelPreset.named(name) != nil { return Workload(name: name, batchSize: 8) }
        let known = all.map(\.name), presets = ModelPreset.all.map(\.name)
        throw UserError(.usage, "unknown workload '\(name)'\(suggestion(for: name, among: nearest(to: name, among: presets).map { [$0] } ?? known))")
    }

    /// Times `steps` whole training steps (forward, backward, AdamW) on synthetic images of 10 classes, of a model that answers for every pixel with a class for each.
    ///
    /// - Parameters:
    ///   - shards: nil for the workload's own number.
    ///   - recompute: what the backward pass computes again.
    ///   - frozen: patterns of the names of parameters that are not trained, as `train.parameters` has them.
    ///   - isProfiled: whether some further steps are taken apart.
    ///   - peak: what the machine reaches, to compare with.
    /// - Throws: `UserError(.usage)` when the batch cannot be cut into `shards`, or a pattern matches no parameter.
    public func measure(
        steps: Int, precision: Precision, shards: Int? = nil, recompute: TrainConfiguration.Recomputation = .none, frozen: [String] = [],
        isProfiled: Bool = false, peak: MachinePeak? = nil, pool: WorkerPool
    ) throws -> BenchmarkResult {
        guard let preset = ModelPreset.named(model) else { preconditionFailure("the workload \(name) trains \(model), which is no preset of Models") }
        var configuration = TrainConfiguration()
        configuration.batchSize = batchSize
        configuration.precision = precision
        configuration.recompute = recompute
        if let shards = shards ?? self.shards { configuration.shards = shards }
        guard batchSize.isMultiple(of: configuration.shards) else {
            throw UserError(.usage, "--shards: expected a divisor of \(batchSize), the batch size of \(name), found \(configuration.shards)")
        }
        if !frozen.isEmpty {
            let names = preset.definition.declarations(input: preset.input, classes: Self.classCount).parameters.map(\.name)
            configuration.parameters = try rules(freezing: frozen, of: names)
        }
        let isOfPixels = preset.definition.answersPixels
        let task: any TrainingTask = isOfPixels ? Segmentation(size: preset.input, classCount: Self.classCount) : Classification(classCount: Self.classCount)
        return try BenchmarkResult(
            measuring: { scope, images in preset.definition.record(images, classes: Self.classCount, in: scope) }, named: name, task: task,
            fields: [.image(preset.input), isOfPixels ? .mask(preset.input, classes: Self.classCount) : .label(classes: Self.classCount)], configuration: configuration, steps: steps, isProfiled: isProfiled, peak: peak, pool: pool)
    }

    private func rules(freezing patterns: [String], of names: [String]) throws -> [ParameterRule] {
        for pattern in patterns.map(NamePattern.init) where !names.contains(where: pattern.matches) {
            throw UserError(.usage, "--freeze: '\(pattern.text.shortened())' matches no parameter of \(name); \(pattern.hint(among: names))")
        }
        if names.allSatisfy({ name in patterns.contains { NamePattern($0).matches(name) } }) {
            throw UserError(.usage, "--freeze: all \(names.count) parameters of \(name) are frozen, expected at least one that is trained")
        }
        return patterns.map { pattern in
            var rule = ParameterRule()
            (rule.match, rule.freeze) = (pattern, true)
            return rule
        }
    }
}
