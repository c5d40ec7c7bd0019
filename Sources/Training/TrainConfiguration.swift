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
///       ema: {decay: 0.9998}          # averages of the weights that are evaluated beside them, see `MovingAverageConfiguration` and
///       swa: {start_epoch: 3}         # `StochasticAverageConfiguration`; absent: none
///       early_stopping: {patience: 3, metric: val_accuracy, min_delta: 0}
///       parameters:                   # rules by name, the first that matches counts, see `ParameterRule`
///         - {match: "head.*", learning_rate_factor: 10}
///       layer_decay: 0.75             # the rate of each layer is this part of that of the next one, which is nearer to the head; absent: 1
///       cache_features: auto          # what frozen parameters make of the images is computed once, see `CachedFeatures`; changes no result
///       init_from: {file: vit.h5}     # initial values from weights or another trial, see `WeightOrigin`; absent: from the initializers
///       distill: {teacher: resnet}    # a trained network teaches, see `DistillationConfiguration`; absent: none
///       store_outputs: true           # the model's outputs for validation and test, such as logits, in the run file
///       checkpoint_every_steps: 500   # besides those at the end of every epoch; changes no result
public struct TrainConfiguration: Configurable {
    /// How often every training sample is seen.
    public var epochs = 10
    /// Samples a step.
    public var batchSize = 128
    /// Into how many parts a batch is cut; the result depends on it.
    public var shards = 8
    /// What makes updates of gradients.
    public var optimizer = OptimizerConfiguration.default
    /// How the learning rate changes.
    public var schedule = ScheduleConfiguration()
    /// Whether weight decay takes every parameter and not weights alone.
    public var decayAll = false
    /// The factor of Σ|w| in the loss.
    public var l1 = 0.0
    /// The largest norm of the whole gradient; nil for none.
    public var clipGradientNorm: Double?
    /// The share of a label's weight that all classes get alike.
    public var labelSmoothing = 0.0
    /// Whether the run file keeps what the best weights give for every validation and test image.
    public var storesOutputs = true
    /// Not a key of this map: a definition's own `precision:` says it.
    public var precision = Precision.fp32
    /// What the backward pass computes again in place of keeping it.
    public var recompute = Recomputation.none
    /// Whether activations and gradients are measured layer by layer.
    public var layerStatistics = false
    /// The moving average of the weights; nil for none.
    public var ema: MovingAverageConfiguration?
    /// The equal average of the weights at the ends of epochs; nil for none.
    public var swa: StochasticAverageConfiguration?
    /// When training ends before its last epoch; nil for never.
    public var earlyStopping: EarlyStoppingConfiguration?
    /// How parameters are trained otherwise than the rest, by their names.
    public var parameters: [ParameterRule] = []
    /// By what the learning rate of each layer is multiplied for the layer before it.
    public var layerDecay = 1.0
    /// Whether what no step changes is computed once.
    public var featureCache = FeatureCaching.auto
    /// Where initial values come from; nil: from the initializers.
    public var initialWeights: WeightOrigin?
    /// How a trained network teaches; nil: none does.
    public var distillation: DistillationConfiguration?
    /// A checkpoint is due after every epoch, and after this many steps.
    public var checkpointEverySteps: Int?

    /// What the backward pass computes again instead of keeping it.
    public enum Recomputation: String, CaseIterable, Sendable { case none, blocks }

    /// When the features of frozen parameters are computed once and kept.
    public enum FeatureCaching: String, CaseIterable, Sendable {
        /// Where it can be done and saves something.
        case auto
        /// Always: where it cannot be done, that is an error.
        case always
        case never
    }

    /// A training has at most so many epochs.
    public static let largestEpochCount = 1_000_000

    /// Every key at its default.
    public init() {}

