import Configuration
import Foundation
import Testing
import Training

/// A configuration node as a literal, all of it on line 1 of x.yaml.
enum Written: Sendable, ExpressibleByStringLiteral, ExpressibleByArrayLiteral, ExpressibleByDictionaryLiteral {
    case text(String), list([Written]), map([(String, Written)])

    init(stringLiteral text: String) { self = .text(text) }
    init(arrayLiteral items: Written...) { self = .list(items) }
    init(dictionaryLiteral entries: (String, Written)...) { self = .map(entries) }

    var node: ConfigurationNode {
        let mark = SourceMark(file: "x.yaml", line: 1)
        let value: ConfigurationNode.Value = switch self {
        case .text(let text): .scalar(text, quoted: false)
        case .list(let items): .list(items.map(\.node))
        case .map(let entries): .map(entries.map { .init(key: $0, mark: mark, node: $1.node) })
        }
        return ConfigurationNode(value, mark: mark)
    }
}

@Suite struct TrainConfigurationTests {
    private func read(_ written: Written) -> (TrainConfiguration, [String]) {
        let errors = ConfigurationErrors()
        var fields = FieldReader(written.node, path: "train", errors: errors)
        let configuration = TrainConfiguration(from: &fields)
        fields.finish()
        return (configuration, errors.messages)
    }

    static let full: Written = [
        "epochs": "4", "batch_size": "64", "shards": "4",
        "optimizer": ["adamw": ["learning_rate": "1e-3", "betas": ["0.8", "0.99"], "epsilon": "1e-6", "weight_decay": "0.05"]],
        "schedule": ["cosine": ["warmup_epochs": "1", "final_factor": "0.01"]],
        "decay_all": "true", "l1": "1e-5", "clip_gradient_norm": "1", "label_smoothing": "0.1", "recompute": "blocks", "layer_statistics": "true",
        "layer_decay": "0.75", "cache_features": "never",
        "early_stopping": ["patience": "3", "metric": "val_loss", "min_delta": "0.001"],
    ]

    @Test func readsEveryKey() {
        let (configuration, errors) = read(Self.full)
        var adam = OptimizerConfiguration.Adam(weightDecay: 0.05)
        adam.betas = [0.8, 0.99]
        adam.epsilon = 1e-6
        var stopping = EarlyStoppingConfiguration()
        (stopping.patience, stopping.metric, stopping.minDelta) = (3, "val_loss", 0.001)
        var expected = TrainConfiguration()
        (expected.epochs, expected.batchSize, expected.shards) = (4, 64, 4)
        expected.optimizer = .adamw(adam)
        expected.schedule = ScheduleConfiguration(.cosine(finalFactor: 0.01), warmupEpochs: 1)
        (expected.decayAll, expected.l1, expected.clipGradientNorm, expected.labelSmoothing) = (true, 1e-5, 1, 0.1)
        (expected.recompute, expected.layerStatistics, expected.earlyStopping) = (.blocks, true, stopping)
        (expected.layerDecay, expected.featureCache) = (0.75, .never)
        #expect(errors == [])
        #expect(configuration == expected)
        // What changes no result is no part of the identity, and what came later is not written at its default.
        (expected.layerDecay, expected.featureCache) = (1, .auto)
        #expect(configuration.identity["layer_decay"] != nil && configuration.identity["cache_features"] == nil)
        #expect(expected.node["layer_decay"] == nil && expected.completeNode["cache_features"] == nil)
    }

    @Test("Without keys, and with bare names, the defaults")
    func defaults() {
        let (empty, none) = read([:])
        #expect(empty == TrainConfiguration())
        #expect(none == [])
        let (configuration, errors) = read(["optimizer": "sgd", "schedule": "cosine", "early_stopping": [:]])
        #expect(errors == [])
        #expect(configuration.optimizer == .sgd(.init()))
        #expect(configuration.schedule == ScheduleConfiguration(.cosine(finalFactor: 0)))
        #expect(configuration.earlyStopping == EarlyStoppingConfiguration())
    }

