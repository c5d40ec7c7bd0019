import Configuration
import Foundation
import FoundationXML
import RunStore
import TestSupport
import Testing

@testable import Reports

@Suite struct ReportTests {
    private static let hostile = "<script>alert(1)<b>" + String(repeating: "x", count: 150)

    /// Two models at three seeds each, one of a hostile name.
    private func write(_ results: String, isBare: Bool = false) throws {
        for seed in 0..<3 {
            try ReportedRun.write(results, model: "mlp", seed: seed, skill: 1, isBare: isBare)
            try ReportedRun.write(
                results, model: Self.hostile, seed: seed, skill: 2, options: #""width": 16"#, note: String(repeating: "y", count: 10_000) + "</script>", isBare: isBare)
        }
    }

    private func report(_ results: String, _ change: (inout Report.Options) -> Void = { _ in }) throws -> Report {
        var options = Report.Options()
        options.question = { _ in "Question: is <i>one</i> better?\n          Or the other?\nCommand:  harness run experiments/e" }
        change(&options)
        return try Report(under: ["\(results)/e"], options: options)
    }

    @Test func theSameRunsGiveTheSamePageWhereverTheyLie() throws {
        try withTemporaryFolder { folder in
            for place in ["one", "another/place"] { try write("\(folder)/\(place)") }
            let one = try report("\(folder)/one"), other = try report("\(folder)/another/place")
            #expect(one.html == other.html)
            #expect(try report("\(folder)/one").html == one.html)
            #expect(one.figureFiles().map(\.text) == other.figureFiles().map(\.text) && one.tableFiles().map(\.text) == other.tableFiles().map(\.text))
            #expect(!one.html.contains(folder))
        }
    }

    @Test func everySectionIsThereThatRunsHaveDataFor() throws {
        try withTemporaryFolder { folder in
            try write("\(folder)/whole")
            try write("\(folder)/bare", isBare: true)
            let whole = try report("\(folder)/whole"), bare = try report("\(folder)/bare") { $0.question = { _ in nil } }
            #expect(whole.sections.map(\.id) == ["question", "comparison", "curves", "cost", "classes", "calibration", "errors", "layers", "differences"])
            #expect(bare.sections.map(\.id) == ["question", "comparison", "curves", "cost", "classes", "differences"])
            let html = whole.html
            #expect(html.contains("<strong>Question:</strong> is &lt;i&gt;one&lt;/i&gt; better? Or the other?") && html.contains("<code>harness run experiments/e</code>"))
            #expect(html.contains("McNemar&#39;s test") || html.contains("McNemar's test"))
            // The comparison's own numbers.
            let row = try #require(whole.comparison.rows.first { $0.model == "mlp" })
            #expect(html.contains(">\(decimals(row.sample.mean, 4))</td>") && html.contains("(ECE \(decimals(Sample(values: whole.shown[0].evaluation.calibrationErrors).mean, 3)))"))
            let names = whole.figureFiles().map(\.name)
            #expect(Set(names).count == names.count && names.allSatisfy { $0.hasSuffix("-85mm.svg") || $0.hasSuffix("-170mm.svg") } && names.contains("curves-accuracy-85mm.svg"), "\(names)")
            #expect(whole.tableFiles().map(\.name) == ["comparison.tex", "paired-images.tex", "confused-pairs.tex", "differences.tex"])
            #expect(names.allSatisfy { !$0.contains("/") && $0.utf8.count < 100 })
            for (name, text) in whole.figureFiles() { #expect(XMLParser(data: Data(text.utf8)).parse(), "\(name)") }
        }
    }

    @Test func namesStayTextAndNothingComesFromElsewhere() throws {
        try withTemporaryFolder { folder in
            try write(folder)
            let html = try report(folder) { $0.title = "\u{1B}[31m<img src=x onerror=alert(1)>" }.html
            #expect(!html.contains("<script") && !html.contains("<b>") && !html.contains("<img") && !html.contains("\u{1B}") && html.contains("&lt;script&gt;alert(1)&lt;b&gt;"))
            // The one address is the name of SVG's namespace, which nobody fetches.
            #expect(html.replacing("http://www.w3.org/2000/svg", with: "").range(of: #"https?:|//[a-z]+\.|url\(|@import|<link[^>]*href="[^d]"#, options: .regularExpression) == nil)
            // A long note is whole in the definition alone, which is folded.
            let unfolded = html.replacing(/<pre.*?<\/pre>/.dotMatchesNewlines(), with: "")
            #expect(!unfolded.contains(String(repeating: "y", count: 2500)) && html.utf8.count < 500_000, "\(html.utf8.count)")
        }
    }

    @Test func commandsSayWhatWasAskedFor() throws {
        try withTemporaryFolder { folder in
            try write(folder)
            let html = try report(folder) {
                $0.comparison.metric = .test("loss")
                $0.comparison.by = ["width"]
                $0.comparison.conditions = ["seed=0"]
            }.html
            #expect(html.contains("<code>harness report e --metric test_loss --by width --where seed=0 --figures figures</code>"))
            #expect(html.contains("<code>harness compare e --metric test_loss --by width --where seed=0 --format latex</code>"))
        }
    }

    /// Two options of one model, then three: what differs has its figures.
    @Test func aSweepHasItsFigures() throws {
        try withTemporaryFolder { folder in
            for rate in ["0.001", "0.01"] {
                for width in [8, 16, 32] {
                    for seed in 0..<2 { try ReportedRun.write(folder, model: "mlp", seed: seed, skill: Double(width) / 16, options: #""width": \#(width)"#, rate: rate, isBare: true) }
                }
            }
            let two = try report(folder)
            #expect(two.sections.first { $0.id == "sweep" }?.figures.map(\.name) == ["main-effects", "options-width-learning_rate"] || two.sections.first { $0.id == "sweep" }?.figures.map(\.name) == ["main-effects", "options-learning_rate-width"])
            for seed in 0..<2 { try ReportedRun.write(folder, model: "mlp", seed: seed, skill: 1, options: #""width": 8, "depth": 2"#, isBare: true) }
            #expect(try report(folder).sections.first { $0.id == "sweep" }?.figures.map(\.name).prefix(2) == ["main-effects", "parallel-coordinates"])
            // Seven rows have a list of values instead of a column each, and six have lines of their own.
            #expect(try report(folder).shown.count == 6)
        }
    }

    @Test func damagedRunsAreLeftOutAndNamed() throws {
        try withTemporaryFolder { folder in
            try write(folder)
            let damaged = try ReportedRun.write(folder, model: "mlp", seed: 7, skill: 1)
            let file = try FileHandle(forWritingTo: URL(filePath: damaged.runFile))
            try file.truncate(atOffset: 3000)
            let found = try report(folder)
            #expect(found.notes.contains { $0.hasPrefix("mlp-s7-") && $0.contains("is left out") } && found.html.contains("is left out") && !found.html.contains(folder))
        }
    }

    @Test func noRunsAreOneSentence() throws {
        try withTemporaryFolder { folder in
            try FileManager.default.createDirectory(atPath: "\(folder)/e", withIntermediateDirectories: true)
            #expect { try report(folder) } throws: { ($0 as? UserError)?.kind == .noInput }
        }
    }

    @Test func tablesInLaTeXAreEscaped() {
        var table = TextTable([TextTable.Column("a_b", .left), TextTable.Column("95% CI")])
        table.append([##"\end{table} $x^2$ & ~#"##, "0.1 … 0.2"])
        table.append(["[8, a-1]", "-0.1 … -0.2"])
        let lines = table.latex(caption: ["Δ: 50%", "p"]).split(separator: "\n")
        #expect(lines.contains(#"    a\_b & 95\% CI \\"#) && lines.contains(#"  \caption{$\Delta$: 50\%. p.}"#) && lines.contains("  \\begin{tabular}{lr}"))
        #expect(lines.contains(#"    {}[8, a-1] & $-$0.1 \ldots{} $-$0.2 \\"#), "a bracket belongs to its row, signs are no hyphens")
        #expect(lines.contains(##"    \textbackslash{}end\{table\} \$x\textasciicircum{}2\$ \& \textasciitilde{}\# & 0.1 \ldots{} 0.2 \\"##), "\(lines)")
    }
}
