import Foundation
import RunStore
import TestSupport
import Testing

@testable import Reports

struct TextPlotTests {
    @Test func aLineFromCornerToCorner() {
        let plot = TextPlot("loss", axis: "epoch", [TextPlot.Series("train loss", x: [1, 4], y: [2, 0])])
        #expect(plot.text(width: 12, height: 2) == """
            loss
            2.00 ┤⠑⠢⣀
            0.00 ┤   ⠉⠢⢄
                 └──────
                  1    4
            """)
    }

    @Test func curvesHaveLetters() {
        let x = (1...20).map(Double.init)
        let text = TextPlot("accuracy", axis: "epoch", [
            TextPlot.Series("resnet20", x: x, y: x.map { 1 - 1 / $0 }), TextPlot.Series("größe <b>", x: x, y: x.map { 0.5 - 0.4 / $0 }),
        ]).text(width: 60, height: 8)
        let lines = text.split(separator: "\n", omittingEmptySubsequences: false)
        #expect(lines[1].hasSuffix("a") && lines[1...8].contains { $0.hasSuffix("b") } && lines.last == "a resnet20   b größe <b>", "\(text)")
        #expect(lines[1...8].joined().count { $0 == "a" } > 2 && lines[1...8].joined().count { $0 == "b" } > 2, "on the way too")
    }

    /// Nothing that a run can hold may stop it, or make a line too long.
    @Test func anyNumbersAtAnyWidth() {
        let cases: [[(Double, Double)]] = [
            [], [(1, .nan)], [(1, 0.5)], [(1, 0), (2, 0)], [(1, .infinity), (2, 3), (3, -.infinity), (4, 1)], [(1, -1e308), (2, 1e308)], [(1, 5e-324), (2, 0)],
            [(1, 1e30), (2, 1e30)], [(1, 0.1), (2, .nan), (3, 0.3)], (1...2000).map { (Double($0), sin(Double($0))) }, [(3, 1), (3, 2)],
        ]
        for points in cases {
            let series = TextPlot.Series("a name", x: points.map(\.0), y: points.map(\.1))
            for (width, height) in [(80, 10), (40, 3), (12, 2), (3, 1)] {
                for list in [[series], [series, series, TextPlot.Series("none", x: [], y: [])]] {
                    let text = TextPlot("title", axis: "epoch", list).text(width: width, height: height)
                    #expect(text.split(separator: "\n").allSatisfy { $0.count <= width }, "\(width)\n\(text)")
                }
            }
        }
        #expect(TextPlot("t", axis: "x", []).text() == "t\nno values to draw")
    }

    @Test func comparisonsDrawTheMeansOfRows() throws {
        try withTemporaryFolder { results in
            for seed in 0..<2 {
                try Example.writeRun(results, model: "a", seed: seed, accuracy: 0.8 + 0.1 * Double(seed))
                try Example.writeRun(results, model: "b", seed: seed, accuracy: 0.7)
            }
            var options = Comparison.Options()
            options.readsEpochs = true
            let comparison = try Comparison(under: [results], options: options)
            let curves = comparison.curves(of: .validation("accuracy"))
            #expect(curves.map(\.name) == ["a", "b"] && curves[0].points.map(\.epoch) == [1, 2] && curves[0].points[0].values.count == 2)
            #expect(abs(curves[0].points[0].mean - 0.84) < 1e-12 && abs(curves[0].points[1].mean - 0.83) < 1e-12)
            let plots = comparison.plots(width: 200)
            #expect(plots.contains("train loss (nat), mean over 2 runs a row\n") && plots.contains("\n\nval accuracy, mean over 2 runs a row\n0.840 ┤⠉⠉") && plots.hasSuffix("a a   b b"), "\(plots)")
            #expect(plots.split(separator: "\n").allSatisfy { $0.count <= 80 })
        }
    }
}
