import Configuration
import TensorCore

/// The `train:` part of a definition.
///
///     train:
///       epochs: 4
///       batch_size: 128
///       shards: 8                     # into which every batch is cut; results depend on it, but never on the number of threads
///       optimizer: {adamw: {learning_rate: 1e-3, weight_decay: 0.05}}
///       schedule: {cosine: {warmup_epochs: 1}}
///       decay_all: false              # true: weight decay also of norms, biases, tokens and position embeddings
///       l1: 0                         # λ of the penalty λ·Σ|w| over weights
///       clip_gradient_norm: 1         # scales all gradients so that their norm is at most this; absent: never
///       label_smoothing: 0
///       recompute: blocks             # transformer blocks are computed again in the backward pass: the same bits in less memory and more time
///       layer_statistics: true        # before the first step and after every epoch, see `LayerStatistics`; absent: never
///       early_stopping: {patience: 3, metric: val_accuracy, min_delta: 0}
///       checkpoint_every_steps: 500   # besides those at the end of every epoch; changes no result
public struct TrainConfiguration: Codable, Sendable, Equatable {
    public var epochs = 10
    public var batchSize = 128
    public var shards = 8
    public var optimizer = OptimizerConfiguration.default
    public var schedule = ScheduleConfiguration()
    public var decayAll = false
    public var l1 = 0.0
    public var clipGradientNorm: Double?
    public var labelSmoothing = 0.0
    /// Not a key of this map: a definition's own `precision:` says it.
    public var precision = Precision.fp32
    /// nil: nothing.
    public var recompute: Recomputation?
    /// nil: no.
    public var layerStatistics: Bool?
    public var earlyStopping: EarlyStoppingConfiguration?
    /// A checkpoint is due after every epoch, and after this many steps.
    public var checkpointEverySteps: Int?

    /// What the backward pass computes again instead of keeping it.
    public enum Recomputation: String, Codable, CaseIterable, Sendable { case none, blocks }

    enum CodingKeys: String, CodingKey {
        case epochs
        case batchSize = "batch_size"
        case shards, optimizer, schedule
        case decayAll = "decay_all"
        case l1
        case clipGradientNorm = "clip_gradient_norm"
        case labelSmoothing = "label_smoothing"
        case recompute
        case layerStatistics = "layer_statistics"
        case earlyStopping = "early_stopping"
        case checkpointEverySteps = "checkpoint_every_steps"
    }

    public init() {}

    /// Reads the map, reporting what is wrong in it, unknown keys included, to the reader's errors.
    public init(from fields: inout FieldReader) {
        epochs = fields.integer("epochs", default: epochs, in: 1...1_000_000)
        shards = fields.integer("shards", default: shards, in: 1...1_024)
        batchSize = fields.integer("batch_size", default: batchSize, in: 1...1_000_000)
        if !batchSize.isMultiple(of: shards) {
            let below = batchSize / shards * shards
            let near = below > 0 ? "\(below) or \(below + shards)" : "\(shards)"
            fields.report("found \(batchSize), expected a multiple of the \(shards) shards, such as \(near)", at: "batch_size")
        }
        optimizer = OptimizerConfiguration("optimizer", from: &fields)
        schedule = ScheduleConfiguration("schedule", from: &fields)
        if schedule.warmupEpochs > Double(epochs) {
            fields.report("found \(schedule.warmupEpochs) warm-up epochs, expected at most the \(epochs) of the training", at: "schedule")
        }
        decayAll = fields.boolean("decay_all", default: decayAll)
        l1 = fields.number("l1", default: l1, in: 0...)
        clipGradientNorm = fields.number("clip_gradient_norm", in: 0...)
        if clipGradientNorm == 0 { fields.report("found 0, expected a number above 0", at: "clip_gradient_norm") }
        labelSmoothing = fields.number("label_smoothing", default: labelSmoothing, in: 0..<1)
        recompute = fields.choice("recompute", default: Recomputation.none) == .blocks ? .blocks : nil
        layerStatistics = fields.boolean("layer_statistics", default: false) ? true : nil
        if var stopping = fields.fields("early_stopping") {
            earlyStopping = EarlyStoppingConfiguration(from: &stopping)
        }
        checkpointEverySteps = fields.integer("checkpoint_every_steps", in: 1...1_000_000_000)
        fields.finish()
    }
}

/// `early_stopping: {patience: 3, metric: val_accuracy, min_delta: 0}`: ends the training when `metric` has not improved by more than
/// `min_delta` for `patience` epochs in a row.
public struct EarlyStoppingConfiguration: Codable, Sendable, Equatable {
    public enum Metric: String, Codable, CaseIterable, Sendable {
        case validationAccuracy = "val_accuracy"
        case validationLoss = "val_loss"
    }

    public var patience = 5
    public var metric = Metric.validationAccuracy
    public var minDelta = 0.0

    enum CodingKeys: String, CodingKey {
        case patience, metric
        case minDelta = "min_delta"
    }

    public init() {}

    init(from fields: inout FieldReader) {
        patience = fields.integer("patience", default: patience, in: 1...)
        metric = fields.choice("metric", default: metric)
        minDelta = fields.number("min_delta", default: minDelta, in: 0...)
        fields.finish()
    }
}
