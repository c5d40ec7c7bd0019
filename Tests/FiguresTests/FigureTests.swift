@testable import Figures
import Foundation
import FoundationXML
import Testing

@Suite struct FigureTests {
    static let hostile = "<script>alert(1)</script>\u{1B}]0;x\u{7}\u{202E}&\"'" + String(repeating: "ab", count: 5000)

    /// One of each kind, with names as bad as names can be.
    static let examples: [any Figure] = [
        LineChart(
            title: hostile, xAxis: Axis("epoch", isWhole: true), yAxis: Axis(hostile, scale: .logarithmic),
            series: (0..<9).map { line in
                let y = (1...20).map { Double($0 + line) / 7 }
                return LineChart.Series(hostile, colour: line, isDashed: line == 8, x: (1...20).map(Double.init), y: y, band: y.map { $0 * 0.9...$0 * 1.1 })
            } + [LineChart.Series("no numbers", colour: 1, x: [1, 2, 3], y: [.nan, 0, .infinity])], solid: "validation", dashed: "training"),
        LineChart(
            title: "bands beyond a logarithmic axis", xAxis: Axis("epoch"), yAxis: Axis("loss", scale: .logarithmic), series: [
                LineChart.Series("a", colour: 0, x: [1, 2, 3, 4], y: [2, 0.1, 0.01, 0.01], band: [1...3, -0.5...0.7, 0...0.02, -.infinity ... .infinity]),
            ]),
        LineChart(
            title: "as far as numbers go", xAxis: Axis("x"), yAxis: Axis("y"),
            series: [LineChart.Series("a", colour: 0, x: [1, 2], y: [-.greatestFiniteMagnitude, .greatestFiniteMagnitude], band: [-.infinity...0, 0 ... .infinity])]),
        LineChart(
            title: "the same, logarithmic", xAxis: Axis("x"), yAxis: Axis("y", scale: .logarithmic),
            series: [LineChart.Series("a", colour: 0, x: [1, 2], y: [.leastNonzeroMagnitude, .greatestFiniteMagnitude])]),
        ScatterChart(
            title: "cost", xAxis: Axis("parameters", scale: .logarithmic), yAxis: Axis("accuracy", bounds: 0...1),
            points: (0..<10).map { ScatterChart.Point(hostile, colour: $0, x: pow(10, Double($0)), y: Double($0) / 10, interval: 0.1...0.9) }, colours: [hostile]),
        HeatMap(confusion: (0..<12).map { row in (0..<12).map { $0 == row ? 90 : 1 } }, names: (0..<12).map { "\(hostile)\($0)" }, title: hostile),
        HeatMap(title: "empty", rowLabel: "a", columnLabel: "b", rows: [], columns: [], values: [], texts: [], valueLabel: "v"),
        HeatMap(confusion: [[0, 0], [0, 0]], names: ["a", "b"], title: "no images"),
        DotChart(title: hostile, axis: Axis("recall", bounds: 0...1), series: [hostile, "b"], groups: [
            DotChart.Group(hostile, rows: [DotChart.Row(hostile, [DotChart.Dot(0.5, interval: 0.2...0.8), nil]), DotChart.Row("b", [DotChart.Dot(.nan), DotChart.Dot(1)])]),
        ]),
        ParallelCoordinates(title: hostile, coordinates: [
            ParallelCoordinates.Coordinate(hostile, words: [hostile, "b"], values: [0, 1, nil]),
            ParallelCoordinates.Coordinate(Axis("rate", scale: .logarithmic), values: [1e-4, 1e-2, 1e-3]),
            ParallelCoordinates.Coordinate(Axis("accuracy"), values: [0.5, 0.7, .nan]),
        ], names: [hostile, "b", "c"]),
        ReliabilityDiagram(title: hostile, series: [ReliabilityDiagram.Series(hostile, bins: [nil, ReliabilityDiagram.Bin(confidence: 0.8, accuracy: 0.7, count: 10)])]),
        Histogram(title: hostile, axis: Axis(hostile), values: [0.1, 0.2, 0.2, .nan, 5], unit: hostile),
        Histogram(title: "none", axis: Axis("x"), values: [], unit: "images"),
        ImageGrid(title: hostile, caption: hostile, cells: [ImageGrid.Cell(png: [0x89, 0x50], width: 28, height: 20, lines: [hostile, "b"])]),
    ]

