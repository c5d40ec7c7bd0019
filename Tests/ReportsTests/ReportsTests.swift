import Configuration
import Foundation
import RunStore
import TestSupport
import Testing

@testable import Reports

struct StatisticsTests {
    /// Quantiles of Student's t at 0.975, from the table in any textbook (here to nine digits).
    @Test(arguments: [
        (1, 12.7062047), (2, 4.30265273), (3, 3.18244631), (4, 2.77644511), (9, 2.26215716), (30, 2.04227246), (100, 1.98397152),
        (100_000, 1.95998772),
    ])
    func quantilesOfStudentT(degreesOfFreedom: Int, expected: Double) {
        #expect(abs(StudentT(degreesOfFreedom: degreesOfFreedom).quantile(0.975) - expected) < 1e-7)
    }

    @Test func spreadOfASample() throws {
        let sample = Sample(values: [2, 4, 4, 4, 5, 5, 7, 9])
        #expect(sample.mean == 5)
        #expect(abs(try #require(sample.standardDeviation) - (32.0 / 7).squareRoot()) < 1e-12)
        // 2.364624 is the quantile for seven degrees of freedom.
        let half = 2.3646242510 * (32.0 / 7 / 8).squareRoot()
        let interval = try #require(sample.confidenceInterval)
        #expect(abs(interval.lowerBound - (5 - half)) < 1e-8 && abs(interval.upperBound - (5 + half)) < 1e-8)
        #expect(Sample(values: [3]).standardDeviation == nil && Sample(values: [3]).confidenceInterval == nil)
    }

