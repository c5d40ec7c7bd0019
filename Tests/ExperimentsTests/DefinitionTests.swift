import Configuration
import Testing
import VisionData

@testable import Experiments

/// A definition from text, as if it lay in `x.yaml`.
func definition(_ text: String, _ overrides: String..., registry: Registry = .standard) throws -> Definition {
    var root = try YAML.node(text) { SourceMark(file: "x.yaml", line: $0) }
    for word in overrides { try Override(word: word).apply(to: &root, registry) }
    return try Definition(root, name: "x", registry: registry)
}

let small = """
    data:  {name: digits, augment: [{shift: 1}]}
    train: {epochs: 3, batch_size: 64, optimizer: {adamw: {learning_rate: 1e-3}}, schedule: {cosine: {warmup_epochs: 1}}}
    seeds: [0, 7]
    models:
      vit: {vit: {patch: 2, width: 32, depth: 2, heads: 2}}
      hybrid:
        backbone:    {resnet: {depth: 8, cut_after: stage1}}
        transformer: {width: 32, depth: 1, heads: 2}
    """

@Suite struct DefinitionTests {
    private func messages(_ text: String, _ overrides: String...) -> [String] {
        do {
            var root = try YAML.node(text) { SourceMark(file: "x.yaml", line: $0) }
            for word in overrides { try Override(word: word).apply(to: &root) }
            _ = try Definition(root, name: "x")
            return []
        } catch let error as UserError {
            return error.kind == .usage ? error.message.split(separator: "\n").map(String.init) : ["\(error.kind): \(error)"]
        } catch { return ["another error: \(error)"] }
    }

    @Test func readsEveryPart() throws {
        let read = try definition(small)
        #expect(read.data.source == .named(.digits))
        #expect(read.data.augment == [.shift(pixels: 1)])
        #expect(read.train.epochs == 3 && read.train.batchSize == 64)
        #expect(read.seeds == [0, 7])
        #expect(read.precision == .fp32)
        #expect(read.models.map(\.name) == ["vit", "hybrid"])
        #expect(read.models.map(\.definition.family) == ["vit", "hybrid"])
        #expect(read.trials.map { "\($0.model.name) \($0.seed)" } == ["vit 0", "hybrid 0", "vit 7", "hybrid 7"])
    }

    @Test func overridesReachEveryPart() throws {
        let read = try definition(small, "train.epochs=1", "seeds=3", "models.vit.vit.width=64", "data.augment=[]", "+models.line={logistic_regression: {}}")
        #expect(read.train.epochs == 1)
        #expect(read.seeds == [3])
        #expect(read.data.augment == [])
        #expect(read.models.map(\.name) == ["vit", "hybrid", "line"])
        #expect(read.trials[0].resolvedDefinition.contains("\"width\": 64"))
    }

