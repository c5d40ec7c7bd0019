import Configuration
import Foundation
import RunStore
import TestSupport
import Testing

@testable import Reports

struct ComparisonTests {
    private func table(_ results: String, _ change: (inout Comparison.Options) -> Void = { _ in }) throws -> String {
        try comparison(results, change).rendered(as: .table)
    }

    private func comparison(_ results: String, _ change: (inout Comparison.Options) -> Void = { _ in }) throws -> Comparison {
        var options = Comparison.Options()
        change(&options)
        return try Comparison(under: [results], options: options)
    }

    /// The rows of CSV as title → cell.
    private func cells(_ comparison: Comparison) throws -> [[String: String]] {
        let lines = try comparison.rendered(as: .csv).split(separator: "\n").map { $0.split(separator: ",", omittingEmptySubsequences: false).map(String.init) }
        return lines.dropFirst().map { Dictionary(uniqueKeysWithValues: zip(lines[0], $0)) }
    }

    // MARK: The end of a run

    @Test func oneSeed() throws {
        try withTemporaryFolder { results in
            let folders = [
                try Example.writeRun(results, model: "resnet20", seed: 0, accuracy: 0.9123),
                try Example.writeRun(results, model: "vit", seed: 0, accuracy: 0.88, parameters: 260_000),
            ]
            let comparison = try Comparison(folders)
            #expect(try comparison.rendered(as: .table) == """
                model     parameters        MACs  test accuracy  s/epoch  images/s
                ────────  ──────────  ──────────  ─────────────  ───────  ────────
                resnet20     269,722  40,551,872         0.9123     10.0     2,000
                vit          260,000  40,551,872         0.8800     10.0     2,000
                """)
            #expect(comparison.notes == ["one seed says nothing about chance; several (--seeds 0,1,2,3,4,5) would"])
        }
    }

    @Test func versionsOfTheArithmeticAreSaidWhereTheyAreMixed() throws {
        func notes(_ arithmetics: [[ArithmeticSpan]]) throws -> [String] {
            try withTemporaryFolder { results in
                let folders = try arithmetics.enumerated().map { seed, arithmetic in
                    try Example.writeRun(results, model: "resnet20", seed: seed, accuracy: 0.9, arithmetic: arithmetic)
                }
                return try Comparison(folders).notes.filter { $0.contains("arithmetic") }
            }
        }
        let (one, two) = ([ArithmeticSpan(version: 1)], [ArithmeticSpan(version: 2)])
        #expect(try notes([one, one]) == [] && notes([two, two]) == [])
        let sentence = "the runs were trained with versions 1 and 2 of the arithmetic, between which the last digits of every step differ on purpose"
        #expect(try notes([two, one, two]) == [sentence])
        #expect(try notes([two, one + [ArithmeticSpan(fromStep: 1, version: 2)]]) == [sentence])
    }

    @Test func seedsAndLosses() throws {
        try withTemporaryFolder { results in
            let folders = [
                try Example.writeRun(results, model: "resnet20", seed: 0, accuracy: 0.90),
                try Example.writeRun(results, model: "vit", seed: 0, accuracy: 0.88, status: .diverged),
                try Example.writeRun(results, model: "resnet20", seed: 1, accuracy: 0.92),
                try Example.writeRun(results, model: "vit", seed: 1, accuracy: 0.88, status: .interrupted),
            ]
            let comparison = try Comparison(folders + [RunFolder(path: "\(results)/never-begun")])
            #expect(try comparison.rendered(as: .table) == """
                model     n  parameters        MACs  test accuracy      sd           95% CI  s/epoch  images/s
                ────────  ─  ──────────  ──────────  ─────────────  ──────  ───────────────  ───────  ────────
                resnet20  2     269,722  40,551,872         0.9100  0.0141  0.7829 … 1.0000     10.5     2,050
                vit       0     269,722  40,551,872              –       –                –        –         –
                test accuracy (share of the test set): mean and standard deviation over n runs, 95% confidence interval (Student's t)
                intervals end at 0 and 1 (of differences at -1 and 1), because a share goes no further
                """)
            #expect(comparison.notes == ["vit-s0-00000002 diverged at step 2", "vit-s1-00000002 was cut off in epoch 2"])
            // With nothing finished there is still a table of what was begun.
            #expect(try Comparison([folders[1]]).rendered(as: .table).contains("vit       269,722  40,551,872              –"))
        }
    }

    // MARK: Paired tests

    /// Accuracies of three models at six seeds; the vit has one seed more, and the mlp one less.
    private func writeThree(_ results: String) throws {
        for seed in 0..<6 {
            try Example.writeRun(results, model: "resnet", seed: seed, accuracy: 0.90 + 0.01 * Double(seed % 3))
            try Example.writeRun(results, model: "vit", seed: seed, accuracy: 0.88 + 0.01 * Double(seed % 3) + 0.001 * Double(seed))
            if seed < 5 { try Example.writeRun(results, model: "mlp", seed: seed, accuracy: 0.90 + 0.01 * Double((seed + 1) % 3)) }
        }
        try Example.writeRun(results, model: "vit", seed: 9, accuracy: 0.1)
    }

    @Test func pairsBySeed() throws {
        try withTemporaryFolder { results in
            try writeThree(results)
            let rows = try cells(comparison(results) { $0.baseline = "resnet" })
            #expect(rows.map { $0["model"] } == ["mlp", "resnet", "vit"] && rows.map { $0["n"] } == ["5", "6", "7"])
            #expect(rows.map { $0["pairs"] } == ["5", "", "6"], "seed 9 has no partner")
            // −0.020 … −0.015 in steps of 0.001: mean −0.0175, all of one sign, p = 2/2⁶; the second of two comparisons is doubled first.
            #expect(abs(try #require(Double(rows[2]["difference"]!)) + 0.0175) < 1e-12)
            #expect(rows[2]["p"] == "0.03125" && rows[2]["p_holm"] == "0.0625")
            // 1, 1, −2, 1, 1 hundredths: 8 of the 32 patterns sum to 0, all others to at least 2.
            #expect(rows[0]["p"] == "0.75")
            let text = try table(results) { $0.baseline = "resnet" }
            #expect(text.contains("-0.0175  -0.0195 … -0.0155  0.0625"), "\(text)")
            #expect(text.hasSuffix("Δ: mean difference to resnet, by seed; p: paired permutation test, two-sided, with Holm's correction"))
        }
    }

    // MARK: Folds

    /// Of three models on five folds, the vit at two seeds; its third fold at the second seed is missing, as is the mlp's last fold.
    private func writeFolds(_ results: String) throws {
        for fold in 0..<5 {
            let base = 0.9 + 0.01 * Double(fold)
            try Example.writeRun(results, model: "resnet", seed: 0, fold: fold, accuracy: base)
            try Example.writeRun(results, model: "vit", seed: 0, fold: fold, accuracy: base - [0.02, 0.03, 0.01, 0.02, 0.04][fold])
            if fold != 2 { try Example.writeRun(results, model: "vit", seed: 1, fold: fold, accuracy: base - 0.5) }
            if fold < 4 { try Example.writeRun(results, model: "mlp", seed: 0, fold: fold, accuracy: base + 0.01 * Double(fold % 2)) }
        }
    }

    /// The same fold and seed make a pair; intervals and p are those of SciPy for sd² (1/n + 1/4).
    @Test func foldsArePairedAndTheirOverlapIsCorrectedFor() throws {
        try withTemporaryFolder { results in
            try writeFolds(results)
            let comparison = try comparison(results) { $0.baseline = "resnet" }
            let rows = try cells(comparison)
            #expect(rows.map { $0["model"] } == ["mlp", "resnet", "vit"] && rows.map { $0["n"] } == ["4", "5", "5"] && rows.map { $0["pairs"] } == ["4", "", "5"])
            func number(_ row: Int, _ title: String) throws -> Double { try #require(Double(rows[row][title] ?? "")) }
            #expect(try abs(number(2, "difference") + 0.024) < 1e-12, "of seed 0 alone, which both have")
            for (title, expected) in [("p", 0.03491970667453904), ("difference_ci95_low", -0.04523572165473408), ("difference_ci95_high", -0.0027642783452659185), ("p_holm", 0.06983941334907807)] {
                #expect(try abs(number(2, title) - expected) < 1e-9, "\(title): \(rows[2][title] ?? "")")
            }
            for (title, expected) in [("sd", 0.01581138830084191), ("ci95_low", 0.8905513525778368), ("ci95_high", 0.9494486474221635)] {
                #expect(try abs(number(1, title) - expected) < 1e-9, "\(title): \(rows[1][title] ?? "")")
            }
            #expect(rows[2]["seeds"] == "0 0 0 0 0 1 1 1 1")
            let text = try table(results) { $0.baseline = "resnet" }
            #expect(text.contains("test accuracy (share of the test set): mean and standard deviation over n folds (each the mean over its seeds), 95% confidence interval (Student's t)"), "\(text)")
            #expect(text.contains("\nΔ: mean difference to resnet, by fold; p: corrected resampled t-test, two-sided, with Holm's correction\n"))
            #expect(text.hasSuffix(
                "the training sets of folds overlap, so intervals and p take the variance of a mean as sd² (1/n + 1/4), not sd²/n "
                    + "(1/4: test images for each training image; Nadeau and Bengio, Machine Learning 52, 2003)"))
            #expect(comparison.notes == [])
        }
    }

    /// Of one fold there are seeds, as ever; folds of another cut are no partners.
    @Test func whatHasNoFoldsInCommonIsNotPaired() throws {
        try withTemporaryFolder { results in
            for seed in 0..<3 {
                for model in ["a", "b"] { try Example.writeRun(results, model: model, seed: seed, fold: 2, accuracy: 0.9 + (model == "a" ? 0.01 : 0) * Double(seed)) }
            }
            #expect(try cells(comparison(results)).map { $0["pairs"] } == ["", "3"])
            #expect(try table(results).contains("by seed; p: paired permutation test"))
        }
        try withTemporaryFolder { results in
            for fold in 0..<3 {
                try Example.writeRun(results, model: "a", seed: 0, fold: fold, of: 3, accuracy: 0.9 + 0.01 * Double(fold))
                try Example.writeRun(results, model: "b", seed: 0, fold: fold, of: 4, accuracy: 0.8 + 0.01 * Double(fold))
            }
            let comparison = try comparison(results)
            #expect(comparison.notes == ["b and a have no fold in common"])
            #expect(try comparison.rendered(as: .table).contains("sd² (1/n + 1/2, 1/3)"))
        }
    }

    @Test func saysWhenThePairsAreTooFew() throws {
        try withTemporaryFolder { results in
            try writeThree(results)
            #expect(try comparison(results) { $0.conditions = ["model=vit"] }.notes == [])
            let five = try comparison(results) { $0.conditions = ["seed=0"] }
            #expect(five.notes == ["one seed says nothing about chance; several (--seeds 0,1,2,3,4,5) would"])
            #expect(try comparison(results).notes == [
                "5 pairs and 2 comparisons cannot reach p ≤ 0.05: the least possible is 0.1250; 7 pairs can",
            ])
            try FileManager.default.removeItem(atPath: "\(results)/e/mlp-s4-00000002")
            #expect(try comparison(results) { $0.baseline = "vit" }.notes == [
                "6 pairs and 2 comparisons cannot reach p ≤ 0.05: the least possible is 0.0625; 7 pairs can",
            ])
            for seed in 0..<4 { try FileManager.default.removeItem(atPath: "\(results)/e/mlp-s\(seed)-00000002") }
            #expect(try comparison(results).notes == [], "six pairs can")
            try FileManager.default.removeItem(atPath: "\(results)/e/vit-s0-00000002")
            #expect(try comparison(results).notes == ["5 pairs cannot reach p ≤ 0.05: the least possible is 0.0625; 6 pairs can"])
        }
    }

    @Test func rowsWithoutACommonSeedAreNamed() throws {
        try withTemporaryFolder { results in
            for seed in 0..<2 {
                try Example.writeRun(results, model: "a", seed: seed, accuracy: 0.9)
                try Example.writeRun(results, model: "b", seed: seed + 2, accuracy: 0.9)
                try Example.writeRun(results, model: "c", seed: seed, accuracy: 0.9)
            }
            #expect(try comparison(results).notes.contains("b and a have no seed in common"))
        }
    }

    // MARK: Rows

    private func writeGrid(_ results: String) throws {
        for (depth, width) in [(2, 32), (2, 64), (4, 32), (4, 64)] {
            for seed in 0..<2 {
                try Example.writeRun(
                    results, model: "m", seed: seed, accuracy: 0.5 + 0.01 * Double(depth) + 0.001 * Double(width) + 0.005 * Double(seed),
                    options: #""vit": {"depth": \#(depth), "width": \#(width), "heads": 4}"#)
            }
        }
    }

    @Test func definitionsOfOneModelStayApart() throws {
        try withTemporaryFolder { results in
            try writeGrid(results)
            let comparison = try comparison(results)
            #expect(comparison.rows.map(\.label) == ["m depth=2 width=32", "m depth=2 width=64", "m depth=4 width=32", "m depth=4 width=64"])
            #expect(try self.comparison(results) { $0.onlyChanged = true }.titles == ["model", "depth", "width"])
            try FileManager.default.copyItem(atPath: comparison.rows[0].runs[0].summary.folder.path, toPath: "\(results)/e/copy")
            let notes = try self.comparison(results).notes
            #expect(notes.count == 2 && notes[0].hasSuffix("the same trial as \(results)/e/copy, left out"))
        }
    }

    /// Rows by depth pair runs of equal width and seed.
    @Test func rowsByAKeyPairOverAllOthers() throws {
        try withTemporaryFolder { results in
            try writeGrid(results)
            let comparison = try comparison(results) {
                $0.by = ["depth"]
                $0.baseline = "depth=2"
            }
            let rows = try cells(comparison)
            #expect(rows.map { $0["depth"] } == ["2", "4"] && rows.map { $0["n"] } == ["4", "4"] && rows.map { $0["pairs"] } == ["", "4"])
            #expect(abs(try #require(Double(rows[1]["difference"]!)) - 0.02) < 1e-12)
            #expect(comparison.notes.last == "rows hold runs that differ in more than their seed; n counts runs")
            let one = try self.comparison(results) {
                $0.by = ["models.m.vit.depth", "width", "train.epochs"]
                $0.conditions = ["width=64", "seed=1.0"]
                $0.onlyChanged = true
            }
            #expect(one.titles == ["models.m.vit.depth"] && one.rows.map(\.measured.count) == [1, 1])
        }
    }

    @Test func byModelPairsAcrossTheirOptions() throws {
        try withTemporaryFolder { results in
            try writeThree(results)
            let comparison = try comparison(results) {
                $0.by = ["model"]
                $0.baseline = "resnet"
            }
            #expect(comparison.rows.map { $0.test?.differences.count } == [5, nil, 6])
        }
    }

    /// What is one value in all runs of a row belongs to the row; what differs within one has to agree.
    @Test func byModelPairsAcrossTheirTraining() throws {
        try withTemporaryFolder { results in
            for seed in 0..<3 {
                for epochs in [2, 3] { try Example.writeRun(results, model: "a", seed: seed, accuracy: 0.8 + 0.01 * Double(seed + epochs), epochs: epochs) }
                try Example.writeRun(results, model: "b", seed: seed, accuracy: 0.9 + 0.01 * Double(seed), epochs: 3)
                try Example.writeRun(results, model: "c", seed: seed, accuracy: 0.9, epochs: 4)
            }
            let rows = try comparison(results) {
                $0.by = ["model"]
                $0.baseline = "b"
            }.rows
            #expect(rows.map { $0.test?.differences.count } == [3, nil, 3])
            #expect(rows[0].test!.differences.values.allSatisfy { abs($0 + 0.07) < 1e-12 })
            let pooled = try comparison(results) { $0.by = ["model"] }
            #expect(pooled.rows.map { $0.test?.differences.count } == [nil, 3, nil])
            #expect(pooled.notes.contains("model=c and model=a have no pair of runs that agree in the seed, the data and all that differs within a row"))
        }
    }

    // MARK: Budgets

    @Test func unequalModelsAreNamedUnlessTheDefinitionAllowsIt() throws {
        func notes(match: String?) throws -> [String] {
            try withTemporaryFolder { results in
                for seed in 0..<6 {
                    try Example.writeRun(results, model: "a", seed: seed, accuracy: 0.9, match: match)
                    try Example.writeRun(results, model: "b", seed: seed, accuracy: 0.8, parameters: 300_000, match: match)
                }
                return try comparison(results).notes
            }
        }
        let sentence = "parameters differ by more than 10%: 269,722 (a) to 300,000 (b)"
        #expect(try notes(match: nil) == [sentence])
        #expect(try notes(match: "parameters") == [sentence])
        #expect(try notes(match: "macs") == [])
        #expect(try notes(match: "none") == [])
    }

    @Test func aLinkedRunDoesNotSayWhatIsEqual() throws {
        try withTemporaryFolder { results in
            for seed in 0..<6 {
                let other = try Example.writeRun(results, experiment: "other", model: "a", seed: seed, accuracy: 0.9)
                try Example.writeRun(results, model: "b", seed: seed, accuracy: 0.8, parameters: 300_000, match: "none")
                let name = (other.path as NSString).lastPathComponent
                try FileManager.default.createSymbolicLink(atPath: "\(results)/e/\(name)", withDestinationPath: "../other/\(name)")
            }
            let comparison = try Comparison(under: ["\(results)/e"])
            #expect(comparison.rows.map(\.runs.count) == [6, 6] && comparison.notes == [])
        }
    }

    // MARK: Formats

    @Test func everyFormatHasTheNumbers() throws {
        try withTemporaryFolder { results in
            for seed in 0..<3 { try Example.writeRun(results, model: "resnet20", seed: seed, accuracy: 0.9 + 0.01 * Double(seed)) }
            try Example.writeRun(results, model: "vit", seed: 0, accuracy: 0.88)
            let comparison = try comparison(results)
            let row = try cells(self.comparison(results) { $0.metric = .validation("loss") })[0]
            #expect(row["metric"] == "val_loss" && row["mean"] == "0.375" && row["sd"] == "0.0" && row["seeds"] == "0 1 2" && row["values"] == "0.375 0.375 0.375")
            #expect(try comparison.rendered(as: .markdown).hasPrefix("| model | n | parameters | MACs | test accuracy | sd | 95% CI |"))
            let parsed = try JSONSerialization.jsonObject(with: Data(comparison.rendered(as: .json).utf8)) as? [[String: Any]]
            let first = try #require(parsed?.first)
            #expect(first["n"] as? Int == 3 && first["parameters"] as? Int == 269_722 && first["multiply_adds"] as? Int == 40_551_872)
            #expect((first["confidence_interval"] as? [Double])?.count == 2)
            let runs = try #require(first["runs"] as? [[String: Any]])
            #expect(runs.map { $0["seed"] as? Int } == [0, 1, 2])
            #expect(runs[1]["path"] as? String == "\(results)/e/resnet20-s1-00000002")
            #expect((parsed?[1]["difference"] as? [String: Any])?["pairs"] as? Int == 1)
        }
    }

    // MARK: Bad input

    /// What a definition says about comparing its models is no part of a trial: runs of another experiment are as good.
    @Test func matchTellsNoRunsApart() throws {
        try withTemporaryFolder { results in
            for (depth, match) in [(2, "none"), (4, nil)] {
                for seed in 0...2 {
                    try Example.writeRun(
                        results, model: "m", seed: seed, accuracy: 0.9, options: #""vit": {"depth": \#(depth)}"#, match: match)
                }
            }
            let rows = try comparison(results) { $0.by = ["depth"] }.rows
            #expect(rows.map { $0.test?.differences.count } == [nil, 3])
            #expect(try comparison(results).rows.map(\.label) == ["m depth=2", "m depth=4"])
        }
    }

    @Test func choicesWithinChoices() throws {
        try withTemporaryFolder { results in
            for norm in [#""batch""#, #"{"group": {"groups": 4}}"#, #"{"group": {"groups": 8}}"#] {
                for start in [#"{"he": {"fan": "in"}}"#, #"{"normal": {"deviation": 1}}"#] {
                    try Example.writeRun(
                        results, model: "m", seed: 0, accuracy: 0.5, options: #""backbone": {"resnet": {"norm": \#(norm), "start": \#(start)}}"#)
                }
            }
            #expect(Set(try comparison(results).rows.map(\.label)) == Set(["norm=batch", "norm=group groups=4", "norm=group groups=8"].flatMap {
                ["m \($0) start=he", "m \($0) start=normal"]
            }))
        }
    }

    @Test func aListIsOneValue() throws {
        try withTemporaryFolder { results in
            for (index, list) in ["[]", #"["flip", {"shift": 1}]"#, "[0.5, 2]"].enumerated() {
                for seed in 0...1 {
                    try Example.writeRun(results, model: "m", seed: seed, accuracy: 0.5 + 0.1 * Double(index), options: "\"vit\": {\"list\": \(list)}")
                }
            }
            let rows = try comparison(results) { ($0.by, $0.baseline) = (["list"], "[]") }.rows
            #expect(Set(rows.map(\.label)) == ["list=[]", "list=[flip, shift 1]", "list=[0.5, 2]"])
            #expect(rows.compactMap { $0.test?.differences.count } == [2, 2])
        }
    }

    /// An optimizer has options of its own, which are worth a word only where they are varied.
    @Test func choicesWithOptionsAreOneKey() throws {
        try withTemporaryFolder { results in
            let kinds = [
                #""norm": "batch""#, #""norm": {"group": {"groups": 4}}"#,
                #""norm": "batch", "start": {"normal": {"deviation": 1}}"#, #""norm": "batch", "start": {"normal": {"deviation": 2}}"#,
                #""norm": "batch", "start": {"he": {"fan": "in", "gain": 1}}"#,
            ]
            for (index, kind) in kinds.enumerated() {
                for seed in 0...1 {
                    try Example.writeRun(results, model: "m", seed: seed, accuracy: 0.5 + 0.1 * Double(index), options: "\"resnet\": {\(kind), \"depth\": 8}")
                }
            }
            let rows = try comparison(results).rows
            #expect(Set(rows.map(\.label)) == [
                "m norm=batch start=–", "m norm=group start=–", "m norm=batch start=normal deviation=1", "m norm=batch start=normal deviation=2",
                "m norm=batch start=he",
            ])
            let norms = try comparison(results) { $0.by = ["norm"] }.rows
            #expect(norms.map(\.label) == ["norm=batch", "norm=group"] && norms.map(\.runs.count) == [8, 2])
            let starts = try comparison(results) { ($0.by, $0.conditions, $0.baseline) = (["start", "deviation"], ["norm=batch"], "he") }.rows
            #expect(starts.map(\.label) == ["start=he deviation=–", "start=normal deviation=1", "start=normal deviation=2", "start=– deviation=–"])
            #expect(starts.compactMap { $0.test?.differences.count } == [2, 2, 2])
        }
    }

    @Test func nothingToCompare() throws {
        try withTemporaryFolder { results in
            #expect(throws: UserError(.noInput, "\(results)/none: there is no such folder")) { try Comparison(under: ["\(results)/none"]) }
            #expect(throws: UserError(.noInput, "there are no runs under \(results)")) { try Comparison(under: [results]) }
            try Example.writeRun(results, model: "vit", seed: 0, accuracy: 0.8, status: .diverged)
            let message = "no finished run under \(results) has a test_accuracy\nvit-s0-00000002 diverged at step 2"
            #expect(throws: UserError(.noInput, message)) { try Comparison(under: [results]) }
            #expect(throws: UserError(.usage, "unknown metric 'test_acuracy'; did you mean 'test_accuracy'?")) {
                _ = try self.comparison(results) { $0.metric = .test("acuracy") }
            }
        }
    }

    @Test func aDamagedRunDoesNotHideTheOthers() throws {
        try withTemporaryFolder { results in
            try Example.writeRun(results, model: "a", seed: 0, accuracy: 0.9)
            let damaged = try Example.writeRun(results, model: "b", seed: 0, accuracy: 0.9)
            try Data("garbage".utf8).write(to: URL(filePath: damaged.runFile))
            let comparison = try comparison(results)
            #expect(comparison.rows.map(\.model) == ["a"])
            #expect(comparison.notes == ["b-s0-00000002 is left out: \(damaged.runFile): is not an HDF5 file"])
            #expect(throws: UserError(.data, "\(damaged.runFile): is not an HDF5 file")) { try Comparison(under: [damaged.path]) }
            // The same at the end of a run or a sweep.
            let folders = try RunFolder.discover(under: results)
            #expect(try Comparison(folders).notes == comparison.notes)
            #expect(throws: UserError(.data, "\(damaged.runFile): is not an HDF5 file")) { try Comparison([damaged]) }
        }
    }

    /// Times are not worth a run.
    @Test(arguments: ["", "{\"host\": \"b", "[]"])
    func aRunWhoseMachineRecordIsDamagedHasNoTimes(content: String) throws {
        try withTemporaryFolder { results in
            try Example.writeRun(results, model: "a", seed: 0, accuracy: 0.9)
            let damaged = try Example.writeRun(results, model: "b", seed: 0, accuracy: 0.8)
            try Data(content.utf8).write(to: URL(filePath: damaged.machineFile))
            let comparison = try comparison(results)
            #expect(try comparison.rendered(as: .table) == """
                model  parameters        MACs  test accuracy  s/epoch  images/s
                ─────  ──────────  ──────────  ─────────────  ───────  ────────
                a         269,722  40,551,872         0.9000     10.0     2,000
                b         269,722  40,551,872         0.8000        –         –
                """)
            #expect(comparison.notes.first
                == "b-s0-00000002 has no times: \(damaged.machineFile): is damaged: expected the JSON that this program writes")
        }
    }

    // MARK: Intervals

    @Test func intervalsOfSharesStayBetweenNoneAndAll() throws {
        try withTemporaryFolder { results in
            for seed in 0..<2 {
                try Example.writeRun(results, model: "a", seed: seed, accuracy: seed == 0 ? 0.02 : 0.98)
                try Example.writeRun(results, model: "b", seed: seed, accuracy: seed == 0 ? 0.97 : 0.01)
            }
            // Half of an interval of two values is 12.706 times half their distance: here more than 6.
            let note = "intervals end at 0 and 1 (of differences at -1 and 1), because a share goes no further"
            let text = try table(results)
            #expect(text.contains("0.0000 … 1.0000") && text.contains("-1.0000 … 1.0000") && text.contains("\n\(note)\n"), "\(text)")
            let row = try cells(comparison(results))[1]
            #expect(row["ci95_low"] == "0.0" && row["ci95_high"] == "1.0")
            #expect(row["difference_ci95_low"] == "-1.0" && row["difference_ci95_high"] == "1.0")
            let parsed = try JSONSerialization.jsonObject(with: Data(comparison(results).rendered(as: .json).utf8)) as? [[String: Any]]
            #expect(parsed?[0]["confidence_interval"] as? [Double] == [0, 1])
            // Seconds know no such bounds.
            let seconds = try table(results) { $0.metric = .secondsPerEpoch }
            #expect(seconds.contains("4.1 … 16.9") && !seconds.contains(note), "\(seconds)")
        }
    }

    // MARK: Order

    @Test func modelsStandInTheDefinitionsOrder() throws {
        try withTemporaryFolder { results in
            for model in ["a", "b", "c", "new"] {
                for seed in 0..<6 { try Example.writeRun(results, model: model, seed: seed, accuracy: 0.9) }
            }
            let ordered = try comparison(results) { $0.modelOrder = { $0 == "e" ? ["c", "a", "gone", "b"] : nil } }
            #expect(ordered.rows.map(\.label) == ["c", "a", "b", "new"] && ordered.baseline == 0)
            #expect(try comparison(results).rows.map(\.label) == ["a", "b", "c", "new"])
            let byModel = try comparison(results) { ($0.by, $0.modelOrder) = (["model"], { _ in ["c", "a", "b"] }) }
            #expect(byModel.rows.map(\.label) == ["model=c", "model=a", "model=b", "model=new"])
        }
    }

    /// Runs of a sweep, in whose plan they stand the other way round, with a number that was written in another way.
    private func writeSweep(_ results: String) throws {
        var entries: [SweepFile.Entry] = []
        for seed in [1, 0] {
            for (cell, (rate, written)) in [("0.01", "1e-2"), ("0.001", "1e-3"), ("0.0001", "1e-4")].enumerated() {
                for model in ["z", "a"] {
                    let folder = try Example.writeRun(
                        results, model: model, seed: seed, accuracy: 0.5 + 0.1 * Double(cell), options: #""vit": {"rate": \#(rate), "depth": 4}"#)
                    let name = (folder.path as NSString).lastPathComponent
                    entries.append(SweepFile.Entry(
                        model: model, seed: seed, hash: String(name.suffix(8)), cell: cell,
                        // A plan that another has followed can say of a run what is not so.
                        values: ["models.m.vit.rate": written, "models.m.vit.depth": "5"], configuration: "{}"))
                }
            }
        }
        try SweepFile(experiment: "e", halving: nil, sweep: "grid: {}", entries: entries).write(to: "\(results)/e/sweep.h5")
    }

    @Test func runsOfASweepStandInItsOrderWithItsWords() throws {
        try withTemporaryFolder { results in
            try writeSweep(results)
            let comparison = try comparison(results)
            #expect(comparison.rows.map(\.label) == [
                "z rate=1e-2", "a rate=1e-2", "z rate=1e-3", "a rate=1e-3", "z rate=1e-4", "a rate=1e-4",
            ])
            #expect(comparison.baseline == 0)
            let byRate = try self.comparison(results) { $0.by = ["rate", "depth"] }
            #expect(byRate.rows.map(\.label) == ["rate=1e-4 depth=4", "rate=1e-3 depth=4", "rate=1e-2 depth=4"])
            for value in ["0.001", "1e-3", "1E-03"] {
                #expect(try self.comparison(results) { $0.conditions = ["rate=\(value)"] }.rows.map(\.runs.count) == [2, 2])
                #expect(try self.comparison(results) { ($0.by, $0.baseline) = (["rate"], "rate=\(value)") }.baseline == 1)
            }
            #expect(try self.comparison(results) { $0.baseline = "z rate=0.001" }.baseline == 2)
            // The first seed of the first cell is gone, and the plan is as it was.
            try FileManager.default.removeItem(atPath: comparison.rows[0].runs[1].summary.folder.path)
            #expect(try self.comparison(results).rows.map(\.label) == comparison.rows.map(\.label))
            // Without the plan there are only the runs.
            try Data("garbage".utf8).write(to: URL(filePath: "\(results)/e/sweep.h5"))
            #expect(try self.comparison(results).rows.map(\.label) == [
                "a rate=0.0001", "a rate=0.001", "a rate=0.01", "z rate=0.0001", "z rate=0.001", "z rate=0.01",
            ])
        }
    }

    /// Data that are made have no name or path; what they are tells them apart, and a key that puts runs into one table is one that they have.
    @Test func madeDataHaveNothingInCommonEither() throws {
        for (source, found, advice) in [
            (#""shapes_3d": {"views": 3}"#, "shapes-3d", ""), (#""coco": {"path": "shots"}"#, "shots", " (--by data.coco.path puts them into one table all the same)"),
        ] {
            try withTemporaryFolder { results in
                let one = try Example.writeRun(results, model: "a", seed: 0, accuracy: 0.9, source: #""sequences_1d": {"length": 32}"#)
                let other = try Example.writeRun(results, model: "b", seed: 0, accuracy: 0.9, source: source)
                let message = "\(one.path) and \(other.path) have nothing in common: one is about sequences-1d, the other about \(found)\(advice)"
                #expect(throws: UserError(.usage, message)) { try Comparison(under: [results]) }
                if !advice.isEmpty { #expect(try comparison(results) { $0.by = ["data.coco.path"] }.rows.count == 2) }
            }
        }
        try withTemporaryFolder { results in
            for (model, form) in [("a", "views"), ("b", "voxels")] {
                try Example.writeRun(results, model: model, seed: 0, accuracy: 0.9, source: #""shapes_3d": {"form": "\#(form)"}"#)
            }
            #expect(try comparison(results).rows.count == 2)
        }
    }

    @Test func lossesOfDifferentTasksAreNotOneQuantity() throws {
        try withTemporaryFolder { results in
            try Example.writeRun(results, model: "a", seed: 0, accuracy: 0.9)
            try Example.writeRun(results, model: "b", seed: 0, accuracy: 0.9, task: #""task": {"localization": {"box_weight": 2}}, "#)
            let sentence = Self.otherLosses + "classification, {localization: {box_weight: 2}}"
            #expect(try comparison(results) { $0.metric = .test("loss") }.notes.contains(sentence))
            #expect(try !comparison(results).notes.contains(sentence))
        }
    }

    private static let otherLosses = "losses of different tasks, or of a task with other options, are different quantities, of which none is better, so without a difference: "

    @Test("Rows whose losses are different quantities have no difference, interval of it, or p", arguments: [Metric.test("loss"), .validation("loss"), .training("loss")])
    func lossesOfOtherOptionsAreNotOneQuantity(metric: Metric) throws {
        try withTemporaryFolder { results in
            for (model, loss) in [("a", "mse"), ("b", "mse"), ("c", "ssim")] {
                for seed in 0..<6 {
                    try Example.writeRun(results, model: model, seed: seed, accuracy: 0.9 + 0.01 * Double(seed), task: #""task": {"reconstruction": {"loss": "\#(loss)"}}, "#)
                }
            }
            let comparison = try comparison(results) { $0.metric = metric }
            #expect(try cells(comparison).map { $0["pairs"] } == ["", "6", ""] && cells(comparison).map { $0["p"] == "" } == [true, false, true])
            #expect(comparison.notes == [Self.otherLosses + "{reconstruction: {loss: mse}}, {reconstruction: {loss: ssim}}"])
            // A mean over several losses is none.
            let pooled = try self.comparison(results) { ($0.metric, $0.by) = (metric, ["seed"]) }
            #expect(pooled.rows.allSatisfy { $0.test == nil })
            #expect(try self.comparison(results).rows.filter { $0.test != nil }.count == 2, "of the accuracy nothing is missing")
        }
    }

    /// The default of the default task, which no definition writes, has a name where a sweep wrote it.
    @Test func rowsAreCalledByTheirLosses() throws {
        try withTemporaryFolder { results in
            let losses = [("cross_entropy", ""), ("squared_hinge", #""task": {"classification": {"loss": "squared_hinge"}}, "#)]
            let entries = try losses.enumerated().map { cell, loss in
                let run = try Example.writeRun(results, model: "m", seed: 0, accuracy: 0.9, epochs: cell + 1, task: loss.1)
                return SweepFile.Entry(
                    model: "m", seed: 0, hash: String(run.path.suffix(8)), cell: cell, values: ["task.classification.loss": loss.0],
                    configuration: "{}")
            }
            func labels(_ change: (inout Comparison.Options) -> Void = { _ in }) throws -> [String] { try comparison(results) { change(&$0) }.rows.map(\.label) }
            #expect(try labels() == ["m loss=– epochs=1", "m loss=squared_hinge epochs=2"])
            try SweepFile(experiment: "e", halving: nil, sweep: "grid: {}", entries: entries).write(to: "\(results)/e/sweep.h5")
            #expect(try labels() == ["m loss=cross_entropy epochs=1", "m loss=squared_hinge epochs=2"])
            #expect(try labels { $0.by = ["task.classification.loss"] } == ["task.classification.loss=cross_entropy", "task.classification.loss=squared_hinge"])
            #expect(try labels { $0.by = ["task"] } == ["task=classification"])
        }
    }

    @Test func runsOfDifferentDataHaveNothingInCommon() throws {
        try withTemporaryFolder { results in
            let one = try Example.writeRun(results, model: "a", seed: 0, accuracy: 0.9)
            let other = try Example.writeRun(results, model: "b", seed: 0, accuracy: 0.9, data: "mnist")
            let message = "\(one.path) and \(other.path) have nothing in common: one is about digits, the other about mnist"
                + " (--by data.name puts them into one table all the same)"
            #expect(throws: UserError(.usage, message)) { try Comparison(under: [results]) }
            #expect(try comparison(results) { $0.by = ["data.name"] }.rows.count == 2)
            // Not in one row either.
            try Example.writeRun(results, model: "a", seed: 1, accuracy: 0.9, data: "mnist")
            for key in ["model", "train.epochs"] {
                #expect(throws: UserError.self) { try comparison(results) { ($0.by, $0.conditions) = ([key], ["model=a"]) } }
            }
        }
    }

    @Test(arguments: [
        (["dept"], [], nil, UserError.Kind.usage, "--by: no run has a key 'dept'; did you mean 'depth'?"),
        ([], ["depth=3"], nil, .noInput, "--where: no run has depth=3; there are: 2, 4"),
        ([], ["dpth=3"], nil, .usage, "--where: no run has a key 'dpth'; did you mean 'depth'?"),
        ([], ["depth"], nil, .usage, "--where: expected key=value, found 'depth'"),
        (["depth"], [], "3", .usage, "--baseline: there is no row '3'; the rows are: 'depth=2', 'depth=4'"),
        (["depth", "width"], [], "width=64", .usage, "--baseline: 'width=64' is not one row but 2; the rows are: 'depth=2 width=32', 'depth=2 width=64', 'depth=4 width=32', 'depth=4 width=64'"),
    ] as [([String], [String], String?, UserError.Kind, String)])
    func wrongWordsAreSentences(by: [String], conditions: [String], baseline: String?, kind: UserError.Kind, sentence: String) throws {
        try withTemporaryFolder { results in
            for (depth, width) in [(2, 32), (2, 64), (4, 32), (4, 64)] {
                try Example.writeRun(
                    results, model: "m\(depth)", seed: width, accuracy: 0.9, options: #""vit": {"depth": \#(depth), "width": \#(width)}"#)
            }
            #expect(throws: UserError(kind, sentence)) {
                try comparison(results) { ($0.by, $0.conditions, $0.baseline) = (by, conditions, baseline) }
            }
        }
    }
}