    public static let options: [Key<TrainConfiguration>] = [
        Key("epochs", \.epochs, .integer(in: 1...largestEpochCount), "How many times the training images are seen."),
        Key("shards", \.shards, .integer(in: 1...1_024), "Into how many parts every batch is cut; results depend on it, and never on the number of threads."),
        Key("batch_size", \.batchSize, .integer(in: 1...1_000_000), "How many images make an update; a multiple of the shards."),
        Key("optimizer", \.optimizer, OptimizerConfiguration.kind, "How gradients change the parameters."),
        Key("schedule", \.schedule, ScheduleConfiguration.kind, "How the learning rate changes over the steps."),
        Key("decay_all", \.decayAll, .flag, "Whether weight decay is also of norms, biases, tokens and position embeddings."),
        Key("l1", \.l1, .number(in: 0...), "λ of the penalty λ·Σ|w| over weights."),
        Key("clip_gradient_norm", \.clipGradientNorm, .positive, paper: "Pascanu, Mikolov and Bengio, ICML 2013",
            "Scales all gradients so that their norm is at most this; absent: never."),
        Key("label_smoothing", \.labelSmoothing, .number(in: 0..<1), paper: "Szegedy et al., CVPR 2016",
            "How much of the target's probability goes to all classes alike."),
        Key("recompute", \.recompute, .choice, use: .effort, paper: "Chen et al., 2016 (arXiv:1604.06174)",
            "What is computed again in the backward pass: the same bits in less memory and more time."),
        Key("layer_statistics", \.layerStatistics, .flag, writesDefault: false,
            "Whether the layers' signals and gradients are measured before the first step and after every epoch."),
        Key("ema", \.ema, .map, paper: "Polyak and Juditsky, SIAM Journal on Control and Optimization 30, 1992",
            "An exponential moving average of the weights, which is evaluated beside them and kept as weights/ema.h5; absent: none."),
        Key("swa", \.swa, .map, paper: "Izmailov et al., \"Averaging Weights Leads to Wider Optima and Better Generalization\", UAI 2018",
            "Stochastic weight averaging: the equal average of the weights at the ends of epochs, evaluated beside them and kept as weights/swa.h5; absent: none."),
        Key("early_stopping", \.earlyStopping, .map, "Ends the training when it does not get better any more; absent: never."),
        Key("parameters", \.parameters, .list(of: .map), writesDefault: false,
            "Rules by which some parameters are trained otherwise than the rest; the first that matches a parameter counts."),
        Key("layer_decay", \.layerDecay, .decay, writesDefault: false, paper: "Clark et al., ICLR 2020; Bao et al., ICLR 2022",
            "By what the learning rate is multiplied from layer to layer, from the head down to the images; it goes with the factors of parameters. The layers are timm's."),
        Key("cache_features", \.featureCache, .choice, writesDefault: false, use: .effort,
            "Whether what frozen parameters make of the images before anything that is trained is computed once and kept in memory: the same bits in less time, "
                + "without augmentation. auto: where that saves something and takes no more than a quarter of the memory."),
        Key("init_from", \.initialWeights, .map(orAlone: "file", "the path of a file of weights"),
            "Where the initial values of parameters and buffers come from: a file of weights or another trial; absent: from the initializers."),
        Key("distill", \.distillation, .map, paper: "Hinton, Vinyals and Dean, 2015 (arXiv:1503.02531)",
            "Knowledge distillation: a trained network's softened probabilities as targets beside the task's; absent: none."),
        Key("store_outputs", \.storesOutputs, .flag, writesDefault: false, use: .effort,
            "Whether the run file keeps the model's outputs for the validation and test images, such as logits."),
        Key("checkpoint_every_steps", \.checkpointEverySteps, .integer(in: 1...1_000_000_000), use: .effort,
            "After how many steps a checkpoint is due, besides those at the end of every epoch."),
    ]

    public mutating func check(_ fields: inout FieldReader) {
        if !batchSize.isMultiple(of: shards), !["batch_size", "shards"].contains(where: { fields.errors.hasAny(under: fields.path(of: $0)) }) {
            let below = batchSize / shards * shards
            let near = below > 0 ? "\(below) or \(below + shards)" : "\(shards)"
            fields.report("found \(batchSize), expected a multiple of the \(shards) shards, such as \(near)", at: "batch_size")
        }
        if schedule.warmupEpochs > Double(epochs) {
            fields.report("found \(schedule.warmupEpochs) warm-up epochs, expected at most the \(epochs) of the training", at: "schedule")
        }
        if let swa, swa.startEpoch > epochs, let own = fields.node["swa"] {
            fields.errors.report(
                "found \(grouped(swa.startEpoch)), expected at most the \(grouped(epochs)) epochs of the training", at: own["start_epoch"]?.mark ?? own.mark,
                path: fields.path(of: "swa.start_epoch"))
        }
        if distillation != nil, featureCache == .always {
            fields.report("found always beside distill, whose teacher needs the images; expected auto or never", at: "cache_features")
        }
        if let start = initialWeights?.afterEpoch, start >= epochs {
            fields.report("goes on after \(grouped(start)) epochs, expected fewer than the \(grouped(epochs)) of the training", at: "init_from")
        }
    }
}

/// `early_stopping: {patience: 3, metric: val_accuracy, min_delta: 0}`: ends the training when `metric` has not improved by more than
/// `min_delta` for `patience` epochs in a row.
public struct EarlyStoppingConfiguration: Configurable {
    /// How many epochs without an improvement are waited for.
    public var patience = 5
    /// The name of a monitor, which the task has to have.
    public var metric = "val_accuracy"
    /// How much better an epoch has to be to count.
    public var minDelta = 0.0

    /// Every key at its default.
    public init() {}

    public static let options: [Key<EarlyStoppingConfiguration>] = [
        Key("patience", \.patience, .integer(in: 1...), "After how many epochs without an improvement the training ends."),
        Key("metric", \.metric, .text, "What has to improve: a measure of the task, with `val_` before it."),
        Key("min_delta", \.minDelta, .number(in: 0...), "By how much it has to improve."),
    ]
}

extension OptionKind where Value == Double {
    fileprivate static let decay = Self(
        "a number above 0, up to 1", schema: .range(from: 0, to: 1, isOpen: false),
        read: { fields, key in
            guard let number = fields.number(key) else { return nil }
            if number > 0, number <= 1 { return number }
            fields.report("found \(YAML.line(.scalar(number))), expected a number above 0, up to 1", at: key)
            return nil
        }, write: { .scalar($0) })
}
