import Configuration
import Foundation
import RunStore
import Synchronization
import Measures
import TestSupport
import Testing

@testable import Experiments

@Suite struct SweepTests {
    private static let base = """
        data:  {name: digits}
        train: {epochs: 3, batch_size: 64, optimizer: {adamw: {learning_rate: 1e-3}}}
        models:
          vit: {vit: {patch: 2, width: 32, depth: 2, heads: 2}}
          mlp: {mlp: {widths: [8]}}

        """

    /// Line 7 is the first of the sweep.
    private func sweep(_ text: String) throws -> Definition {
        try definition(Self.base + "sweep:\n" + text.split(separator: "\n").map { "  \($0)\n" }.joined())
    }

    private func plan(_ text: String) throws -> SweepPlan { try SweepPlan(sweep(text)) }

    private func cells(_ text: String) throws -> [String] {
        try assignments(sweep(text)).map { cell in
            cell.map { "\($0.key.split(separator: ".").last ?? "")=\(YAML.line($0.value))" }.joined(separator: " ")
        }
    }

    private func assignments(_ definition: Definition) throws -> [[SweepAssignment]] {
        try definition.cells(of: #require(definition.sweep)).map(\.assignments)
    }

    // MARK: Cells

    @Test(arguments: [
        ("grid: {train.epochs: [1, 2], train.batch_size: [32, 64]}",
            ["epochs=1 batch_size=32", "epochs=1 batch_size=64", "epochs=2 batch_size=32", "epochs=2 batch_size=64"]),
        ("zip: {models.vit.vit.width: [32, 64], models.vit.vit.heads: [2, 4]}", ["width=32 heads=2", "width=64 heads=4"]),
        ("zip: [{train.epochs: [1, 2]}, {train.batch_size: [32, 64]}]",
            ["epochs=1 batch_size=32", "epochs=1 batch_size=64", "epochs=2 batch_size=32", "epochs=2 batch_size=64"]),
        ("list: [{train.epochs: 1}, {train.batch_size: 64, train.l1: 1e-5}, {}]", ["epochs=1", "batch_size=64 l1=1e-5", ""]),
        ("grid: {train.epochs: [1, 2]}\nlist: [{train.l1: 0}, {train.l1: 1}]", ["epochs=1 l1=0", "epochs=1 l1=1", "epochs=2 l1=0", "epochs=2 l1=1"]),
        ("seeds: [1, 2]", [""]),
        ("grid: {train.epochs: [1, 2, 3], train.l1: [0, 0.1]}\nexclude: [{train.epochs: 2}, {train.epochs: {above: 2}, train.l1: 0.10}]",
            ["epochs=1 l1=0", "epochs=1 l1=0.1", "epochs=3 l1=0"]),
        ("grid: {train.epochs: [1, 2, 3], train.l1: [0, 0.1]}\nwhere: {train.epochs: [1, 3], train.l1: {below: 0.1}}", ["epochs=1 l1=0", "epochs=3 l1=0"]),
        ("grid: {train.epochs: [1, 2, 3, 4]}\nwhere: {train.epochs: {at_least: 2, at_most: 3}}", ["epochs=2", "epochs=3"]),
        ("grid: {train.optimizer: [sgd, {adamw: {}}], train.epochs: [1, 2]}\nexclude: {train.optimizer: adamw, train.epochs: 2}",
            ["optimizer=sgd epochs=1", "optimizer=sgd epochs=2", "optimizer={adamw: {}} epochs=1"]),
        // A value that the sweep leaves alone can be a condition.
        ("grid: {train.epochs: [1, 2]}\nwhere: {data.name: digits}", ["epochs=1", "epochs=2"]),
    ])
    func cellsOfEveryKind(text: String, expected: [String]) throws {
        #expect(try cells(text) == expected)
    }

    /// Depth is a key of its own, in the cells and in what their runs keep.
    @Test func theDepthOfEqualLayersCanBeSwept() throws {
        let text = Self.base.replacing("{widths: [8]}", with: "{width: 8, depth: 2}") + "sweep: {grid: {models.mlp.mlp.depth: [10, 30]}}\n"
        let plan = try SweepPlan(definition(text))
        let stored = plan.entries.filter { $0.model == "mlp" }.map(\.configuration)
        #expect(stored.count == 2)
        for (depth, configuration) in zip([10, 30], stored) {
            #expect(configuration.contains(#""depth": \#(depth)"#) && configuration.contains(#""width": 8"#) && !configuration.contains("widths"))
        }
    }

    @Test func cellsThatDoNotFitCanBeLeftOut() throws {
        let grid = "grid: {models.vit.vit.width: [30, 32], models.vit.vit.heads: [2, 4]}"
        let error = #expect(throws: UserError.self) { try cells(grid) }
        #expect(error == UserError(.usage, "x.yaml:7: models.vit.vit.heads: 4 heads do not divide the width 30"))
        #expect(try cells(grid + "\nexclude: {models.vit.vit.width: 30, models.vit.vit.heads: 4}").count == 3)
    }

    @Test func randomCellsAreAFunctionOfSeedKeyAndIndex() throws {
        let draw = "draw: {train.optimizer.adamw.learning_rate: {log_uniform: [1e-4, 1e-1]}, train.l1: {uniform: [0, 1]}"
        let three = try cells("random: {count: 3, seed: 5, \(draw)}}")
        #expect(three.count == 3 && Set(three).count == 3)
        #expect(try cells("random: {count: 3, seed: 5, \(draw)}}") == three)
        #expect(try Array(cells("random: {count: 8, seed: 5, \(draw)}}").prefix(3)) == three, "more draws keep the first")
        #expect(try cells("random: {count: 3, seed: 5, \(draw), train.epochs: {integer: [1, 3]}}}").map { $0.replacing(/\ epochs=.*/, with: "") } == three)
        #expect(try cells("random: {count: 3, seed: 6, \(draw)}}") != three)
    }

    @Test func drawsFillTheirRanges() throws {
        let text = """
            random:
              count: 400
              draw:
                train.optimizer.adamw.learning_rate: {log_uniform: [1e-4, 1e-1]}
                train.l1: {uniform: [2, 4]}
                train.epochs: {integer: [1, 3]}
                train.schedule: {choice: [constant, {cosine: {}}]}
            """
        let drawn = try assignments(sweep(text))
        let rates = drawn.compactMap { Double(YAML.line($0[0].value)) }, uniform = drawn.compactMap { Double(YAML.line($0[1].value)) }
        #expect(rates.count == 400 && rates.allSatisfy { (1e-4...1e-1).contains($0) } && uniform.allSatisfy { (2...4).contains($0) })
        // Uniform in the logarithm: a third of the draws for each decade, within five standard deviations.
        #expect(abs(rates.count { $0 < 1e-3 } - 133) < 48 && abs(rates.count { $0 > 1e-2 } - 133) < 48)
        #expect(abs(uniform.reduce(0, +) / 400 - 3) < 0.15)
        #expect(Set(drawn.map { YAML.line($0[2].value) }) == ["1", "2", "3"])
        #expect(Set(drawn.map { YAML.line($0[3].value) }) == ["constant", "{cosine: {}}"])
    }

    // MARK: Plans

    @Test func aTrialThatSeveralCellsBringCountsOnce() throws {
        let plan = try plan("grid: {models.vit.vit.depth: [2, 3], train.epochs: [1, 2]}\nseeds: [4, 5]")
        #expect(plan.entries.map { "\($0.model) \($0.seed) \(SweepPlan.valueText($0))" } == [
            "vit 4 depth=2 epochs=1", "mlp 4 epochs=1", "vit 4 depth=2 epochs=2", "mlp 4 epochs=2", "vit 4 depth=3 epochs=1", "vit 4 depth=3 epochs=2",
            "vit 5 depth=2 epochs=1", "mlp 5 epochs=1", "vit 5 depth=2 epochs=2", "mlp 5 epochs=2", "vit 5 depth=3 epochs=1", "vit 5 depth=3 epochs=2",
        ])
        // An entry is a trial of its own, whatever the definition says later.
        let trial = try plan.definition(of: plan.entries[4]).trials
        #expect(trial.map(\.name) == [plan.entries[4].name])
        #expect(try SweepPlan(sweep("seeds: [1]")).entries.map(\.name) == definition(Self.base, "seeds=[1]").trials.map(\.name))
    }

    @Test func whatTheCommandLineChangesCounts() throws {
        let definition = try sweep("grid: {train.epochs: [1, 2]}\nseeds: [4, 5]")
        let plan = try SweepPlan(definition) {
            $0.seeds = [7]
            try $0.keep(models: ["mlp"])
        }
        #expect(plan.entries.map { "\($0.model) \($0.seed)" } == ["mlp 7", "mlp 7"])
        #expect(try SweepPlan(definition) { $0.makeSmokeTest() }.entries.map { "\($0.model) \($0.seed)" } == ["vit 4", "mlp 4"])
    }

    @Test func plansAgainstEarlierOnes() throws {
        let grid = "grid: {train.epochs: [1, 2]}"
        let frozen = try plan(grid)
        #expect(try plan(grid).relation(to: frozen) == .same)
        #expect(try plan("grid: {train.epochs: [3, 1, 2]}").relation(to: frozen) == .extended(by: 2))
        #expect(try plan("grid: {train.epochs: [2, 3]}").relation(to: frozen)
            == .contradicts("2 of its 4 trials are not in the definition any more, 2 would be new"))
        #expect(try plan(grid + "\nhalving: {}").relation(to: frozen) == .contradicts("halving is another"))
        var done = frozen
        for index in done.entries.indices { done.file.entries[index].outcome = index == 0 ? .diverged : .finished }
        #expect(try plan("grid: {train.epochs: [2, 3]}").relation(to: done) == .follows)
    }

    // MARK: Halving

    @Test(arguments: [
        ([0.1, 0.5, 0.3, 0.4, 0.2, 0.6], 3, [1, 5]), ([0.5, 0.5, 0.5], 3, [0]), ([0.1, nil, .nan, 0.05], 2, [0, 3]), ([nil, nil], 2, []), ([0.3], 3, [0]),
        ([0.1, 0.2, 0.3, 0.4, 0.5], 2, [3, 4]),
    ] as [([Double?], Int, [Int])])
    func theBestGoOn(values: [Double?], factor: Int, survivors: [Int]) {
        #expect(Halving(metric: "val_accuracy", factor: factor, first: 1).survivors(of: values, by: Monitor(.accuracy), after: 1) == Set(survivors))
        let losses = values.map { $0.map { 1 - $0 } }
        #expect(Halving(metric: "val_loss", factor: factor, first: 1).survivors(of: losses, by: Monitor(.loss), after: 1) == Set(survivors))
    }

    @Test(arguments: [(1, 3, 27, [1, 3, 9]), (2, 2, 8, [2, 4]), (1, 2, 1, []), (5, 3, 4, [])]) func rungs(first: Int, factor: Int, epochs: Int, expected: [Int]) {
        #expect(Halving(metric: "val_loss", factor: factor, first: first).rungs(epochs: epochs) == expected)
    }

    @Test func allSeedsOfACellGoOnOrNone() throws {
        var plan = try plan("grid: {train.l1: [0, 1, 2, 3]}\nseeds: [0, 1]\nhalving: {factor: 2}")
        #expect(plan.rungs == [1, 2])
        /// Cell 1 is best on average, cell 3 in one seed; the mlp's order is the other way round.
        func value(_ entry: SweepFile.Entry) -> Double {
            let vit = [[0.1, 0.2], [0.6, 0.6], [0.5, 0.5], [0.9, 0.0]][entry.cell][entry.seed]
            return entry.model == "vit" ? vit : -vit
        }
        func losers(after epochs: Int) throws -> [String] {
            try plan.losers(after: epochs) { records(value($0), epochs: $0.outcome == .diverged ? epochs - 1 : epochs) }
                .map { "\($0.model) \($0.cell) \($0.seed)" }.sorted()
        }
        let first = ["vit 0 0", "vit 3 0", "vit 0 1", "vit 3 1", "mlp 1 0", "mlp 2 0", "mlp 1 1", "mlp 2 1"]
        #expect(try losers(after: 1) == first.sorted())
        for index in plan.entries.indices where first.contains("\(plan.entries[index].model) \(plan.entries[index].cell) \(plan.entries[index].seed)") {
            plan.file.entries[index].outcome = .stopped(epoch: 1)
        }
        #expect(try losers(after: 1) == [], "what was decided is decided the same again")
        #expect(try losers(after: 2) == ["mlp 3 0", "mlp 3 1", "vit 2 0", "vit 2 1"])
        plan.file.entries[2].outcome = .diverged
        #expect(plan.entries[2].model == "vit" && plan.entries[2].cell == 1)
        #expect(try losers(after: 2) == ["mlp 3 0", "mlp 3 1", "vit 1 1"], "a cell with a lost seed is worse than any")
    }

    private func records(_ value: Double, epochs: Int) -> TrialHistory {
        TrialHistory([.loss, .accuracy], (0..<epochs).map { EpochRecord(epoch: $0 + 1, trainLoss: 0, trainAccuracy: 0, valLoss: nil, valAccuracy: value) })
    }

    /// Takes nine cells through the rungs at 1 and 3 epochs and returns who is left. Those in `lost` diverge in the first epoch or fail; those in
    /// `elsewhere` are finished already.
    private func survivors(lost: Set<Int>, fails: Bool = false, elsewhere: Set<Int> = []) throws -> [Int] {
        let text = Self.base.replacing("epochs: 3", with: "epochs: 9") + "sweep: {grid: {train.l1: [0, 1, 2, 3, 4, 5, 6, 7, 8]}, halving: {}}\n"
        var plan = try SweepPlan(definition(text)) { try $0.keep(models: ["vit"]) }
        for index in plan.entries.indices {
            if lost.contains(index) { plan.file.entries[index].outcome = fails ? .failed("no memory") : .diverged }
            if elsewhere.subtracting(lost).contains(index) { plan.file.entries[index].outcome = .finished }
        }
        #expect(plan.rungs == [1, 3])
        for rung in plan.rungs {
            let losers = try plan.losers(after: rung) { entry in
                let recorded = lost.contains(entry.cell) ? 0 : elsewhere.contains(entry.cell) ? 9 : rung
                return records(Double(entry.cell) / 10, epochs: recorded)
            }
            for index in plan.entries.indices where losers.contains(plan.entries[index]) { plan.file.entries[index].outcome = .stopped(epoch: rung) }
        }
        return plan.entries.filter { $0.outcome == .planned || $0.outcome == .finished }.map(\.cell)
    }

    /// Whoever is out takes no place at a later rung.
    @Test(arguments: [false, true]) func lostCellsTakeNoPlaces(fails: Bool) throws {
        #expect(try survivors(lost: [], fails: fails) == [8])
        #expect(try survivors(lost: [6, 7, 8], fails: fails) == [5])
        #expect(try survivors(lost: [0, 2, 3, 5, 6, 8], fails: fails) == [7], "all of the three that are left go on, and then one")
        #expect(try survivors(lost: Set(0..<8), fails: fails) == [8])
        #expect(try survivors(lost: Set(0..<9), fails: fails) == [])
    }

    /// A trial that was finished elsewhere is judged as if it had been trained here.
    @Test func whatIsFinishedElsewhereChangesNothing() throws {
        for elsewhere in [[0], [8], [3, 7], Set(0..<9)] as [Set<Int>] { #expect(try survivors(lost: [6], elsewhere: elsewhere) == [8], "\(elsewhere)") }
    }

    // MARK: Progress

    /// Where lines are not rewritten, the whole gets one now and then, with the time left.
    @Test func progressInAFile() throws {
        let lines = Mutex<[String]>([])
        let progress = SweepProgress(count: 4, done: 1, terminal: Terminal { line in lines.withLock { $0.append(line) } }, firstLine: .milliseconds(20))
        progress.begin("a")
        progress.advance("a", by: "a epoch 1/4", share: 0)
        usleep(30_000)
        progress.advance("a", by: "a epoch 2/4", share: 0.25)
        progress.advance("a", by: "a epoch 2/4", share: 0.3)
        progress.end("a", lines: ["a  test accuracy 1"], isDone: true)
        let said = lines.withLock { $0 }
        try #require(said.count == 3, "\(said)")
        #expect(said[0] == "4 trials, 1 done, 3 left")
        #expect(said[1].wholeMatch(of: /1\/4 done  1 running  2 left  \d+ s left  │ a epoch 2\/4/) != nil, "\(said)")
        #expect(said[2] == "2/4  a  test accuracy 1")
    }

    // MARK: Bad input

    @Test(arguments: [
        ("grid: {train.epoch: [1]}", "x.yaml:7: train.epoch: unknown key 'epoch'; did you mean 'epochs'?"),
        ("grid: {train.epochs: [1, four]}", "x.yaml:7: train.epochs: expected an integer, found four"),
        ("grid: {models.vti.vit.depth: [1]}", "x.yaml:7: models.vti: there is no model 'vti'; did you mean 'vit'? (+models.vti=… adds one)"),
        ("grid: {models.vit.resnet.depth: [8]}", "x.yaml:7: models.vit.resnet: models.vit is vit (x.yaml:4); models.vit={resnet: {…}} makes it resnet"),
        ("grid: {train.epochs: []}", "x.yaml:7: sweep.grid.train.epochs: expected a list of at least one value, found an empty one"),
        ("grid: {train.epochs: 3}", "x.yaml:7: sweep.grid.train.epochs: expected a list of at least one value, found 3"),
        ("grid: {}", "x.yaml:7: sweep.grid: expected a map of at least one key, found an empty one"),
        ("gird: {train.epochs: [1]}", "x.yaml:7: sweep.gird: unknown key 'gird'; did you mean 'grid'?"),
        ("grid: {train.epochs: [1]}\nlist: [{train.epochs: 2}]", "x.yaml:8: sweep.list: train.epochs is swept twice, first at x.yaml:7"),
        ("grid: {seeds: [1, 2]}", "x.yaml:7: sweep.grid.seeds: 'seeds' cannot be swept; sweep.seeds lists them"),
        ("zip: {train.epochs: [1, 2], train.l1: [0]}", "x.yaml:7: sweep.zip.train.l1: expected 2 values like train.epochs, found 1"),
        ("list: []", "x.yaml:7: sweep.list: expected a list of at least one map of keys and values, found an empty one"),
        ("random: {draw: {train.l1: {uniform: [0, 1]}}}", "x.yaml:7: sweep.random.count: missing; expected how many cells to draw"),
        ("random: {count: 2, draw: {train.l1: {unifrom: [0, 1]}}}", "x.yaml:7: sweep.random.draw.train.l1: unknown distribution 'unifrom'; did you mean 'uniform'?"),
        ("random: {count: 2, draw: {train.l1: {log_uniform: [0, 1]}}}",
            "x.yaml:7: sweep.random.draw.train.l1.log_uniform: expected bounds above 0, found [0, 1]"),
        ("random: {count: 2, draw: {train.l1: {uniform: [2, 1]}}}",
            "x.yaml:7: sweep.random.draw.train.l1.uniform: expected two numbers, [from, to], found [2, 1]"),
        ("grid: {train.epochs: [1]}\nexclude: {train.epochs: 1}", "x.yaml:6: sweep: no cell is left of 1"),
        ("grid: {train.epochs: [1]}\nexclude: {train.epoch: 1}", "x.yaml:8: sweep: no cell has the key 'train.epoch'; did you mean 'train.epochs'?"),
        ("grid: {train.epochs: [1]}\nexclude: {train.epochs: {abvoe: 1}}", "x.yaml:8: sweep.exclude.train.epochs: unknown bound 'abvoe'; did you mean 'above'?"),
        ("grid: {train.epochs: [1]}\nseeds: []", "x.yaml:8: sweep.seeds: expected at least one seed, found none"),
        ("halving: {factor: 1}", "x.yaml:7: sweep.halving.factor: expected a value from 2 to 100, found 1"),
        ("random: {count: 9000, draw: {train.l1: {uniform: [0, 1]}}}\ngrid: {train.epochs: [1, 2]}", "x.yaml:6: sweep: found more than 10,000 cells, expected fewer"),
    ])
    func oneSentence(text: String, sentence: String) {
        #expect(throws: UserError(.usage, sentence)) { try plan(text) }
    }

    @Test("Trials are not ranked by losses that are different quantities", arguments: [
        ("task: {reconstruction: {loss: mse}}", "task.reconstruction.loss: [mse, bce]", "task.reconstruction.loss", "val_psnr"),
        ("task: {classification: {loss: hinge}}", "task.classification.loss: [cross_entropy, hinge]", "task.classification.loss", "val_accuracy"),
        ("", "task: [classification, {classification: {class_weights: balanced}}]", nil, ""),
        ("task: {reconstruction: {neighbours: 1}}", "task.reconstruction.neighbours: [0, 2]", nil, ""),
        ("task: reconstruction", "train.l1: [0, 1]", nil, ""),
    ] as [(String, String, String?, String)])
    func halvingByLosses(task: String, grid: String, key: String?, metric: String) throws {
        let model = task.contains("reconstruction") ? "{autoencoder: {code: 4}}" : "{mlp: {widths: [4]}}"
        let text = "data: {name: digits, validation: 60}\nmodels: {m: \(model)}\n\(task)\nsweep:\n  grid: {\(grid)}\n  halving: {metric: val_loss}\n"
        let plan = try SweepPlan(definition(text))
        guard let key else {
            try plan.check(dataDirectory: nil)
            return
        }
        let sentence = "x.yaml:6: sweep.halving.metric: val_loss is another quantity for each \(key), of which none is better; expected another metric, such as \(metric)"
        #expect(throws: UserError(.usage, sentence)) { try plan.check(dataDirectory: nil) }
    }

    @Test func nothingToSweep() {
        #expect(throws: UserError(.usage, "x has no sweep; harness run trains it")) { try SweepPlan(definition(Self.base)) }
        #expect(throws: UserError(.usage, "x.yaml:7: sweep: expected grid, zip, list, random or seeds, found nothing")) { try definition(Self.base + "\nsweep: {}") }
    }
}
