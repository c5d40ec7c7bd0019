import Configuration
import Figures
import Foundation
import Measures

/// A report as HTML: one file that needs nothing else.
struct ReportPage {
    let html: String

    init(_ report: Report) {
        let comparison = report.comparison, runs = comparison.rows.flatMap(\.runs)
        let experiments = runs.map(\.summary.description.experiment).reduce(into: [String]()) { if !$0.contains($1) { $0.append($1) } }
        let title = report.options.title ?? experiments.joined(separator: ", ")
        let models = Set(runs.map(\.summary.description.model)).count
        let facts = [counted(runs.count, "run", "runs"), counted(models, "model", "models"), counted(comparison.rows.count, "row", "rows"), comparison.metric.explanation(among: comparison.measures)]
        let command = "harness report \(Report.words((report.options.names.isEmpty ? experiments : report.options.names) + Report.words(for: report.options.comparison)))"
        let links = report.sections.map { "<a href=\"#\($0.id)\">\(htmlText($0.title))</a>" }.joined(separator: "\n")
        let sections = report.sections.map { section in
            "<section id=\"\(section.id)\">\n<h2>\(htmlText(section.title))</h2>\n\(section.parts.map { Self.html($0, command) }.joined(separator: "\n"))\n</section>"
        }
        html = """
            <!doctype html>
            <html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
            <meta name="color-scheme" content="light dark"><link rel="icon" href="data:,">
            <title>\(htmlText(title, limit: 120))</title>
            <style>
            \(Self.style)
            \(Palette.styleSheet)
            </style></head><body>
            <header><h1>\(htmlText(title, limit: 120))</h1>
            <p class="facts">\(facts.map { htmlText($0) }.joined(separator: " · "))</p>
            <nav aria-label="Sections">\(links)</nav></header>
            <main>
            \(sections.joined(separator: "\n"))
            </main>
            <footer><p>Made by <code>\(htmlText(command)) --output FILE.html</code> from the files of the runs alone.</p></footer>
            </body></html>

            """
    }

    private static func html(_ part: ReportSection.Part, _ command: String) -> String {
        switch part {
        case .paragraph(let text): return "<p>\(htmlText(text, limit: 4000))</p>"
        case .list(let items): return "<ul>\(items.map { "<li>\(htmlText($0, limit: 1000))</li>" }.joined(separator: "\n"))</ul>"
        case .fact(let label, let text):
            let isCommand = label == "Command", lines = text.split(separator: "\n").map { htmlText(String($0), limit: 2000) }
            let shown = isCommand ? lines.map { "<code>\($0)</code>" }.joined(separator: "<br>") : lines.joined(separator: " ")
            return "<p>\(label.isEmpty ? "" : "<strong>\(htmlText(label)):</strong> ")\(shown)</p>"
        case .figure(let name, let figure, let reading):
            return """
                <figure id="\(name)"><div class="wide">\(figure.inlineSVG(.page))</div><div class="narrow">\(figure.inlineSVG(.column))</div>
                \(caption(reading, command, name))</figure>
                """
        case .gallery(let figures, let reading):
            let drawings = figures.map { "<div id=\"\($0.name)\">\($0.content.inlineSVG(.column))</div>" }.joined(separator: "\n")
            return "<figure class=\"gallery\"><div>\(drawings)</div>\n\(caption(reading, command, figures.map(\.name).joined(separator: ", ")))</figure>"
        case .table(let name, let table, let caption, let command):
            let made = command.map { "<p class=\"made\"><code>\(htmlText($0))</code></p>" } ?? ""
            return "<div class=\"table\" id=\"\(name)\">\(table.html())</div>\n" + caption.map { "<p class=\"note\">\(htmlText($0, limit: 2000))</p>" }.joined(separator: "\n") + made
        case .folded(let title, let text):
            return "<details><summary>\(htmlText(title))</summary><pre tabindex=\"0\">\(htmlText(text, limit: 40_000))</pre></details>"
        case .foldedTable(let title, let table):
            return "<details><summary>\(htmlText(title))</summary>\(table.html())</details>"
        }
    }

    private static func caption(_ reading: String, _ command: String, _ names: String) -> String {
        "<figcaption>\(htmlText(reading, limit: 1000))<br><code>\(htmlText(command)) --figures figures</code> → \(names)</figcaption>"
    }

