import Configuration
import Foundation
import Measures
import Reports
import RunStore
import TensorCore
import TestSupport
import Testing
import Training

@testable import Experiments

/// `train.ema` and `train.swa` through run files, weights, resuming, longer trainings and verification.
@Suite(.serialized) struct AveragedRunTests {
    private static let averages = "ema: {decay: 0.9, warmup: true}, swa: {start_epoch: 2, learning_rate: 0.01, anneal_epochs: 1}"

    /// Four epochs of 13 steps of a network with batch norms and dropout of its images' order.
    private static func text(_ averages: String = Self.averages, data: String = "{name: digits, augment: [{shift: 1}]}", epochs: Int = 4) -> String {
        """
        data:   \(data)
        train:
          {epochs: \(epochs), batch_size: 96, checkpoint_every_steps: 13, optimizer: {sgd: {learning_rate: 0.05, momentum: 0.9}}\(averages.isEmpty ? "" : ", ")\(averages)}
        models: {net: {resnet: {depth: 8, width: 4}}}

        """
    }

    /// Ends the process's work on a run after a step, as a kill does: what comes after the last checkpoint is lost.
    private final class Killer: TrainingListener {
        struct Kill: Error {}
        let step: Int
        init(after step: Int) { self.step = step }
        func receive(_ event: TrainingEvent, from loop: TrainingLoop) throws {
            if case .stepFinished(let metrics) = event, metrics.step + 1 == step { throw Kill() }
        }
    }

    private func run(
        _ text: String = Self.text(), in results: String, until limit: Int? = nil, killedAfter step: Int? = nil, threads: Int = 1,
        shouldStop: () -> Bool = { false }
    ) throws -> RunFolder {
        let experiment = try Experiment(definition(text), dataDirectory: nil)
        let options = Runner.Options(threads: threads, results: URL(filePath: results), startsOver: false, command: [], epochLimit: limit)
        return try Runner(experiment, options: options, terminal: .silent, watchedBy: step.map { [Killer(after: $0)] } ?? []).run(shouldStop: shouldStop).folders[0]
    }

