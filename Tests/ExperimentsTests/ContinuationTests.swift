import Configuration
import Foundation
import RunStore
import TestSupport
import Testing
import Training

@testable import Experiments

/// `train.init_from.after_epoch`: a trial that goes on where another one's training ended.
@Suite(.serialized) struct ContinuationTests {
    private static let model = "{vit: {patch: 2, width: 16, depth: 1, heads: 2, dropout: 0.1}"
    private static func head(_ schedule: String, epochs: Int) -> String {
        """
        data:  {name: digits, augment: [{shift: 1}]}
        train: {epochs: \(epochs), batch_size: 64, layer_statistics: true, optimizer: {adamw: {learning_rate: 2e-3}}, schedule: \(schedule)}

        """
    }

    /// Two epochs of `base`, and two more.
    private static func text(_ schedule: String, _ own: String = "", origin: String = "model: base, after_epoch: 2", base: String = "") -> String {
        """
        \(head(schedule, epochs: 2))models:
          base:   \(model)\(base)}
          longer: \(model), train: {epochs: 4, init_from: {\(origin)}\(own)}}

        """
    }

    @discardableResult
    private func run(_ definition: Definition, in results: String, threads: Int = 1, until limit: Int? = nil) throws -> [RunFolder] {
        let options = Runner.Options(threads: threads, results: URL(filePath: results), startsOver: false, command: [], epochLimit: limit)
        return try Runner(Experiment(definition, dataDirectory: nil), options: options, terminal: .silent).run { false }.folders
    }

    private func expectSame(_ a: RunFolder, _ b: RunFolder, _ files: [KeyPath<RunFolder, String>]) {
        for file in files { #expect(FileManager.default.contentsEqual(atPath: a[keyPath: file], andPath: b[keyPath: file]), "\(b[keyPath: file])") }
    }

    private func verify(_ folder: RunFolder, steps: Int? = nil) throws -> Verification.Verdict {
        try Verification(folder, threads: 2, steps: steps, dataDirectory: nil, command: [], terminal: .silent) { false }.verdict
    }

    @Test("With a constant rate or steps it is one training, to the bit: weights, state, log, evaluations", arguments: [
        "constant", "{step: {every: 1, factor: 0.5, warmup_epochs: 0.5}}", "{step: {milestones: [1, 3], factor: 0.1}}",
    ])
    func isOneTraining(schedule: String) throws {
        try withTemporaryFolder { results in
            let whole = try run(definition("\(Self.head(schedule, epochs: 4))models: {longer: \(Self.model)}}\n"), in: "\(results)/whole")[0]
            let parts = try run(definition(Self.text(schedule)), in: "\(results)/parts")
            expectSame(whole, parts[1], [\.lastWeights, \.bestWeights])
            let one = try RunReader(whole).contents(), two = try RunReader(parts[1]).contents()
            #expect(one.steps == two.steps && one.epochs == two.epochs && one.digests == two.digests && one.layers == two.layers)
            #expect(one.evaluations == two.evaluations && two.status == .finished)
            #expect(one.description.trialDigest != two.description.trialDigest)
        }
    }

    @Test("The same files at one thread and two, interrupted and resumed, with and without the run that it continues; and verified")
    func repeats() throws {
        try withTemporaryFolder { results in
            let text = Self.text("{cosine: {warmup_epochs: 1}}"), folders = try run(definition(text), in: "\(results)/whole")
            let all: [KeyPath<RunFolder, String>] = [\.runFile, \.lastWeights, \.bestWeights]
            expectSame(folders[1], try run(definition(text), in: "\(results)/two", threads: 2)[1], all)

            var only = try definition(text)
            try only.keep(models: ["longer"])
            let cut = try run(only, in: "\(results)/cut", until: 3)[0]
            #expect(try RunReader(cut).status == .interrupted && RunReader(cut).epochs().count == 3)
            #expect(try verify(cut) == .identical(steps: RunReader(cut).stepCount(), digests: RunReader(cut).digests().count, isWhole: false))
            try run(only, in: "\(results)/cut")
            expectSame(folders[1], cut, all)

            let stepCount = try RunReader(folders[1]).stepCount(), digestCount = try RunReader(folders[1]).digests().count
            for isThere in [true, false] {
                if !isThere { try FileManager.default.removeItem(atPath: folders[0].path) }
                #expect(try verify(folders[1]) == .identical(steps: stepCount, digests: digestCount, isWhole: true))
                #expect(try verify(folders[1], steps: 7) == .identical(steps: 7, digests: 1, isWhole: false), "within what it has from the other run")
            }
        }
    }

    @Test("A changed number in what a run has from the one that it continues, or behind it, is found", arguments: [3, 60])
    func differencesAreFound(index: Int) throws {
        try withTemporaryFolder { results in
            let folder = try run(definition(Self.text("constant")), in: results)[1]
            var contents = try RunReader(folder).contents()
            #expect(contents.epochs.count == 4 && contents.steps.count / 2 > 3 && contents.steps.count / 2 < 60)
            contents.steps[index].gradientNorm = contents.steps[index].gradientNorm.nextUp
            try RunWriter(folder).start(contents).finish(.finished)
            guard case .different(let difference) = try verify(folder) else {
                Issue.record("the change was not found")
                return
            }
            #expect(difference.step == index + 1 && difference.values.count == 1 && difference.values[0].hasPrefix("gradient norm: "))
        }
    }

    @Test("Best weights of the other training stay the best where nothing better comes, also after an interruption", arguments: ["2e-3", "0"])
    func earlierBestWeights(rate: String) throws {
        try withTemporaryFolder { results in
            // Without a rate nothing gets better, and the first epoch is the best.
            let text = Self.text("constant", ", optimizer: {adamw: {learning_rate: 0}}").replacing("learning_rate: 2e-3", with: "learning_rate: \(rate)")
            let folders = try run(definition(text), in: "\(results)/whole")
            expectSame(folders[0], folders[1], [\.bestWeights])
            let evaluations = try folders.map { try RunReader($0).contents().evaluations }
            #expect(evaluations[0] == evaluations[1])
            guard case .identical(_, _, isWhole: true) = try verify(folders[1]) else {
                Issue.record("the run is not repeated")
                return
            }
            let cut = try run(definition(text), in: "\(results)/cut", until: 3)
            try run(definition(text), in: "\(results)/cut")
            expectSame(folders[1], cut[1], [\.runFile, \.lastWeights, \.bestWeights])
        }
    }

    @Test("Where early stopping ended the other training, its patience starts anew")
    func patience() throws {
        try withTemporaryFolder { results in
            // Nothing gets better without steps: the first epoch is the best, and the second ends the training.
            let stopping = ", train: {epochs: 9, early_stopping: {patience: 1, metric: val_loss}, optimizer: {adamw: {learning_rate: 0}}}"
            let own = ", early_stopping: {patience: 1, metric: val_loss}, optimizer: {adamw: {learning_rate: 0}}"
            let text = Self.text("constant", own, base: stopping).replacing("epochs: 4,", with: "epochs: 8,")
            let folders = try run(definition(text), in: results)
            #expect(try RunReader(folders[0]).epochs().count == 2)
            #expect(try RunReader(folders[1]).epochs().count == 3)
            let never = try definition(Self.text("constant", own, origin: "model: base, after_epoch: 3", base: stopping).replacing("epochs: 4,", with: "epochs: 8,"))
            #expect(throws: UserError(.data, "\(folders[0].path): ended after 2 epochs, expected 3 (train.init_from.after_epoch of longer)")) {
                try run(never, in: results)
            }
        }
    }