    /// Where a table is wider than the page, a shadow lies over the edge beyond which there is more of it: a ground of the page's colour that scrolls with the table
    /// hides it at the table's own ends.
    ///
    /// Colours have a contrast of at least 4.5 to what is behind them, light and dark; on paper it is light, and what is folded stays so.
    private static let style = """
        :root { color-scheme: light dark; --back: #fff; --ink: #1b1f24; --soft: #57606a; --rule: #d5dae0; --shade: #f4f6f8; --link: #0b5cad; --more: rgb(0 0 0 / .28) }
        @media screen and (prefers-color-scheme: dark) {
        :root { --back: #14181d; --ink: #e8eaed; --soft: #a4adb8; --rule: #333b44; --shade: #1d2329; --link: #7cc0f5; --more: rgb(255 255 255 / .3) } }
        * { box-sizing: border-box }
        html { background: var(--back); color: var(--ink); -webkit-text-size-adjust: 100% }
        body { font: 16px/1.55 system-ui, -apple-system, "Segoe UI", "Liberation Sans", Helvetica, Arial, sans-serif; margin: 0 auto; max-width: 76rem; padding: 1.5rem 1rem 3rem;
        overflow-wrap: anywhere }
        h1 { font-size: 1.8rem; line-height: 1.2; margin: 0 0 .25rem }
        h2 { font-size: 1.3rem; line-height: 1.3; margin: 2.5rem 0 .75rem; padding-top: .75rem; border-top: 1px solid var(--rule) }
        p { margin: .5rem 0; max-width: 46rem } ul { padding-left: 1.2rem; max-width: 46rem }
        a { color: var(--link) } .facts, .note, .made, figcaption, footer, li { color: var(--soft); font-size: .875rem }
        nav { display: flex; flex-wrap: wrap; gap: .25rem 1rem; margin-top: .75rem; font-size: .9375rem }
        code, pre { font: .8125rem/1.5 ui-monospace, "Liberation Mono", Menlo, monospace }
        code { color: var(--ink); background: var(--shade); padding: .1em .35em; border-radius: 3px; -webkit-box-decoration-break: clone; box-decoration-break: clone }
        pre { background: var(--shade); padding: .75rem; border-radius: 6px; overflow: auto; max-height: 24rem; overflow-wrap: normal }
        figure { margin: 1.25rem 0 2rem; max-width: 46rem } figure svg { display: block; height: auto; border-radius: 6px }
        figcaption { margin-top: .25rem; max-width: 46rem } figcaption code { line-height: 1.8 }
        .gallery { max-width: none } .gallery > div { display: grid; grid-template-columns: repeat(auto-fill, minmax(min(20rem, 100%), 1fr)); gap: 1rem }
        .narrow { display: none }
        @media screen and (max-width: 34rem) { .wide { display: none } .narrow { display: block } body { padding: 1rem 1rem 2rem } h1 { font-size: 1.5rem } }
        .scroll { overflow-x: auto; border: 1px solid var(--rule); border-radius: 6px; margin: .75rem 0; background:
        linear-gradient(to right, var(--back) 40%, transparent) left / 2.5rem 100% no-repeat local, linear-gradient(to left, var(--back) 40%, transparent) right / 2.5rem 100% no-repeat local,
        linear-gradient(to right, var(--more), transparent) left / 1rem 100% no-repeat scroll, linear-gradient(to left, var(--more), transparent) right / 1rem 100% no-repeat scroll }
        .scroll::-webkit-scrollbar { height: .6rem } .scroll::-webkit-scrollbar-thumb { background: var(--soft); border-radius: .3rem }
        table { border-collapse: collapse; font-size: .875rem; font-variant-numeric: tabular-nums; min-width: 100%; overflow-wrap: normal }
        th, td { padding: .35rem .5rem; text-align: right; font-weight: normal; max-width: 26rem }
        td { white-space: nowrap } .text { text-align: left } td.text { white-space: normal; min-width: 8rem }
        thead th:first-child { text-align: left } thead th { color: var(--soft); font-weight: 600; vertical-align: bottom; border-bottom: 1px solid var(--rule) }
        tbody tr + tr { border-top: 1px solid var(--rule) } tbody th { text-align: left; min-width: 6rem }
        details { margin: .5rem 0 } summary { cursor: pointer; color: var(--link) }
        footer { margin-top: 3rem; border-top: 1px solid var(--rule) }
        @media print { body { max-width: none; padding: 0; font-size: 10pt } nav, details { display: none } .scroll { overflow: visible; border: 0; background: none }
        table { font-size: 7.5pt } th, td { padding: .15rem .3rem; white-space: normal } figure, .gallery > div > div, tr { break-inside: avoid }
        h2 { break-after: avoid; margin-top: 1rem } figure { max-width: 145mm; margin: .5rem 0 .75rem } .gallery { break-inside: auto; max-width: none } figcaption { font-size: 8pt } }
        @page { margin: 15mm }
        """
}