    @Test func allErrorsComeAtOnceWithLineAndKeyPath() {
        let found = messages("""
            data:  {name: fashion-mnits}
            train: {epochs: four, batchsize: 64, optimizer: {adamw: {learning_rate: -1}}}
            seed:  [0]
            models:
              a: {vit: {patch: 4, width: 97, depth: 6, heads: 3}}
              b: {resnt: {depth: 20}}
              c:
                backbone:    {resnet: {depth: 20, cut_after: stage9}}
                transformer: {width: 96, depth: 4, heads: 3, hats: 1}
            """)
        #expect(found == [
            "x.yaml:1: data.name: unknown data set 'fashion-mnits'; did you mean 'fashion-mnist'?",
            "x.yaml:2: train.epochs: expected an integer, found four",
            "x.yaml:2: train.optimizer.adamw.learning_rate: expected a number of at least 0.0, found -1.0",
            "x.yaml:2: train.batchsize: unknown key 'batchsize'; did you mean 'batch_size'?",
            "x.yaml:5: models.a.vit.heads: 3 heads do not divide the width 97",
            "x.yaml:6: models.b: unknown model 'resnt'; did you mean 'resnet'?",
            "x.yaml:8: models.c.backbone.resnet.cut_after: resnet has no stage 'stage9'; its stages: stem, stage1, stage2, stage3",
            "x.yaml:9: models.c.transformer.hats: unknown key 'hats'; known: attention_dropout, attention_scale, block, depth, drop_path, dropout, heads, initialization, layer_scale, local_attention, mlp, mlp_ratio, norm, norm_epsilon, patch_dropout, position, qk_norm, qkv_bias, registers, width",
            "x.yaml:3: seed: unknown key 'seed'; did you mean 'seeds'?",
        ])
    }

    private static let rest = "models: {a: lenet5}\ndata: {name: digits}"

    @Test(arguments: [
        ("data: {name: digits}", "x.yaml:1: models: expected a map of at least one model, such as {small: {vit: {width: 96}}}, found nothing"),
        ("data: {name: digits}\nmodels: {}",
            "x.yaml:2: models: expected a map of at least one model, such as {small: {vit: {width: 96}}}, found an empty one"),
        ("data: {name: digits}\nmodels: [lenet5]",
            "x.yaml:2: models: expected a map of at least one model, such as {small: {vit: {width: 96}}}, found a list"),
        ("data: {name: digits}\nmodels: {../up: lenet5}", "x.yaml:2: models.../up: expected a name of letters, digits, '_', '-' and '+'"),
        ("models: {a: lenet5}", "x.yaml:1: data: expected a data set: name, hdf5, folder, numpy, coco, fashion_scenes, shapes_3d or sequences_1d"),
        ("\(rest)\nseeds: []", "x.yaml:3: seeds: expected at least one seed, found none"),
        ("\(rest)\nseeds: [1, 1]", "x.yaml:3: seeds: a seed is listed twice"),
        ("\(rest)\nseeds: [-1]", "x.yaml:3: seeds[0]: expected an integer of at least 0, found -1"),
        ("\(rest)\nprecision: fp16", "x.yaml:3: precision: unknown value 'fp16'; known: bf16, fp32"),
        ("\(rest)\ntrain: 4", "x.yaml:3: train: expected a map, found 4"),
        ("\(rest)\ntrain: {batch_size: 100}",
            "x.yaml:3: train.batch_size: found 100, expected a multiple of the 8 shards, such as 96 or 104"),
    ])
    func oneSentence(text: String, sentence: String) {
        #expect(messages(text) == [sentence])
    }

    @Test func anOverrideIsThePlaceOfItsErrors() {
        #expect(messages(small, "train.epoch=1", "models.vit.vit.heads=x") == [
            "override 'train.epoch=1': train.epoch: unknown key 'epoch'; did you mean 'epochs'?",
            "override 'models.vit.vit.heads=x': models.vit.vit.heads: expected an integer, found x",
        ])
    }

    @Test func keepsSomeModels() throws {
        var read = try definition(small)
        try read.keep(models: ["hybrid"])
        #expect(read.models.map(\.name) == ["hybrid"])
        let error = #expect(throws: UserError.self) { try read.keep(models: ["hybird"]) }
        #expect(error?.message == "--only: there is no model 'hybird' in x; did you mean 'hybrid'?")
        #expect(error?.exitCode == 64)
    }

    @Test func modelsFitTheImagesOrAreNamedWithTheirPlace() throws {
        let text = """
            data: {name: digits}
            models:
              a: {vit: {patch: 3, width: 32, depth: 1, heads: 2}}
              b: lenet5
              c:
                backbone:    {resnet: {depth: 20, cut_after: stage2}}
                tokens:      {patch: 3}
                transformer: {width: 32, depth: 1, heads: 2}
            """
        let error = #expect(throws: UserError.self) { try Experiment(definition(text), dataDirectory: nil) }
        #expect(error?.exitCode == 64)
        #expect(error?.message.split(separator: "\n").map { $0.prefix { $0 != " " } } == ["x.yaml:3:", "x.yaml:4:", "x.yaml:7:"])
    }

    @Test func aSmokeTestRunsOnTheDigits() throws {
        var read = try definition("data: {name: mnist, directory: /nowhere, train_examples: 9}\nseeds: [4, 5]\nmodels: {line: logistic-regression}")
        read.makeSmokeTest()
        #expect(read.name == "x-smoke")
        #expect(read.data.source == .named(.digits))
        #expect(read.train.epochs == 1)
        #expect(read.seeds == [4])
        _ = try Experiment(read, dataDirectory: nil)
        // What takes no images of 8×8 pixels has them enlarged, whatever its own data are.
        read = try definition("""
            data: {name: fashion-mnist}
            models:
              line:    logistic-regression
              lenet:   lenet5
              alexnet: {alexnet: {hidden: [8, 8]}, data: {size: 96}}
              vit:     {vit: {patch: 7, width: 8, depth: 1, heads: 1}}
            """)
        read.makeSmokeTest()
        #expect(read.models.map { $0.data?.size?.height } == [nil, 16, 64, 28])
        _ = try Experiment(read, dataDirectory: nil)
    }

    @Test(arguments: [
        ("constant", []), ("{cosine: {warmup_epochs: 1}}", []), ("{step: {every: 2}}", []), ("{step: {milestones: [1, 2]}}", []),
        ("{step: {every: 3}}", ["x.yaml:2: train.schedule.step.every: the training ends after 3 epochs, so nothing changes after 3"]),
        ("{step: {milestones: [2, 3, 40]}}", ["x.yaml:2: train.schedule.step.milestones: the training ends after 3 epochs, so nothing changes after 3, 40"]),
    ])
    func milestonesThatAreNotReachedAreSaid(schedule: String, notes: [String]) throws {
        let text = "data: {name: digits}\ntrain: {epochs: 3, schedule: \(schedule)}\nmodels: {line: logistic-regression}\n"
        #expect(try definition(text).notes == notes)
    }

    @Test("Parameters that a model's training never comes to train are said")
    func unfreezingThatIsNotReached() throws {
        let text = """
            data: {name: digits}
            train: {epochs: 3}
            models:
              a: {mlp: {widths: [4]}, train: {parameters: [{match: "*.bias", freeze_until_epoch: 3}]}}
              b: {mlp: {widths: [4]}, train: {parameters: [{match: "*.bias", freeze_until_epoch: 2}]}}

            """
        #expect(try definition(text).notes == [
            "x.yaml:4: models.a.train.parameters[0].freeze_until_epoch: the training ends after 3 epochs, so these parameters are never trained"
        ])
    }
}