    @Test(arguments: examples.indices, FigureWidth.allCases)
    func aFigureIsAWholeDocumentWhateverItsNames(index: Int, width: FigureWidth) throws {
        let figure = Self.examples[index], svg = figure.svg(width), reader = SVGReader(svg)
        #expect(reader.error == nil, "\(reader.error ?? "")")
        #expect(svg == figure.svg(width) && svg.hasSuffix("</svg>\n"))
        #expect(reader.sizes["width"] == "\(width.rawValue)mm" && reader.elements.isDisjoint(with: ["script", "foreignObject", "a", "use"]))
        // Nothing comes from elsewhere, and no long name makes a long file.
        #expect(reader.references.allSatisfy { $0.hasPrefix("data:image/png;base64,") } && !svg.contains("url(") && svg.utf8.count < 100_000, "\(svg.utf8.count)")
        #expect(!svg.unicodeScalars.contains { $0 != "\n" && $0.value < 0x20 || $0.value == 0x202E } && !svg.contains("nan") && !svg.contains("inf"))
        #expect(reader.elements.contains("text") && reader.textPlaces.allSatisfy { (-1...width.units + 1).contains($0) }, "\(reader.textPlaces)")
        // Inside a page the style is the page's.
        let inline = SVGReader(figure.inlineSVG(width))
        #expect(inline.error == nil && !inline.elements.contains("style"))
    }

    /// A band that goes below what a logarithmic axis can show ends where the axis does, which the values alone determine.
    @Test(arguments: FigureWidth.allCases) func aBandEndsWithItsLogarithmicAxis(width: FigureWidth) throws {
        func chart(_ low: Double) -> LineChart {
            let series = LineChart.Series("a", colour: 0, x: [1, 2, 3], y: [2, 0.1, 0.01], band: [1...3, low...0.7, low...0.02])
            return LineChart(title: "Loss", xAxis: Axis("epoch"), yAxis: Axis("loss", scale: .logarithmic), series: [series])
        }
        let svg = chart(-0.5).svg(width), path = try #require(svg.firstMatch(of: /<path class="f-f0" d="M([^"]*)Z" fill-opacity/)?.1)
        let places = path.split(separator: "L").map { $0.split(separator: " ").compactMap { Double($0) } }
        let bottom = try #require(svg.firstMatch(of: /<line class="f-axis" x1="[\d.]+" y1="([\d.]+)" x2="[\d.]+" y2="\1"/).flatMap { Double($0.1) })
        #expect(places.count == 6 && places.allSatisfy { $0.count == 2 && $0[1] <= bottom }, "\(path)")
        #expect(places[3][1] == bottom && places[4][1] == bottom && places[5][1] < bottom, "\(path)")
        #expect(svg == chart(0).svg(width) && svg == chart(-.infinity).svg(width))
    }

