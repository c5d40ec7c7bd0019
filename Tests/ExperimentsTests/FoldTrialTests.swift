import Configuration
import RunStore
import Testing
import VisionData

@testable import Experiments

/// Folds, subsets and changed labels in definitions: trials, their names, and what does not fit together.
@Suite struct FoldTrialTests {
    @Test func everyFoldIsATrial() throws {
        let names = try definition(small, "data.folds=3").trials.map { trial in trial.name.dropLast(9) }
        #expect(names == [
            "vit-s0-f0", "hybrid-s0-f0", "vit-s0-f1", "hybrid-s0-f1", "vit-s0-f2", "hybrid-s0-f2",
            "vit-s7-f0", "hybrid-s7-f0", "vit-s7-f1", "hybrid-s7-f1", "vit-s7-f2", "hybrid-s7-f2",
        ])
        let hashes = try definition(small, "data.folds=3").trials.map(\.hash)
        #expect(Set(hashes).count == 12)
        let one = try definition(small, "data.folds=3", "data.fold=1").trials
        #expect(one.map(\.name) == [one[0].name, one[1].name, one[2].name, one[3].name] && one.map(\.hash) == [2, 3, 8, 9].map { hashes[$0] })
    }

    @Test(arguments: [
        "data.folds=3", "data={name: digits, folds: 4, fold: 2, split_seed: 3}", "data.classes=[0, 4, 9]", "data.classes=['0', '4']", "data.images_per_class=10",
        "data.label_noise=0.2", "data.label_noise={pair_flip: 0.45}", "data.imbalance=100", "data.sampling=balanced", "task={classification: {class_weights: balanced}}",
        "task={classification: {class_weights: [1, 2, 3, 4, 5, 6, 7, 8, 9, 10]}}",
    ]) func resolvedDefinitionsReadBack(override: String) throws {
        let original = try definition(small, override)
        #expect(try original.trials[0].hash != definition(small).trials[0].hash)
        for trial in original.trials {
            let read = try Definition(resolved: trial.resolvedDefinition, name: "x", place: "run.h5")
            #expect(read.trials.map(\.name) == [trial.name], "\(trial.resolvedDefinition)")
        }
        #expect(try Definition(resolved: original.resolvedText, name: "x", place: "check").trials.map(\.name) == original.trials.map(\.name))
    }

    /// So that a sweep's cell without them is the run that is there.
    @Test(arguments: ["data.label_noise=0", "data.label_noise={pair_flip: 0}", "data.label_noise={uniform: 0}", "data.imbalance=1", "data.sampling=shuffled", "task=classification", "task={classification: {}}"])
    func whatDoesNothingChangesNoHash(override: String) throws {
        let plain = try definition(small).trials[0], written = try definition(small, override).trials[0]
        #expect(written.hash == plain.hash)
        if override.hasPrefix("data") { #expect(written.resolvedDefinition == plain.resolvedDefinition) }
    }

    @Test(arguments: [
        ("data={name: digits, fold: 1}", "override 'data={name: digits, fold: 1}': data.fold: there are no folds of which one is chosen; add their number, such as folds: 5"),
        ("data={name: digits, folds: 3, fold: 3}", "override 'data={name: digits, folds: 3, fold: 3}': data.fold: found 3, expected a number below the 3 folds"),
        ("data.folds=1", "override 'data.folds=1': data.folds: expected a value from 2 to 100, found 1"),
        ("data={name: digits, images_per_class: 3, train_examples: 9}", "override 'data={name: digits, images_per_class: 3, train_examples: 9}': data.images_per_class: found beside 'train_examples', expected one of the two"),
        ("data.classes=[1]", "override 'data.classes=[1]': data.classes: expected a list of at least two classes, by number or name, such as [0, 2]"),
        ("data.label_noise=1", "override 'data.label_noise=1': data.label_noise: expected a value from 0.0 up to but not 1.0, found 1.0"),
        ("data.label_noise={pairs: 0.2}", "override 'data.label_noise={pairs: 0.2}': data.label_noise: unknown kind of noise 'pairs'; known: pair_flip, uniform"),
        ("data.imbalance=0.5", "override 'data.imbalance=0.5': data.imbalance: expected a number of at least 1.0, found 0.5"),
        ("data.sampling=balance", "override 'data.sampling=balance': data.sampling: unknown value 'balance'; did you mean 'balanced'?"),
    ]) func whatDoesNotFitIsAnError(override: String, message: String) throws {
        let error = try #require(throws: UserError.self) { _ = try definition(small, override) }
        #expect("\(error)" == message && error.kind == .usage)
    }

    /// What the data do not have is said at the place where it was asked for.
    @Test func whatTheDataLackHasItsPlace() throws {
        let error = try #require(throws: UserError.self) { _ = try Experiment(definition(small, "data.folds=100", "data.classes=[3, 10]"), dataDirectory: nil) }
        #expect("\(error)" == "override 'data.classes=[3, 10]': data.classes: there is no class 10 in digits, whose classes are 0 to 9")
    }

    @Test func eachFoldHasItsOwnImages() throws {
        let experiment = try Experiment(definition(small, "data.folds=3", "+task={classification: {class_weights: balanced}}", "data.imbalance=4"), dataDirectory: nil)
        #expect(experiment.folds.count == 3)
        let trials = experiment.definition.trials, tests = trials.map { experiment.part(of: $0).dataset.indices(of: .test) }
        #expect(Set(tests.flatMap(\.self)).count == 1437 && tests[0] == tests[1] && Set(tests[0]).isDisjoint(with: tests[2]))
        let description = DataDescription(experiment.part(of: trials[2]).dataset), split = try #require(description.split)
        #expect(split.testIsFold && split.test == tests[2] && split.treatment?.classCounts == experiment.folds[1].dataset.trainingCounts)
        // The plain data set has nothing to tell, and its runs the bytes that they always had.
        #expect(try DataDescription(ImageDataset.load(DataConfiguration(.digits))).split?.treatment == nil)
    }

    private static let chained = """
        data: {name: digits, folds: 3}
        models:
          base:  {mlp: {widths: [4]}}
          tuned: {mlp: {widths: [4]}, train: {init_from: {model: base}}}
        """

    /// What a trial starts from has not seen the images on which the trial is tested.
    @Test func whatATrialStartsFromIsOfTheSameFold() throws {
        let trials = try definition(Self.chained).trials
        #expect(trials.map { "\($0.label)" } == ["base s0 f0", "tuned s0 f0", "base s0 f1", "tuned s0 f1", "base s0 f2", "tuned s0 f2"])
        for index in [1, 3, 5] { #expect(trials[index].source?.trials.map(\.name) == [trials[index - 1].name]) }
        let experiment = try Experiment(definition(Self.chained), dataDirectory: nil)
        #expect(try experiment.part(of: trials[3]).sourceExperiment(of: trials[3])?.dataset.indices(of: .test) == experiment.folds[1].dataset.indices(of: .test))
        let read = try Definition(resolved: trials[3].resolvedDefinition, name: "x", place: "run.h5")
        #expect(read.trials.map(\.name) == [trials[3].name])
    }

    @Test func aSmokeTestHasNoneOfIt() throws {
        var smoke = try definition(small, "data={name: mnist, folds: 9, classes: [1, 2], images_per_class: 3000, imbalance: 1000}", "+task={classification: {class_weights: [1, 2]}}")
        smoke.makeSmokeTest()
        #expect(try Experiment(smoke, dataDirectory: nil).dataset.indices(of: .train).count == 1293)
    }

    @Test func aSweepsTrialsAreFoldsToo() throws {
        let swept = try definition(small, "models={vit: {mlp: {}}}", "data.folds=2", "+sweep={grid: {data.label_noise: [0, 0.2]}, seeds: [1]}")
        let plan = try SweepPlan(swept)
        #expect(plan.entries.map { "\(SweepPlan.label($0))" } == ["vit s1 f0  label_noise=0", "vit s1 f1  label_noise=0", "vit s1 f0  label_noise=0.2", "vit s1 f1  label_noise=0.2"])
        #expect(plan.entries.map(\.cell) == [0, 0, 1, 1])
        let experiments = try plan.check(dataDirectory: nil)
        #expect(experiments.count == 4)
        for entry in plan.entries { #expect(try plan.definition(of: entry).trials.map(\.name) == [entry.name]) }
        #expect(RunFolder.isName(plan.entries[0].name) && RunFolder.isName("a-f1-s0-12345678") && !RunFolder.isName("s0-f1-12345678") && !RunFolder.isName("a-f1-12345678"))
    }
}