    @Test("Written, read, the same", arguments: [
        full, [:], ["optimizer": ["sgd": ["momentum": "0.9", "nesterov": "true"]], "schedule": ["step": ["every": "3"]]],
        ["optimizer": "adagrad", "schedule": ["step": ["milestones": ["2", "5"], "factor": "0.2", "warmup_epochs": "0.5"]]],
        ["optimizer": "adam"],
    ] as [Written])
    func whatIsWrittenReadsBack(written: Written) throws {
        let (configuration, errors) = read(written)
        #expect(errors == [])
        var fields = FieldReader(configuration.completeNode, path: "train", errors: ConfigurationErrors())
        #expect(TrainConfiguration(from: &fields) == configuration)
    }

    @Test("One sentence for each mistake", arguments: [
        (["batch_size": "100"], "train.batch_size: found 100, expected a multiple of the 8 shards, such as 96 or 104"),
        (["batch_size": "4"], "train.batch_size: found 4, expected a multiple of the 8 shards, such as 8"),
        (["epochs": "0"], "train.epochs: expected a value from 1 to 1000000, found 0"),
        (["optimiser": "sgd"], "train.optimiser: unknown key 'optimiser'; did you mean 'optimizer'?"),
        (["optimizer": "adamx"], "train.optimizer: unknown optimizer 'adamx'; did you mean 'adam'?"),
        (["optimizer": ["adamw": ["lr": "1"]]],
         "train.optimizer.adamw.lr: unknown key 'lr'; did you mean 'learning_rate'?"),
        (["optimizer": ["adamw": ["betas": ["0.9"]]]],
         "train.optimizer.adamw.betas: expected two numbers from 0 up to but not 1, found 1"),
        (["optimizer": ["sgd": ["nesterov": "true"]]],
         "train.optimizer.sgd.nesterov: found true with a momentum of 0, expected a momentum above 0"),
        (["schedule": "cosin"], "train.schedule: unknown schedule 'cosin'; did you mean 'cosine'?"),
        (["schedule": ["step": ["factor": "0.5"]]], "train.schedule.step: expected either every or milestones, found neither"),
        (["schedule": ["step": ["every": "2", "milestones": ["3"]]]], "train.schedule.step: expected either every or milestones, found both"),
        (["epochs": "2", "schedule": ["cosine": ["warmup_epochs": "3"]]],
         "train.schedule: found 3.0 warm-up epochs, expected at most the 2 of the training"),
        (["clip_gradient_norm": "0"], "train.clip_gradient_norm: found 0, expected a number above 0"),
        (["label_smoothing": "1"], "train.label_smoothing: expected a value from 0.0 up to but not 1.0, found 1.0"),
        (["optimizer": ["adamw": ["learning_rate": "1e-400"]]],
         "train.optimizer.adamw.learning_rate: found 1e-400, expected 0 or a magnitude from 1.18e-38 to 3.40e+38, which single precision can hold"),
        (["optimizer": ["sgd": ["weight_decay": "1e39"]]],
         "train.optimizer.sgd.weight_decay: found 1e39, expected 0 or a magnitude from 1.18e-38 to 3.40e+38, which single precision can hold"),
        (["optimizer": ["adam": ["betas": ["0.9", "0.99999999999"]]]],
         "train.optimizer.adam.betas[1]: found 0.99999999999, which is 1.0 in single precision, expected a value from 0.0 up to but not 1.0"),
        (["layer_decay": "0"], "train.layer_decay: found 0, expected a number above 0, up to 1"),
        (["layer_decay": "1.5"], "train.layer_decay: found 1.5, expected a number above 0, up to 1"),
        (["layer_decay": "-0.5"], "train.layer_decay: found -0.5, expected a number above 0, up to 1"),
        (["layer_decay": "deep"], "train.layer_decay: expected a number, found deep"),
        (["cache_features": "alway"], "train.cache_features: unknown value 'alway'; did you mean 'always'?"),
        (["recompute": "block"], "train.recompute: unknown value 'block'; did you mean 'blocks'?"),
    ] as [(Written, String)])
    func mistakes(written: Written, message: String) {
        #expect(read(written).1 == ["x.yaml:1: \(message)"])
    }
}