    @Test("The other trial, where it ended and for how long it goes on are what a trial is known by; what a run keeps means the same")
    func identity() throws {
        let text = Self.text("constant")
        func trial(_ text: String) throws -> Trial { try #require(try definition(text).trials.last) }
        let own = try trial(text)
        #expect(own.hash != (try definition(text).trials[0].hash))
        let others = [
            text.replacing("epochs: 4,", with: "epochs: 5,"), text.replacing(", after_epoch: 2", with: ", weights: last"),
            text.replacing("dropout: 0.1", with: "dropout: 0.2"),
        ]
        #expect(try Set(others.map { try trial($0).hash } + [own.hash]).count == 4)
        #expect(try trial(text.replacing("after_epoch: 2", with: "after_epoch: 2, weights: last")).identityDigest == own.identityDigest)
        let read = try Definition(resolved: own.resolvedDefinition, name: "x", place: "run.h5")
        #expect(read.trials.map(\.identityDigest) == [own.identityDigest])
        #expect(read.trials.map(\.resolvedDefinition) == [own.resolvedDefinition])
        #expect(try definition(text).trials.map(\.hash) == ["0c778251", "e95b3a91"])
    }

    @Test("What cannot go on is said with its place before anything is trained", arguments: [
        ("model: base, after_epoch: 4", "", "x.yaml:5: models.longer.train.init_from: goes on after 4 epochs, expected fewer than the 4 of the training"),
        ("model: base, after_epoch: 3", "", "x.yaml:5: models.longer.train.init_from.after_epoch: the training of base ends after 2 epochs, expected that number, found 3"),
        ("model: base, after_epoch: 1", "", "x.yaml:5: models.longer.train.init_from.after_epoch: the training of base ends after 2 epochs, expected that number, found 1"),
        ("model: base, after_epoch: 2, seed: 3", "", "x.yaml:5: models.longer.train.init_from.seed: found beside 'after_epoch', expected it in a training of its own alone"),
        ("model: base, after_epoch: 2, except: [head]", "", "x.yaml:5: models.longer.train.init_from.except: found beside 'after_epoch', expected it in a training of its own alone"),
        ("model: base, after_epoch: 2, weights: best", "", "x.yaml:5: models.longer.train.init_from.weights: found best beside 'after_epoch', expected last"),
        ("file: a.h5, after_epoch: 2", "", "x.yaml:5: models.longer.train.init_from.after_epoch: found beside 'file', expected it with 'model' alone"),
        ("model: base, after_epoch: 2", ", batch_size: 32, label_smoothing: 0.1",
            "x.yaml:5: models.longer.train.init_from.after_epoch: the training of base goes on only as it was; other here: train.batch_size, train.label_smoothing"),
        ("model: base, after_epoch: 2", ", optimizer: {sgd: {learning_rate: 2e-3}}",
            "x.yaml:5: models.longer.train.init_from.after_epoch: the training of base goes on only as it was; other here: train.optimizer"),
    ])
    func refusals(origin: String, own: String, sentence: String) throws {
        #expect(throws: UserError(.usage, sentence)) {
            _ = try Experiment(definition(Self.text("constant", own, origin: origin)), dataDirectory: nil)
        }
    }

    @Test("Schedule, learning rate and early stopping may be others")
    func whatMayBeOther() throws {
        let own = ", schedule: constant, optimizer: {adamw: {learning_rate: 1e-4}}, early_stopping: {patience: 3}"
        let experiment = try Experiment(definition(Self.text("{cosine: {}}", own)), dataDirectory: nil)
        #expect(experiment.models.count == 2)
    }
}

extension RunFolder {
    fileprivate var lastWeights: String { weightsFile(.last) }
    fileprivate var bestWeights: String { weightsFile(.best) }
}