    @Test(arguments: [(0, "0"), (999, "999"), (1000, "1,000"), (-1_234_567, "-1,234,567"), (11_689_512, "11,689,512")])
    func thousands(value: Int, text: String) { #expect(grouped(value) == text) }

    @Test(arguments: [(0.91234, 4, "0.9123"), (1234.56, 1, "1,234.6"), (12_345, 0, "12,345"), (.nan, 2, "NaN"), (-.infinity, 2, "-∞")])
    func fixedDecimals(value: Double, count: Int, text: String) { #expect(decimals(value, count) == text) }
}

struct TableTests {
    @Test func threeForms() {
        var table = TextTable([TextTable.Column("name", .left), TextTable.Column("count")])
        table.append(["größe", "1,000"])
        table.append(["a|b", "7"])
        #expect(table.text == "name   count\n─────  ─────\ngröße  1,000\na|b        7")
        #expect(table.markdown == "| name | count |\n| --- | ---: |\n| größe | 1,000 |\n| a\\|b | 7 |")
        #expect(table.csv == "name,count\ngröße,\"1,000\"\na|b,7")
    }
}

struct FoldingTests {
    private var table: TextTable {
        var table = TextTable([
            TextTable.Column("model", .left), TextTable.Column("definition", .left), TextTable.Column("parameters"), TextTable.Column("95% CI"),
            TextTable.Column("images/s"),
        ])
        table.append(["vit", "depth=1 learning_rate=1e-3", "13,770", "0.7669 … 0.8609", "43,335"])
        table.append(["resnet20", "", "269,434", "–", "1,589"])
        return table
    }

    @Test func rowsThatAreTooLongTakeSeveralLines() {
        #expect(table.text(width: nil) == table.text && table.text(width: 77) == table.text)
        #expect(table.text(width: 60) == """
            model     definition                  parameters
                       95% CI  images/s
            ────────────────────────────────────────────────
            vit       depth=1 learning_rate=1e-3      13,770
              0.7669 … 0.8609    43,335
            resnet20                                 269,434
                            –     1,589
            """)
        // A text that is wider than a line is broken between its words.
        #expect(table.text(width: 24) == """
            model
              definition
              parameters
                       95% CI
              images/s
            ────────────────────
            vit
              depth=1
              learning_rate=1e-3
                  13,770
              0.7669 … 0.8609
                43,335
            resnet20

                 269,434
                            –
                 1,589
            """)
    }

    @Test func noLineIsTooLongAndNoNumberIsCut() {
        for width in 17...90 {
            let text = table.text(width: width)
            #expect(text.split(separator: "\n").allSatisfy { $0.count <= width }, "\(width)")
            for number in ["13,770", "269,434", "0.7669 … 0.8609", "43,335", "1,589", "images/s"] { #expect(text.contains(number), "\(width)") }
        }
    }

    @Test func sentencesBreakBetweenWords() {
        #expect(broken("one two three", width: nil) == ["one two three"] && broken("one two three", width: 13) == ["one two three"])
        #expect(broken("one two three", width: 9) == ["one two", "three"])
        #expect(broken("a/very/long/path b", width: 6) == ["a/very", "/long/", "path b"])
    }

    @Test(arguments: [(0.001, "0.001"), (6.600000000000001e-07, "6.6e-07"), (0, "0"), (0.05, "0.05"), (1e30, "1e+30"), (.nan, "NaN")])
    func significantDigits(value: Double, text: String) { #expect(significant(value) == text) }
}

struct InspectionTests {
    @Test func aRun() throws {
        try withTemporaryFolder { results in
            let folder = try Example.writeRun(results, model: "resnet20", seed: 0, accuracy: 0.9123)
            let inspection = try Inspection(folder.path)
            func plot(_ title: String, _ unit: String, _ training: [Double], _ validation: [Double]) -> String {
                TextPlot(title + unit, axis: "epoch", [
                    TextPlot.Series("train \(title)", x: [1, 2], y: training), TextPlot.Series("val \(title)", x: [1, 2], y: validation),
                ]).text(width: 80, height: 8)
            }
            let curves = plot("loss", " (nat)", [0.5, 0.5], [0.75, 0.375]) + "\n\n" + plot("accuracy", "", [0.9123 + 0.01, 0.9123 + 0.01], [0.9123 - 0.01, 0.9123 - 0.02])
            #expect(inspection.text == """
                run         \(folder.path)/run.h5
                experiment  e
                model       resnet20
                seed        0
                state       finished
                parameters  269,722
                MACs        40,551,872
                classes     2
                steps       2
                weights     \(folder.path)/weights/last.h5 after epoch 2

                epoch  train loss (nat)  train accuracy  val loss (nat)  val accuracy
                ─────  ────────────────  ──────────────  ──────────────  ────────────
                    1            0.5000          0.9223          0.7500        0.9023
                    2            0.5000          0.9223          0.3750        0.8923

                \(curves)

                test accuracy    0.9123
                test loss (nat)  0.2500
                test images      4

                images by class (rows) and predicted class (columns)
                class  →0  →1  recall
                ─────  ──  ──  ──────
                    0   1   1  0.5000
                    1   0   2  1.0000

                images by class, each against all others
                class  images  predicted  precision  recall      F1
                ─────  ──────  ─────────  ─────────  ──────  ──────
                    0       2          1     1.0000  0.5000  0.6667
                    1       2          3     0.6667  1.0000  0.8000
                no AUC, calibration or top-k accuracy: the file keeps no logits of the test images

                host                bench
                system              Debian 12
                processor           x86-64
                threads             2
                versions            hdf5 1.10.8, onednn 2.6.3
                commit              –
                command             run e
                started             2025-01-01T00:00:00Z
                wall clock (s)      1,234.5
                seconds an epoch    10.0
                images a second     2,000
                waiting (s/epoch)   0.25
                log etc. (s/epoch)  –

                definition
                  {"data": {"name": "digits"}, "models": {"m": {"flip": true}}, "seeds": [0], "train": {"epochs": 2}}
                """)
            #expect(try Inspection(folder.runFile).text == inspection.text)
            let parsed = try JSONSerialization.jsonObject(with: Data(inspection.json.utf8)) as? [String: Any]
            #expect(parsed?["state"] as? String == "finished")
            #expect((parsed?["test"] as? [String: Any])?["confusion"] as? [[Int]] == [[1, 1], [0, 2]])
            #expect((parsed?["machine"] as? [String: Any])?["images_per_second"] as? Double == 2000)
        }
    }

    @Test func aRunFileAlone() throws {
        try withTemporaryFolder { results in
            let folder = try Example.writeRun(results, model: "resnet20", seed: 0, accuracy: 0.9, status: .diverged)
            try FileManager.default.moveItem(atPath: folder.runFile, toPath: "\(results)/alone.h5")
            let text = try Inspection("\(results)/alone.h5").text
            #expect(text.contains("state       diverged") && !text.contains("weights"))
        }
    }

    @Test func manyRuns() throws {
        try withTemporaryFolder { results in
            try Example.writeRun(results, model: "vit", seed: 10, accuracy: 0.88)
            try Example.writeRun(results, model: "vit", seed: 2, accuracy: 0.88, status: .interrupted)
            let inspection = try Inspection(results + "/")
            #expect(inspection.text == """
                experiment  model  seed  state        parameters  epochs  steps  val accuracy  test accuracy  run
                ──────────  ─────  ────  ───────────  ──────────  ──────  ─────  ────────────  ─────────────  ────────────────
                e           vit       2  interrupted     269,722       1      1        0.8700              –  vit-s2-00000002
                e           vit      10  finished        269,722       2      2        0.8700         0.8800  vit-s10-00000002
                """)
            let parsed = try JSONSerialization.jsonObject(with: Data(inspection.json.utf8)) as? [[String: Any]]
            #expect(parsed?.map { $0["seed"] as? Int } == [2, 10])
        }
    }

    @Test func aDamagedRunAmongMany() throws {
        try withTemporaryFolder { results in
            try Example.writeRun(results, model: "vit", seed: 1, accuracy: 0.88)
            let damaged = try Example.writeRun(results, model: "vit", seed: 2, accuracy: 0.88)
            try Data().write(to: URL(filePath: damaged.runFile))
            let damage = try #require(throws: UserError.self) { try RunReader(damaged) }
            let inspection = try Inspection(results)
            #expect(inspection.text.split(separator: "\n").count == 3 && inspection.text.contains("vit-s1-00000002"))
            #expect(inspection.notes == ["vit-s2-00000002 is left out: \(damage)"])
            try FileManager.default.removeItem(atPath: "\(results)/e/vit-s1-00000002")
            #expect(throws: damage) { try Inspection(results) }
        }
    }

    @Test func weights() throws {
        try withTemporaryFolder { results in
            let folder = try Example.writeRun(results, model: "vit", seed: 0, accuracy: 0.88)
            let inspection = try Inspection(folder.weightsFile(.last))
            #expect(inspection.text == """
                weights            \(folder.weightsFile(.last))
                parameters         1,240
                best val accuracy  0.9125
                epoch              2

                parameter  shape  numbers
                ─────────  ─────  ───────
                fc.weight  40×30    1,200
                fc.bias       40       40

                buffer           shape  numbers
                ───────────────  ─────  ───────
                bn.running_mean      2        2
                """)
            let parsed = try JSONSerialization.jsonObject(with: Data(inspection.json.utf8)) as? [String: Any]
            #expect(parsed?["parameter_count"] as? Int == 1240)
        }
    }

    @Test func thePlanOfASweep() throws {
        try withTemporaryFolder { results in
            let outcomes: [SweepFile.Outcome] = [.finished, .stopped(epoch: 2), .failed("too large")]
            try SweepFile(
                experiment: "e", halving: nil, sweep: "grid: {train.l1: [0, 1, 2]}",
                entries: outcomes.enumerated().map { index, outcome in
                    SweepFile.Entry(
                        model: "m", seed: index, hash: "0000000\(index)", cell: index, values: ["train.l1": "\(index)"], configuration: "{}", outcome: outcome)
                }
            ).write(to: "\(results)/sweep.h5")
            let inspection = try Inspection("\(results)/sweep.h5")
            #expect(inspection.text == """
                plan        \(results)/sweep.h5
                experiment  e
                trials      3

                trial          values      outcome
                ─────────────  ──────────  ─────────────────────
                m-s0-00000000  train.l1=0  finished
                m-s1-00000001  train.l1=1  stopped after epoch 2
                m-s2-00000002  train.l1=2  failed: too large

                sweep
                  grid: {train.l1: [0, 1, 2]}
                """)
            let parsed = try JSONSerialization.jsonObject(with: Data(inspection.json.utf8)) as? [String: Any]
            #expect((parsed?["trials"] as? [[String: Any]])?.map { $0["outcome"] as? String } == ["finished", "stopped", "failed"])
        }
    }

    @Test func whatCannotBeInspected() throws {
        try withTemporaryFolder { results in
            #expect(throws: UserError(.noInput, "\(results)/none: there is no such file or folder")) { try Inspection("\(results)/none") }
            #expect(throws: UserError(.noInput, "\(results): there are no runs in this folder")) { try Inspection(results) }
            try Data("garbage".utf8).write(to: URL(filePath: "\(results)/a.h5"))
            #expect(throws: UserError(.data, "\(results)/a.h5: is not an HDF5 file")) { try Inspection("\(results)/a.h5") }
        }
    }
}
