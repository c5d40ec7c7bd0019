import Foundation
import HDF5
import TestSupport
import Testing

/// `report` as a user calls it, over run folders that nobody had to train, and its page as a browser shows it.
struct ReportCommandTests {
    private let folder: TemporaryFolder

    init() throws {
        folder = try TemporaryFolder()
        try folder.add("Experiments/e.yaml", "# Question: is one better?\n# Command:  harness run e\ndata: {name: digits}\nmodels: {wide: {mlp: {widths: [8]}}, mlp: {mlp: {widths: [8]}}}\n")
        let results = folder.url.appending(path: "Results").path
        for seed in 0..<3 {
            for (model, skill) in [("mlp", 1.0), ("wide", 2)] {
                try ReportedRun.write(results, model: model, seed: seed, skill: skill, options: #""label": "<script>document.title=1</script>\#(String(repeating: "x", count: 10_000))""#)
            }
        }
        try FileManager.default.createDirectory(atPath: "\(results)/empty", withIntermediateDirectories: true)
    }

    private func report(_ words: String...) throws -> Program.Result { try Program.run(["report"] + words, in: folder.url) }
    private func text(_ path: String) throws -> String { try String(contentsOf: folder.url.appending(path: path), encoding: .utf8) }

    /// The command of the README.
    @Test func aPageItsFiguresAndItsTables() throws {
        let readme = try String(contentsOf: Program.packageRoot.appending(path: "README.md"), encoding: .utf8)
        let command = try #require(readme.firstMatch(of: /## Report\n\n```\nharness report vit_vs_resnet (.+)\n```/)?.1)
        let result = try Program.run(["report", "e"] + command.split(separator: " ").map(String.init), in: folder.url)
        #expect(result.exitCode == 0 && result.output == "", "\(result.errors)")
        let page = try text("report.html"), names = try FileManager.default.contentsOfDirectory(atPath: folder.url.appending(path: "figures").path)
        #expect(page.hasPrefix("<!doctype html>") && page.contains("is one better?") && page.contains("<code>harness report e --figures figures</code>"))
        #expect(names.contains("curves-accuracy-85mm.svg") && names.contains("confusion-wide-170mm.svg") && names.contains("comparison.tex") && !names.contains { $0.hasPrefix(".") })
        // What is in the place of an old page is the new one, with the same bytes.
        let again = try report("e", "--output", "report.html"), repeated = try text("report.html")
        #expect(again.exitCode == 0 && repeated == page)
        let table = try Program.run(["compare", "e", "--format", "latex"], in: folder.url)
        let tex = try text("figures/comparison.tex")
        #expect(table.exitCode == 0 && table.output.contains("\\toprule") && table.output == tex, "\(table.output)")
        let tables = try report("e", "--format", "latex"), count = names.count { $0.hasSuffix(".tex") }
        #expect(tables.exitCode == 0 && tables.output.hasPrefix(tex) && tables.output.matches(of: /\\begin{table}/).count == count && count > 2, "\(tables)")
    }

    /// Run files alone are enough: the question is in them, and stays what it was.
    @Test func aRunKeepsItsQuestion() throws {
        try folder.add("Experiments/asked.yaml", "# Question: do few epochs do? ±\ndata: {name: digits}\ntrain: {epochs: 1}\nmodels: {mlp: {mlp: {widths: [8]}}}\n")
        let run = try Program.run(["run", "asked"], in: folder.url)
        #expect(run.exitCode == 0, "\(run.errors)")
        try folder.add("Experiments/asked.yaml", "# Question: something else\ndata: {name: digits}\nmodels: {mlp: {mlp: {widths: [8]}}}\n")
        try folder.add("elsewhere/notes.txt", "")
        let elsewhere = folder.url.appending(path: "elsewhere")
        try FileManager.default.moveItem(at: folder.url.appending(path: "Results/asked"), to: elsewhere.appending(path: "asked"))
        let result = try Program.run(["report", "asked", "--output", "r.html"], in: elsewhere), page = try text("elsewhere/r.html")
        #expect(result.exitCode == 0 && page.contains("do few epochs do? ±") && !page.contains("something else"), "\(result.errors)")
    }

    @Test func whatCannotBeWrittenIsOneSentence() throws {
        try folder.add("notes.txt", "mine")
        let cases: [(words: [String], code: Int32, sentence: String)] = [
            (["e"], 64, "expected at least one of --output FILE.html, --figures FOLDER and --format latex"),
            (["nothing", "--output", "r.html"], 66, "there is no file or folder 'nothing'"),
            (["Results/empty", "--output", "r.html"], 66, "there are no runs under Results/empty"),
            (["e", "--output", "Results"], 64, "Results: is a folder, expected a new file or one to replace"),
            (["e", "--output", "notes.txt"], 64, "notes.txt: is there already and is no HTML file"),
            (["e", "--output", "absent/r.html"], 74, "absent/r.html: its folder does not exist"),
            (["e", "--figures", "notes.txt"], 64, "notes.txt: is a file, expected a folder"),
            (["e", "--figures", "notes.txt/figures"], 74, "notes.txt/figures: cannot be made: Not a directory"),
            (["e", "--output", "r.html", "--metric", "test_accurracy"], 64, "unknown metric 'test_accurracy'; did you mean 'test_accuracy'?"),
        ]
        for (words, code, sentence) in cases {
            let result = try Program.run(["report"] + words, in: folder.url)
            #expect(result.exitCode == code && result.errors.contains(sentence) && result.output == "", "\(words): \(result)")
        }
        #expect(try text("notes.txt") == "mine")
        #expect(!FileManager.default.fileExists(atPath: folder.url.appending(path: "r.html").path))
    }

    /// A disk without room: the old page stays, and nothing is left beside it.
    @Test(.enabled(if: FileManager.default.isExecutableFile(atPath: "/bin/bash"), "needs bash"))
    func aFullDiskLeavesTheOldPage() throws {
        #expect(try report("e", "--output", "report.html").exitCode == 0)
        let page = try text("report.html")
        let command = "trap '' XFSZ; ulimit -f 16; exec '\(Program.url.path)' report e --output report.html --title other"
        let result = try Program.run(["-c", command], in: folder.url, executable: URL(filePath: "/bin/bash"))
        #expect(result.exitCode == 74 && result.errors == "harness: report.html: cannot be written: File too large\n", "\(result)")
        #expect(try text("report.html") == page)
        #expect(try FileManager.default.contentsOfDirectory(atPath: folder.url.path).sorted() == ["Experiments", "Results", "report.html"])
    }

    private static let chromium = ["/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome"].first(where: FileManager.default.isExecutableFile)

    /// What a browser finds wrong with the page, at the width of a screen and of a telephone, light and dark: console messages, requests, text wider than the
    /// window, text of too little contrast.
    @Test(.enabled(if: chromium != nil, "needs Debian's chromium"), arguments: [false, true])
    func aBrowserFindsNothingWrong(isDark: Bool) throws {
        #expect(try report("e", "--output", "report.html").exitCode == 0)
        try folder.add("look.html", Self.examination)
        let result = try Program.run([
            "--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--user-data-dir=\(folder.url.path)/profile", "--allow-file-access-from-files",
            "--enable-logging=stderr", "--blink-settings=preferredColorScheme=\(isDark ? 0 : 1)", "--virtual-time-budget=10000", "--dump-dom",
            folder.url.appending(path: "look.html").absoluteString,
        ], in: folder.url, executable: URL(filePath: Self.chromium!))
        let found = try #require(result.output.firstMatch(of: /<pre id="found">([^<]*)<\/pre>/)?.1, "\(result.output.prefix(2000))\n\(result.errors.suffix(2000))")
        #expect(found == "dark \(isDark); 1280: sections 8, fits, requests 0, pale none, figures wide; 390: sections 8, fits, requests 0, pale none, figures narrow", "\(found)")
        #expect(!result.errors.contains("CONSOLE"), "\(result.errors)")
    }

    /// On paper the page is light, whole and short: two figures a page.
    @Test(.enabled(if: chromium != nil, "needs Debian's chromium"))
    func aBrowserPrintsIt() throws {
        #expect(try report("e", "--output", "report.html").exitCode == 0)
        let paper = folder.url.appending(path: "report.pdf")
        let result = try Program.run([
            "--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--user-data-dir=\(folder.url.path)/profile", "--blink-settings=preferredColorScheme=0",
            "--no-pdf-header-footer", "--print-to-pdf=\(paper.path)", folder.url.appending(path: "report.html").absoluteString,
        ], in: folder.url, executable: URL(filePath: Self.chromium!))
        let pdf = try #require(try? Data(contentsOf: paper), "\(result.errors.suffix(2000))")
        let pages = String(decoding: pdf, as: UTF8.self).matches(of: /\/Type \/Page\b/).count
        #expect(pdf.starts(with: Data("%PDF-".utf8)) && (4...9).contains(pages), "\(pages) pages")
    }

    /// A page that opens the report in two windows and looks at it.
    private static let examination = """
        <!doctype html><meta charset="utf-8"><meta name="color-scheme" content="light dark"><pre id="found"></pre>
        <iframe id="w1280" width="1280" height="900" src="report.html"></iframe><iframe id="w390" width="390" height="900" src="report.html"></iframe>
        <script>
        function luminance(c) { const [r, g, b] = c.map(v => { v /= 255; return v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4 }); return 0.2126 * r + 0.7152 * g + 0.0722 * b }
        function contrast(a, b) { a = luminance(a); b = luminance(b); return (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05) }
        function numbers(text) { const found = text.match(/[\\d.]+/g); return found ? found.map(Number) : null }
        function background(window, element) {
            for (let e = element; e; e = e.parentElement) {
                if (e.tagName === 'svg') return numbers(window.getComputedStyle(e.querySelector('.f-back')).fill);
                const c = numbers(window.getComputedStyle(e).backgroundColor);
                if (c && !(c.length === 4 && c[3] === 0)) return c;
            }
            return null;
        }
        function look(frame) {
            const window = frame.contentWindow, page = window.document, pale = [], root = page.documentElement;
            const walker = page.createTreeWalker(page.body, NodeFilter.SHOW_TEXT);
            while (walker.nextNode()) {
                const element = walker.currentNode.parentElement, inSVG = element.closest('svg');
                if (!walker.currentNode.data.trim() || !element.getClientRects().length || ['title', 'desc', 'style'].includes(element.tagName)) continue;
                const style = window.getComputedStyle(element), back = background(window, element);
                if (!back || contrast(numbers(inSVG ? style.fill : style.color), back) < 4.5) pale.push(walker.currentNode.data.slice(0, 20) + ' on ' + back);
            }
            const requests = window.performance.getEntriesByType('resource').filter(e => !e.name.startsWith('data:')).length;
            const isWide = [...page.querySelectorAll('.wide')].every(e => e.getClientRects().length > 0), isNarrow = [...page.querySelectorAll('.narrow')].every(e => e.getClientRects().length > 0);
            return 'sections ' + page.querySelectorAll('section').length + ', ' + (root.scrollWidth <= root.clientWidth ? 'fits' : root.scrollWidth + ' wide')
                + ', requests ' + requests + ', pale ' + (pale.length ? pale.slice(0, 5).join(' / ') : 'none') + ', figures ' + (isWide && !isNarrow ? 'wide' : isNarrow && !isWide ? 'narrow' : 'mixed');
        }
        addEventListener('load', () => {
            document.getElementById('found').textContent = 'dark ' + matchMedia('(prefers-color-scheme: dark)').matches + '; 1280: ' + look(document.getElementById('w1280'))
                + '; 390: ' + look(document.getElementById('w390'));
        });
        </script>
        """
}