    /// Numbers are whole or not there, and names that have no room stand in the legend.
    @Test func wordsInLittleRoom() {
        let words = CellWords([["ankle boot", "-1.5 to 0.02"], ["98.7%"]], width: 40, size: 9.5)
        #expect(words.lines[0].map(\.text) == ["ankle", "boot", "-1.5 to", "0.02"] && words.lineCount == 4, "\(words.lines)")
        #expect(CellWords([["0.12345", "a"]], width: 20, size: 9.5).lines[0].map(\.text) == ["a"])
        let near = ["first row", "second row", "third row", "fourth row", "fifth row", "sixth row", "seventh row", "eighth row"].enumerated().map {
            ScatterChart.Point($1, colour: $0, x: 1 + Double($0) / 1000, y: 0.5)
        }
        let svg = ScatterChart(title: "t", xAxis: Axis("x", shows: 0...2), yAxis: Axis("y"), points: near).svg(.column)
        for point in near { #expect(svg.components(separatedBy: ">\(point.label)</text>").count == 2, "\(point.label)") }
        // The last columns' names are whole.
        let names = (0..<10).map { "ankle boot \($0)" }
        let map = HeatMap(confusion: names.indices.map { row in names.indices.map { $0 == row ? 9 : 1 } }, names: names, title: "t").svg(.column)
        for name in names { #expect(map.components(separatedBy: ">\(name)</text>").count == 3, "\(name)") }
    }

    /// The bytes of one small figure: they change when somebody means it.
    @Test func theBytesAreThoseOfTheNumbers() {
        let svg = Histogram(title: "Confidence", axis: Axis("confidence"), values: [0.1, 0.25, 0.25, 0.9], unit: "images", about: 5).svg(.column)
        #expect(svg.contains(#"<text class="f-ink" x="8" y="23" font-size="12.5" font-weight="bold">Confidence</text>"#), "\(svg)")
        #expect(svg.contains("<title>2 images</title>") && svg.contains(#"viewBox="0 0 321.26"#))
    }

    @Test(arguments: [
        (0.0...1.0, 5, ["0", "0.2", "0.4", "0.6", "0.8", "1.0"]), (0.93...0.97, 4, ["0.93", "0.94", "0.95", "0.96", "0.97"]), (-3.0...7, 5, ["-2", "0", "2", "4", "6"]),
        (0.0...270_000, 3, ["0", "100k", "200k"]), (1.0...1.0000001, 2, []), (0...3e-5, 3, ["0", "1e-5", "2e-5", "3e-5"]),
    ])
    func ticksAreRound(range: ClosedRange<Double>, count: Int, expected: [String]) {
        let ticks = Axis("x").ticks(in: range, about: count)
        if expected.isEmpty { #expect(ticks.count >= 1) } else { #expect(ticks.map(\.text) == expected) }
        #expect(ticks.allSatisfy { range.lowerBound - 1e-9 <= $0.value && $0.value <= range.upperBound + 1e-9 })
    }

    @Test(arguments: [
        (1e-3...10.0, 5, ["0.001", "0.01", "0.1", "1", "10"]), (0.6...3.0, 5, ["1", "2"]), (2e5...3e7, 4, ["500k", "1M", "5M", "10M"]),
        (1e-8...1.0, 4, ["1e-8", "1e-6", "1e-4", "0.01", "1"]), (50.0...60, 4, ["50", "55", "60"]),
    ])
    func logarithmicTicksAreRound(range: ClosedRange<Double>, count: Int, expected: [String]) {
        #expect(Axis("x", scale: .logarithmic).ticks(in: range, about: count).map(\.text) == expected)
    }

    @Test(arguments: [Palette.light, Palette.dark])
    func textAndLinesStandOut(theme: Palette.Theme) {
        for text in [theme.ink, theme.soft] { #expect(text.contrast(to: theme.back) >= 4.5, "\(text.text)") }
        for line in theme.series + [theme.axis] { #expect(line.contrast(to: theme.back) >= 3, "\(line.text)") }
        // The numbers in a heat map's cells, from the emptiest to the fullest.
        for step in 0...100 {
            let cell = theme.heat.over(theme.back, opacity: Double(step) / 100 * Palette.heatOpacity)
            #expect(theme.ink.contrast(to: cell) >= 4.5, "\(step)")
        }
    }

    /// Machado, Oliveira and Fernandes, IEEE TVCG 15, 2009: what eyes without one kind of cone see; distances in CIELAB, where 2 is just noticed.
    @Test(arguments: [Palette.light, Palette.dark], [
        [1, 0, 0, 0, 1, 0, 0, 0, 1],
        [0.152286, 1.052583, -0.204868, 0.114503, 0.786281, 0.099216, -0.003882, -0.048116, 1.051998],
        [0.367322, 0.860646, -0.227968, 0.280085, 0.672501, 0.047413, -0.011820, 0.042940, 0.968881],
        [1.255528, -0.076749, -0.178779, -0.078411, 0.930809, 0.147602, 0.004733, 0.691367, 0.303900],
    ])
    func coloursAreToldApart(theme: Palette.Theme, vision: [Double]) {
        let seen = theme.series.map { lab($0, vision) }
        for (index, one) in seen.enumerated() {
            for other in seen[..<index] { #expect(zip(one, other).reduce(0) { $0 + ($1.0 - $1.1) * ($1.0 - $1.1) }.squareRoot() > 10, "\(index)") }
        }
    }

    private func lab(_ colour: Palette.Colour, _ vision: [Double]) -> [Double] {
        func times(_ matrix: [Double], _ v: [Double]) -> [Double] { (0..<3).map { row in (0..<3).reduce(0) { $0 + matrix[3 * row + $1] * v[$1] } } }
        let linear = [colour.red, colour.green, colour.blue].map { $0 / 255 }.map { $0 <= 0.04045 ? $0 / 12.92 : pow(($0 + 0.055) / 1.055, 2.4) }
        let xyz = times([0.4124, 0.3576, 0.1805, 0.2126, 0.7152, 0.0722, 0.0193, 0.1192, 0.9505], times(vision, linear).map { min(max($0, 0), 1) })
        let f = zip(xyz, [0.95047, 1, 1.08883]).map { value, white in value / white > 0.008856 ? cbrt(value / white) : 7.787 * value / white + 16.0 / 116 }
        return [116 * f[1] - 16, 500 * (f[0] - f[1]), 200 * (f[1] - f[2])]
    }

    @Test func theFrontHoldsWhatNothingBeats() {
        func chart(isMoreBetter: Bool) -> ScatterChart {
            let points = [(1.0, 0.5), (2, 0.4), (2, 0.7), (3, 0.7), (4, 0.9), (0.5, .nan)].map { ScatterChart.Point("", colour: 0, x: $0.0, y: $0.1) }
            return ScatterChart(title: "", xAxis: Axis(""), yAxis: Axis(""), points: points, isMoreBetter: isMoreBetter)
        }
        #expect(chart(isMoreBetter: true).front == [0, 2, 4] && chart(isMoreBetter: false).front == [0, 1])
    }

    @Test func aHistogramCountsEveryValueOnce() {
        let histogram = Histogram(title: "", axis: Axis(""), values: [0, 0.1, 0.3, 0.7, 0.9999, 1], unit: "", about: 10)
        #expect(histogram.range == 0...1 && histogram.counts == [1, 1, 0, 1, 0, 0, 0, 1, 0, 2], "\(histogram.counts)")
    }
}

/// What an XML parser finds in an SVG text.
private final class SVGReader: NSObject, XMLParserDelegate {
    private(set) var elements: Set<String> = []
    private(set) var sizes: [String: String] = [:]
    private(set) var references: [String] = []
    private(set) var textPlaces: [Double] = []
    private(set) var error: String?

    init(_ text: String) {
        super.init()
        let parser = XMLParser(data: Data(text.utf8))
        parser.delegate = self
        if !parser.parse(), error == nil { error = "\(String(describing: parser.parserError))" }
    }

    func parser(_ parser: XMLParser, didStartElement name: String, namespaceURI: String?, qualifiedName: String?, attributes: [String: String]) {
        elements.insert(name)
        if name == "svg" { sizes = attributes }
        if let reference = attributes["href"] { references.append(reference) }
        if name == "text", let x = attributes["x"].flatMap(Double.init) { textPlaces.append(x) }
    }

    func parser(_ parser: XMLParser, parseErrorOccurred failure: any Error) { error = "line \(parser.lineNumber): \(failure)" }
}