    private func expectSame(_ a: RunFolder, _ b: RunFolder, _ name: String, _ weights: [RunFolder.Weights] = RunFolder.Weights.allCases) {
        for file in [\RunFolder.runFile] { #expect(FileManager.default.contentsEqual(atPath: a[keyPath: file], andPath: b[keyPath: file]), "\(name)") }
        for which in weights {
            #expect(FileManager.default.contentsEqual(atPath: a.weightsFile(which), andPath: b.weightsFile(which)), "\(name): \(which)")
        }
    }

    private func verify(_ folder: RunFolder) throws -> Verification {
        try Verification(folder, threads: 2, steps: nil, dataDirectory: nil, command: [], terminal: .silent) { false }
    }

    @Test("Killed in the middle of an epoch, at its last step, or interrupted at its end, at one thread or two, it ends in the same bytes, and verifies")
    func isExact() throws {
        try withTemporaryFolder { results in
            let whole = try run(in: "\(results)/whole", threads: 2)
            // The checkpoint of step 26 is that of an epoch whose steps are done and whose statistics are not.
            for (name, step) in [("early", 8), ("last step", 26), ("late", 45)] {
                #expect(throws: Killer.Kill.self) { try run(in: "\(results)/\(name)", killedAfter: step) }
                expectSame(whole, try run(in: "\(results)/\(name)"), name)
            }
            _ = try run(in: "\(results)/cut", until: 3)
            expectSame(whole, try run(in: "\(results)/cut"), "cut")
            let verification = try verify(whole)
            #expect(verification.failure == nil)
            guard case .identical(steps: 52, digests: let count, isWhole: true) = verification.verdict else { Issue.record("\(verification.verdict)"); return }
            #expect(count == 6)

            // A bit of an average that was recorded otherwise is found.
            var contents = try RunReader(whole).contents()
            let place = try #require(contents.description.tensors.firstIndex(of: "swa/fc.weight"))
            contents.digests[count - 1].checksums[place] ^= 1
            try RunWriter(whole).start(contents).finish(.finished)
            guard case .different(let difference) = try verify(whole).verdict else { Issue.record("the change is not found"); return }
            #expect(difference.step == 52 && difference.tensors == ["swa/fc.weight"])
        }
    }

    @Test("A request to end between two batches of the statistics or of an average's validation is heard, and the run ends in the same bytes")
    func interruptedAnywhere() throws {
        try withTemporaryFolder { results in
            var count = 0
            let whole = try run(in: "\(results)/whole") {
                count += 1
                return false
            }
            // 52 steps; of each epoch the validation of the weights and of each average, three times the statistics; validation and test in the end.
            #expect(count > 52 + 3 * 13)
            for moment in stride(from: 20, to: count, by: 31) {
                var rest = moment
                _ = try run(in: "\(results)/\(moment)") {
                    rest -= 1
                    return rest == 0
                }
                #expect(rest == 0)
                expectSame(whole, try run(in: "\(results)/\(moment)"), "\(moment)")
            }
        }
    }

    @Test("The weights are trained as without averages; these have measures and files of their own, which say the same")
    func measuresAndFiles() throws {
        try withTemporaryFolder { results in
            let averages = "ema: {decay: 0.9, warmup: true}, swa: {start_epoch: 2}"
            let plain = try run(Self.text(""), in: "\(results)/plain"), folder = try run(Self.text(averages), in: "\(results)/averaged")
            let one = try RunReader(plain).contents(), two = try RunReader(folder).contents()
            #expect(one.steps.map(\.gradientNorm) == two.steps.map(\.gradientNorm))
            #expect(one.epochs.map { $0.validation[0] } == two.epochs.map { $0.validation[0] })
            let names = ["loss", "accuracy", "ema_loss", "ema_accuracy", "swa_loss", "swa_accuracy"]
            #expect(one.description.measures.map(\.name) == ["loss", "accuracy"] && two.description.measures.map(\.name) == names)
            #expect(one.description.tensors == Array(two.description.tensors[..<one.description.tensors.count]))
            #expect(two.description.tensors.filter { $0.hasPrefix("ema/") }.count == one.description.tensors.count)
            #expect(Array(one.evaluations[.test]!.values) == Array(two.evaluations[.test]!.values[..<2]))
            #expect(one.evaluations[.test]!.tables == two.evaluations[.test]!.tables)
            // No average over epochs before the second one's end.
            #expect(two.epochs.map { $0.validation[4] == nil } == [true, false, false, false])
            #expect(two.epochs.allSatisfy { $0.validation[2] != nil })
            #expect(try WeightsReader(plain.weightsFile(.last)).averages.isEmpty && RunFolder.Weights.allCases.filter { FileManager.default.fileExists(atPath: plain.weightsFile($0)) } == [.last, .best])

            #expect(try verify(folder).failure == nil)
            // Tables and lines for people name them.
            let table = try Comparison([folder]).rendered(as: .table), test = two.evaluations[.test]!.values
            #expect(table.contains("test accuracy  test ema accuracy  test swa accuracy") && [1, 3, 5].allSatisfy { table.contains(decimals(test[$0]!, 4)) }, "\(table)")
            let inspection = try Inspection(folder.path).text
            #expect(inspection.contains("val swa accuracy") && inspection.contains("test ema loss") && inspection.contains("weights/ema.h5 after epoch 4"), "\(inspection)")
            let last = try #require(try RunTail(folder, lastRows: 1).next().lines.last), shown = two.epochs[3].validation.map { decimals($0!, 4) }
            #expect(last.hasSuffix("  validation \(shown[0]) \(shown[1])  ema \(shown[2]) \(shown[3])  swa \(shown[4]) \(shown[5])"), "\(last)")

            // What the files of the averages hold gives the recorded measures, of the test and of the last epoch's validation.
            let experiment = try Experiment(definition(Self.text(averages)), dataDirectory: nil), trial = experiment.definition.trials[0]
            let evaluation = try experiment.evaluation(of: trial, pool: WorkerPool(threads: 1))
            for (which, place) in [(RunFolder.Weights.ema, 2), (.swa, 4)] {
                try WeightsReader(folder.weightsFile(which)).fill(evaluation.arrays)
                let test = try #require(try evaluation.evaluate(.test) { false }), validation = try #require(try evaluation.evaluate(.validation) { false })
                #expect(test.values.values == two.evaluations[.test]!.values[place..<place + 2].map { $0! })
                #expect(validation.values.values == two.epochs[3].validation[place..<place + 2].map { $0! })
            }

            // The equal average is that of the epochs' weights; its running statistics are no average of theirs.
            let ends = try (2...4).map { end in try run(Self.text(averages), in: "\(results)/\(end)", until: end) }
            func values(_ path: String, _ name: String) throws -> [Float] {
                let file = try WeightsReader(path), entry = try #require((file.parameters + file.buffers).first { $0.name == name })
                var values = [Float](repeating: 0, count: entry.count)
                try values.withUnsafeMutableBufferPointer { try file.read(entry, into: $0) }
                return values
            }
            for (name, isMean) in [("conv1.weight", true), ("fc.bias", true), ("bn1.running_var", false)] {
                let mean = try ends.map { try values($0.weightsFile(.last), name) }.reduce([Float](repeating: 0, count: 0)) { sum, next in
                    sum.isEmpty ? next : zip(sum, next).map(+)
                }.map { $0 / 3 }
                let errors = zip(try values(folder.weightsFile(.swa), name), mean).map { abs($0 - $1) }
                #expect((errors.max()! < 1e-6) == isMean, "\(name)")
            }
        }
    }

    @Test("Where nothing is held out for validation the statistics are computed once, at the end; a transformer has none")
    func withoutValidation() throws {
        try withTemporaryFolder { results in
            let text = Self.text(data: "{name: digits, validation: 0}", epochs: 3), whole = try run(text, in: "\(results)/whole"), contents = try RunReader(whole).contents()
            #expect(contents.epochs.allSatisfy { $0.validation.allSatisfy { $0 == nil } } && contents.evaluations[.test]!.values[4]! < 2.5)
            _ = try run(text, in: "\(results)/cut", until: 2)
            expectSame(whole, try run(text, in: "\(results)/cut"), "cut")
            #expect(try verify(whole).failure == nil)
            // What comes last needs no statistics.
            let vit = text.replacing("resnet: {depth: 8, width: 4}", with: "vit: {patch: 4, width: 16, depth: 1, heads: 2}")
            let folder = try run(vit, in: "\(results)/vit")
            #expect(try RunReader(folder).averages() == [.ema, .swa] && verify(folder).failure == nil)
        }
    }

    @Test("A longer training goes on with its averages as if it had been one")
    func longer() throws {
        try withTemporaryFolder { results in
            func text(_ epochs: Int, _ more: String = "") -> String { Self.text(epochs: epochs).replacing("models: {net: {resnet: {depth: 8, width: 4}}}", with: "models: {net: {resnet: {depth: 8, width: 4}}\(more)}") }
            let whole = try run(text(4), in: "\(results)/whole")
            let longer = try definition(text(2, ", longer: {resnet: {depth: 8, width: 4}, train: {epochs: 4, init_from: {model: net, after_epoch: 2}}}"))
            let options = Runner.Options(threads: 2, results: URL(filePath: "\(results)/parts"), startsOver: false, command: [])
            let parts = try Runner(Experiment(longer, dataDirectory: nil), options: options, terminal: .silent).run { false }.folders
            for which in RunFolder.Weights.allCases { #expect(FileManager.default.contentsEqual(atPath: whole.weightsFile(which), andPath: parts[1].weightsFile(which)), "\(which)") }
            let one = try RunReader(whole).contents(), two = try RunReader(parts[1]).contents()
            #expect(one.logDigest == two.logDigest && one.evaluations == two.evaluations)
            #expect(try verify(parts[1]).failure == nil)
        }
    }

    @Test("A missing or changed file of an average is noticed; a model can start from one, and early stopping can watch one")
    func use() throws {
        try withTemporaryFolder { results in
            let text = """
                data:   {name: digits}
                train:  {epochs: 2, batch_size: 96, ema: {}, early_stopping: {metric: val_ema_loss}}
                models:
                  base:  {mlp: {widths: [8]}}
                  tuned: {mlp: {widths: [8]}, train: {epochs: 1, ema: null, early_stopping: null, init_from: {model: base, weights: ema}}}

                """
            func train() throws -> [RunFolder] {
                let options = Runner.Options(threads: 1, results: URL(filePath: results), startsOver: false, command: [])
                return try Runner(Experiment(definition(text), dataDirectory: nil), options: options, terminal: .silent).run { false }.folders
            }
            let folders = try train(), tuned = try RunReader(folders[1]).contents(), first = try #require(tuned.digests.first)
            #expect(try WeightsReader(folders[0].weightsFile(.ema)).firstDifference(from: first, tensors: tuned.description.tensors) == nil)
            #expect(try WeightsReader(folders[0].weightsFile(.best)).firstDifference(from: first, tensors: tuned.description.tensors) != nil)
            #expect(Diagnosis(folders[0]).state == .whole)
            _ = try TrainedModel(of: folders[0], weights: .ema)
            #expect(throws: UserError(.usage, "\(folders[1].runFile): the run has no average of its weights by train.ema")) { try TrainedModel(of: folders[1], weights: .ema) }

            let path = folders[0].weightsFile(.ema), bytes = try Data(contentsOf: URL(filePath: path))
            try FileManager.default.removeItem(atPath: path)
            try FileManager.default.copyItem(atPath: folders[0].weightsFile(.best), toPath: path)
            #expect(Diagnosis(folders[0]).findings.contains { $0.hasPrefix("\(path): ") && $0.contains(" is not what the run recorded after step ") })
            try FileManager.default.removeItem(atPath: path)
            #expect(Diagnosis(folders[0]).findings.contains("\(path): is missing"))
            _ = try train()
            #expect(try Data(contentsOf: URL(filePath: path)) == bytes)
        }
    }

    @Test("A key that is absent changes no hash; what does not fit is said in a sentence", arguments: [
        ("ema: {decay: 1}", "x.yaml:3: train.ema.decay: expected a value from 0.0 up to but not 1.0, found 1.0"),
        ("ema: {warmup_power: 0.5}", "x.yaml:3: train.ema.warmup_power: found without warmup: true, expected either both or neither"),
        ("swa: {}", "x.yaml:3: train.swa.start_epoch: is missing, expected the first epoch at whose end the weights are averaged"),
        ("swa: {start_epoch: 5}", "x.yaml:3: train.swa.start_epoch: found 5, expected at most the 4 epochs of the training"),
        ("swa: {start_epoch: 0}", "x.yaml:3: train.swa.start_epoch: expected a value from 1 to 1000000, found 0"),
        ("swa: {start_epoch: 1, anneal: linear}", "x.yaml:3: train.swa.anneal: found without learning_rate, expected either both or neither"),
        ("swa: {start_epoch: 1}, early_stopping: {metric: val_ema_loss}", "train.early_stopping.metric: the task classification does not measure 'val_ema_loss'"),
    ])
    func badInput(averages: String, sentence: String) throws {
        let plain = try definition(Self.text("")).trials[0]
        #expect(!plain.resolvedDefinition.contains("ema") && !plain.resolvedDefinition.contains("swa"))
        let error = #expect(throws: UserError.self) { _ = try Experiment(definition(Self.text(averages)), dataDirectory: nil) }
        #expect(error?.message.contains(sentence) == true, "\(error?.message ?? "")")
    }

    @Test func aModelCannotStartFromAnAverageThatIsNotKept() throws {
        let text = """
            data:   {name: digits}
            train:  {epochs: 1, batch_size: 96}
            models: {base: {mlp: {widths: [8]}}, tuned: {mlp: {widths: [8]}, train: {init_from: {model: base, weights: swa}}}}

            """
        let error = #expect(throws: UserError.self) { _ = try Experiment(definition(text), dataDirectory: nil) }
        #expect(error?.message.hasSuffix("models.tuned.train.init_from.weights: found swa, but base keeps no such average of its weights; its training needs train.swa") == true, "\(error?.message ?? "")")
    }

    @Test("An average that never began, because the training stopped before it, is missed with a reason")
    func neverBegan() throws {
        let text = """
            data:   {name: digits}
            train:  {epochs: 3, batch_size: 96, swa: {start_epoch: 3}, early_stopping: {patience: 1, metric: val_loss}, optimizer: {sgd: {learning_rate: 0}}}
            models:
              base:  {mlp: {widths: [8]}}
              tuned: {mlp: {widths: [8]}, train: {init_from: {model: base, weights: swa}}}

            """
        try withTemporaryFolder { results in
            let options = Runner.Options(threads: 1, results: URL(filePath: results), startsOver: false, command: [])
            let error = #expect(throws: UserError.self) { _ = try Runner(Experiment(definition(text), dataDirectory: nil), options: options, terminal: .silent).run { false } }
            let reason = "its training ended after epoch 2, by early stopping, before the average began, at the end of epoch 3 (train.swa.start_epoch)"
            #expect(error == UserError(.usage, """
                x.yaml:5: models.tuned.train.init_from.weights: found swa, but base has no such average: \(reason); expected other weights of it, or an earlier start_epoch
                """))
            let folder = try #require(try RunFolder.runs(of: results).first)
            #expect(throws: UserError(.usage, "\(folder.runFile): the run has no average of its weights by train.swa: \(reason)")) { try TrainedModel(of: folder, weights: .swa) }
            let name = (folder.path as NSString).lastPathComponent
            let note = "its training ended after epoch 2, before the average began, at the end of epoch 3 (train.swa.start_epoch)"
            #expect(try Comparison([folder]).notes.contains("\(name) has no test_swa_accuracy: \(note)"))
            var compared = Comparison.Options()
            compared.metric = .test("swa_loss")
            #expect(try Comparison([folder], options: compared).notes == ["\(name) has no test_swa_loss: \(note)"])
            // An average that is there is not spoken of.
            let whole = try run(Self.text("swa: {start_epoch: 2}", epochs: 2), in: "\(results)/whole")
            #expect(try Comparison([whole]).notes == [])
        }
    }
}
