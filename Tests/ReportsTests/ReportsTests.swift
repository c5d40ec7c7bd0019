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

    @Test func theEndOfARun() throws {
        try withTemporaryFolder { results in
            let folders = [
                try Example.writeRun(results, model: "resnet20", seed: 0, accuracy: 0.9123),
                try Example.writeRun(results, model: "vit", seed: 0, accuracy: 0.88, parameters: 1_234),
            ]
            #expect(try ComparisonTable(folders).text == """
                model     parameters        MACs  test accuracy  s/epoch  images/s
                ────────  ──────────  ──────────  ─────────────  ───────  ────────
                resnet20     269,722  40,551,872         0.9123     10.0     2,000
                vit            1,234  40,551,872         0.8800     10.0     2,000
                """)
        }
    }

    @Test func theEndOfARunWithSeedsAndLosses() throws {
        try withTemporaryFolder { results in
            let folders = [
                try Example.writeRun(results, model: "resnet20", seed: 0, accuracy: 0.90),
                try Example.writeRun(results, model: "vit", seed: 0, accuracy: 0.88, status: .diverged),
                try Example.writeRun(results, model: "resnet20", seed: 1, accuracy: 0.92),
                try Example.writeRun(results, model: "vit", seed: 1, accuracy: 0.88, status: .interrupted),
            ]
            #expect(try ComparisonTable(folders + [RunFolder(path: "\(results)/never-begun")]).text == """
                model     seeds  parameters        MACs    test accuracy     s/epoch    images/s
                ────────  ─────  ──────────  ──────────  ───────────────  ──────────  ──────────
                resnet20      2     269,722  40,551,872  0.9100 ± 0.0141  10.5 ± 0.7  2,050 ± 71
                vit           0     269,722  40,551,872                –           –           –
                mean ± standard deviation over seeds
                vit-s0-00000002 diverged at step 2
                vit-s1-00000002 was cut off in epoch 2
                """)
        }
    }
}

struct ComparisonTests {
    @Test func meansAndIntervalsByModel() throws {
        try withTemporaryFolder { results in
            for seed in 0..<3 { try Example.writeRun(results, model: "resnet20", seed: seed, accuracy: 0.9 + 0.01 * Double(seed)) }
            try Example.writeRun(results, model: "vit", seed: 0, accuracy: 0.88)
            try Example.writeRun(results, model: "vit", seed: 1, accuracy: 0.88, status: .interrupted)
            let comparison = try Comparison([results, "\(results)/e"])
            #expect(try comparison.rendered(as: .table) == """
                test accuracy (share of the test set); mean over seeds with its 95% confidence interval (Student's t)

                model     n  test accuracy      sd           95% CI     min     max
                ────────  ─  ─────────────  ──────  ───────────────  ──────  ──────
                resnet20  3         0.9100  0.0100  0.8852 … 0.9348  0.9000  0.9200
                vit       1         0.8800       –                –  0.8800  0.8800
                """)
            #expect(comparison.notes == ["\(results)/e/vit-s1-00000002: was cut off in epoch 2, left out"])
            #expect(try Comparison([results], metric: .valLoss).rendered(as: .csv) == """
                experiment,model,definition,metric,n,mean,sd,ci95_low,ci95_high,min,max,seeds,values
                e,resnet20,,val_loss,3,0.375,0.0,0.375,0.375,0.375,0.375,0 1 2,0.375 0.375 0.375
                e,vit,,val_loss,1,0.375,,,,0.375,0.375,0,0.375
                """)
            #expect(try comparison.rendered(as: .markdown).hasPrefix("| model | n | test accuracy | sd | 95% CI | min | max |\n| --- | ---: |"))
            let parsed = try JSONSerialization.jsonObject(with: Data(comparison.rendered(as: .json).utf8)) as? [[String: Any]]
            let first = try #require(parsed?.first)
            #expect(first["n"] as? Int == 3 && first["parameters"] as? Int == 269_722 && first["multiply_adds"] as? Int == 40_551_872)
            #expect((first["confidence_interval"] as? [Double])?.count == 2)
            let runs = try #require(first["runs"] as? [[String: Any]])
            #expect(runs.map { $0["seed"] as? Int } == [0, 1, 2])
            #expect(runs[1]["path"] as? String == "\(results)/e/resnet20-s1-00000002")
        }
    }

    @Test func definitionsOfOneModelStayApart() throws {
        try withTemporaryFolder { results in
            for epochs in [2, 4] {
                for seed in 0..<2 { try Example.writeRun(results, model: "vit", seed: seed, accuracy: 0.8 + 0.01 * Double(epochs), epochs: epochs) }
            }
            try FileManager.default.copyItem(atPath: "\(results)/e/vit-s0-00000002", toPath: "\(results)/copy")
            let comparison = try Comparison([results])
            #expect(try comparison.rendered(as: .csv).split(separator: "\n").dropFirst().map { $0.split(separator: ",")[2] } == ["train.epochs=2", "train.epochs=4"])
            #expect(comparison.notes == ["\(results)/e/vit-s0-00000002: the same trial as \(results)/copy, left out"])
        }
    }

    @Test func nothingToCompare() throws {
        try withTemporaryFolder { results in
            #expect(throws: UserError(.noInput, "\(results)/none: there is no such folder")) { try Comparison(["\(results)/none"]) }
            #expect(throws: UserError(.noInput, "there are no runs under \(results)")) { try Comparison([results]) }
            try Example.writeRun(results, model: "vit", seed: 0, accuracy: 0.8, status: .diverged)
            let message = "no finished run under \(results) has a test_accuracy\n\(results)/e/vit-s0-00000002: diverged at step 2, left out"
            #expect(throws: UserError(.noInput, message)) { try Comparison([results]) }
        }
        #expect(throws: UserError(.usage, "unknown metric 'test_acuracy'; did you mean 'test_accuracy'?")) { try Metric(named: "test_acuracy") }
    }
}

struct InspectionTests {
    @Test func aRun() throws {
        try withTemporaryFolder { results in
            let folder = try Example.writeRun(results, model: "resnet20", seed: 0, accuracy: 0.9123)
            let inspection = try Inspection(folder.path)
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

                test accuracy    0.9123
                test loss (nat)  0.2500
                test images      4

                images by class (rows) and predicted class (columns)
                class  →0  →1  recall
                ─────  ──  ──  ──────
                    0   1   1  0.5000
                    1   0   2  1.0000

                host              bench
                system            Debian 12
                processor         x86-64
                threads           2
                versions          hdf5 1.10.8, onednn 2.6.3
                commit            –
                command           run e
                started           2025-01-01T00:00:00Z
                wall clock (s)    1,234.5
                seconds an epoch  10.0
                images a second   2,000

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

    @Test func whatCannotBeInspected() throws {
        try withTemporaryFolder { results in
            #expect(throws: UserError(.noInput, "\(results)/none: there is no such file or folder")) { try Inspection("\(results)/none") }
            #expect(throws: UserError(.noInput, "\(results): there are no runs in this folder")) { try Inspection(results) }
            try Data("garbage".utf8).write(to: URL(filePath: "\(results)/a.h5"))
            #expect(throws: UserError(.data, "\(results)/a.h5: is not an HDF5 file")) { try Inspection("\(results)/a.h5") }
        }
    }
}
