import Configuration
import Foundation
import RunStore
import TestSupport
import Testing

@testable import Reports

/// What is shown of the layers of a run that measured them.
struct LayerReportTests {
    private static let names = ["fc1", "fc2", "fc3", "fc4"]
    private static let predicted = LayerDescription(
        names: names, predictedActivationVariance: [8, 4, 2, 1], predictedGradientVariance: [0.1875, 0.375, 0.75, 3])

    /// Forward by 1/2 from layer to layer, backward by 1/3.
    private static let start = LayerRecord(
        epoch: 0, activationMean: [0, 0, 0, 0], activationVariance: [1, 0.6, 0.25, 7], gradientVariance: [1e-9, 5e-9, 9e-9, 2e-70])
    private static let end = LayerRecord(
        epoch: 2, activationMean: [0, 0, 0, 0], activationVariance: [1.5, 2.5, .infinity, .nan], gradientVariance: [1, 2, 3, 0])

    private func write(
        _ results: String, model: String = "a", seed: Int = 0, _ layers: LayerDescription? = predicted, _ moments: [LayerRecord] = [start, end]
    ) throws -> RunFolder {
        try Example.writeRun(
            results, model: model, seed: seed, accuracy: 0.9, options: #""model": "\#(model)""#, layers: layers, moments: moments)
    }

    private func section(_ text: String) -> String { text.components(separatedBy: "\n\n").first { $0.hasPrefix("layer") || $0.hasPrefix("the layers") } ?? "" }

    @Test func theTableOfARun() throws {
        try withTemporaryFolder { results in
            let inspection = try Inspection(write(results).path)
            #expect(section(inspection.text) == """
                layer  activation variance at the start  predicted  after epoch 1  gradient variance at the start  predicted  after epoch 1
                ─────  ────────────────────────────────  ─────────  ─────────────  ──────────────────────────────  ─────────  ─────────────
                fc1                            1.00e+00   8.00e+00       1.50e+00                        1.00e-09   1.88e-01       1.00e+00
                fc2                            6.00e-01   4.00e+00       2.50e+00                        5.00e-09   3.75e-01       2.00e+00
                fc3                            2.50e-01   2.00e+00              –                        9.00e-09   7.50e-01       3.00e+00
                fc4                            7.00e+00   1.00e+00              –                        2.00e-70   3.00e+00       0.00e+00
                """)
            let parsed = try JSONSerialization.jsonObject(with: Data(inspection.json.utf8)) as? [String: Any]
            let layers = try #require(parsed?["layers"] as? [[String: Any]])
            #expect(layers.map { $0["layer"] as? String } == Self.names)
            #expect(layers[0]["activation_variance"] as? [Double] == [1, 1.5])
            #expect(layers[3]["gradient_variance"] as? [Double] == [2e-70, 0])
            #expect(layers[1]["predicted_gradient_variance"] as? Double == 0.375)
        }
    }

    @Test func withoutTheoryOrYetWithoutNumbers() throws {
        try withTemporaryFolder { results in
            let plain = try write(results, LayerDescription(names: Self.names), [Self.start])
            #expect(try section(Inspection(plain.runFile).text).hasPrefix("""
                layer  activation variance at the start  gradient variance at the start
                ─────  ────────────────────────────────  ──────────────────────────────
                fc1                            1.00e+00                        1.00e-09
                """))
            let early = try write(results, model: "b", Self.predicted, [])
            #expect(try section(Inspection(early.path).text) == "the layers were not yet measured")
            let never = try write(results, model: "c", nil, [])
            #expect(try section(Inspection(never.path).text) == "")
        }
    }

    @Test func gains() throws {
        try withTemporaryFolder { results in
            let run = try RunSummary(write(results))
            func expect(_ metric: Metric, _ value: Double) throws { #expect(abs(try #require(metric.value(of: run)) / value - 1) < 1e-12) }
            try expect(.activationGain, 0.5)
            try expect(.gradientGain, 1.0 / 3)
            try expect(.predictedActivationGain, 0.5)
            try expect(.predictedGradientGain, 0.5)
        }
    }

    /// How a network starts is known however it ends.
    @Test func aDivergedRunHasGains() throws {
        try withTemporaryFolder { results in
            _ = try write(results)
            try Example.writeRun(
                results, model: "b", seed: 0, accuracy: 0.9, options: #""model": "b""#, status: .diverged, layers: Self.predicted, moments: [Self.start])
            let gains = try Comparison(under: [results], options: options([.activationGain]))
            #expect(gains.rows.map { $0.measured.map(\.value) } == [[0.5], [0.5]])
            let accuracies = try Comparison(under: [results], options: options([.test("accuracy"), .predictedActivationGain]))
            #expect(accuracies.rows.map(\.measured.count) == [1, 0])
            #expect(try accuracies.rendered(as: .csv).split(separator: "\n").dropFirst().allSatisfy { $0.hasSuffix(",0.5") })
        }
    }

    private func options(_ metrics: [Metric]) -> Comparison.Options {
        var options = Comparison.Options()
        (options.metric, options.others) = (metrics[0], Array(metrics.dropFirst()))
        return options
    }

    /// Layers that give nothing but zeros have a gain of 0 or none; two hidden layers are the fewest.
    @Test(arguments: [
        ([1.0, 0, 0, 0], [0.0, 0, 1, 1], 0.0, 0.0), ([0, 0, 0, 0], [0, 0, 0, 1], nil, nil), ([1, .infinity, .infinity, 1], [1, 1, .nan, 1], nil, nil),
        ([1, 2], [1, 2], nil, nil), ([1, 2, 9], [3, 2, 9], 2, 1.5),
    ] as [([Double], [Double], Double?, Double?)])
    func gainsOfDegenerateLayers(activation: [Double], gradient: [Double], expected: Double?, expectedGradient: Double?) throws {
        try withTemporaryFolder { results in
            let names = activation.indices.map { "fc\($0)" }
            let run = try RunSummary(write(results, LayerDescription(names: names), [
                LayerRecord(epoch: 0, activationMean: activation.map { _ in 0 }, activationVariance: activation, gradientVariance: gradient),
            ]))
            #expect(Metric.activationGain.value(of: run) == expected)
            #expect(Metric.gradientGain.value(of: run) == expectedGradient)
            #expect(Metric.predictedActivationGain.value(of: run) == nil)
        }
    }

    // MARK: Several metrics in one table

    @Test func furtherMetricsGetAColumnOfMeans() throws {
        try withTemporaryFolder { results in
            for seed in 0..<2 {
                var start = Self.start
                start.activationVariance[2] = seed == 0 ? 0.25 : 1
                _ = try write(results, model: "a", seed: seed, Self.predicted, [start])
                _ = try write(results, model: "b", seed: seed, nil, [])
            }
            var options = Comparison.Options()
            (options.others, options.by) = ([.activationGain, .predictedActivationGain, .imagesPerSecond], ["model"])
            let comparison = try Comparison(under: [results], options: options)
            let table = try comparison.rendered(as: .table).split(separator: "\n")
            #expect(table[0].hasSuffix("p  activation gain  predicted activation gain  images/s  s/epoch"))
            #expect(table[2].hasPrefix("a ") && table[2].hasSuffix("0.7500                     0.5000     2,050     10.5"))
            #expect(table[3].hasPrefix("b ") && table[3].hasSuffix("–                          –     2,050     10.5"))
            #expect(comparison.notes.allSatisfy { !$0.contains("has no") })
            let lines = try comparison.rendered(as: .csv).split(separator: "\n")
            #expect(lines[0].hasSuffix(",p_holm,activation_gain,predicted_activation_gain,images_per_second"))
            #expect(lines[1].hasSuffix(",0.75,0.5,2050.0") && lines[2].hasSuffix(",,,2050.0"))
            let parsed = try JSONSerialization.jsonObject(with: Data(comparison.rendered(as: .json).utf8)) as? [[String: Any]]
            #expect(parsed?.map { $0["others"] as? [String: Double] } == [
                ["activation_gain": 0.75, "predicted_activation_gain": 0.5, "images_per_second": 2050], ["images_per_second": 2050],
            ])
        }
    }

    @Test func runsThatDidNotMeasureHaveNoGain() throws {
        try withTemporaryFolder { results in
            _ = try write(results, nil, [])
            var options = Comparison.Options()
            options.metric = .activationGain
            let error = try #require(throws: UserError.self) { try Comparison(under: [results], options: options) }
            #expect(error.kind == .noInput)
            #expect(error.message.hasPrefix("no finished run under \(results) has a activation_gain\na-s0-") && error.message.hasSuffix(" has no activation_gain"))
        }
    }
}

extension Metric {
    fileprivate static let activationGain = Metric.other(.activationGain), predictedActivationGain = Metric.other(.predictedActivationGain)
    fileprivate static let gradientGain = Metric.other(.gradientGain), predictedGradientGain = Metric.other(.predictedGradientGain)
}
