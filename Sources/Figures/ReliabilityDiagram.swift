import Foundation

/// How often predictions are right by how sure the model is of them: on the diagonal where it is as often right as it says. Below it stands how many
/// predictions are how sure.
///
/// After Guo et al., "On Calibration of Modern Neural Networks", ICML 2017, figure 1.
public struct ReliabilityDiagram: Figure {
    /// The predictions of equally wide intervals of confidence.
    public struct Bin: Sendable {
        /// The mean confidence in it.
        public var confidence: Double
        /// The share that is right.
        public var accuracy: Double
        /// How many predictions there are.
        public var count: Int

        /// The predictions of one interval.
        public init(confidence: Double, accuracy: Double, count: Int) { (self.confidence, self.accuracy, self.count) = (confidence, accuracy, count) }
    }

    /// A model.
    public struct Series: Sendable {
        /// As the legend has it.
        public var name: String
        /// From the least confidence to the largest, over equally wide intervals from 0 to 1; nil for one without predictions.
        public var bins: [Bin?]

        /// A model's predictions by their confidence.
        public init(_ name: String, bins: [Bin?]) { (self.name, self.bins) = (name, bins) }
    }

    /// How many predictions an interval needs to be a part of its model's line.
    public static let leastCount = 10

    public let title: String
    /// The models.
    public let series: [Series]

    /// The reliability of some models.
    public init(title: String, series: [Series]) { (self.title, self.series) = (title, series) }

    public var summary: String { "Accuracy by confidence of \(series.map(\.name).joined(separator: ", "))." }

    public func drawing(_ width: FigureWidth) -> Drawing {
        var drawing = Drawing(width)
        let legend = series.enumerated().map { PlotFrame.Entry(text: $1.name, series: $0) } + [PlotFrame.Entry(text: "as sure as right", dash: .dotted)]
        let whole = Axis("", bounds: 0...1, shows: 0...1)
        var yAxis = whole
        yAxis.label = "accuracy (share)"
        let frame = PlotFrame(
            in: &drawing, title: title, legend: legend, xAxis: whole, yAxis: yAxis, xValues: [0, 1], yValues: [0, 1], xPadding: 0, height: min(300, drawing.width * 0.62))
        drawing.line((frame.x(0), frame.y(0)), (frame.x(1), frame.y(1)), style: "f-axis", thickness: 1.3, dash: .dotted)
        for (index, line) in series.enumerated() {
            let bins = line.bins.compactMap(\.self)
            // What a handful of predictions says is chance, and no part of the line.
            drawing.polyline(bins.filter { $0.count >= Self.leastCount }.map { (frame.x($0.confidence), frame.y($0.accuracy)) }, style: "f-s\(index % Palette.count)")
            for bin in bins {
                let tip = "\(line.name): \(bin.count) predictions of confidence \(Axis.text(bin.confidence, step: 0.001)) are right in \(Axis.text(bin.accuracy, step: 0.001))"
                drawing.mark(index, x: frame.x(bin.confidence), y: frame.y(bin.accuracy), size: bin.count < Self.leastCount ? 1.8 : 3, tip: tip)
            }
        }
        // How many predictions there are, as stairs of each model's shares.
        let top = frame.bottom + 46, height = 52.0, base = top + height
        drawing.text("share of the predictions", x: PlotFrame.margin, y: top - 6, isSoft: true)
        let totals = series.map { max(1, $0.bins.reduce(0) { $0 + ($1?.count ?? 0) }) }
        let highest = zip(series, totals).flatMap { line, total in line.bins.map { Double($0?.count ?? 0) / Double(total) } }.max() ?? 1
        for (index, line) in series.enumerated() {
            let step = 1 / Double(max(line.bins.count, 1))
            let points = line.bins.enumerated().flatMap { place, bin -> [(Double, Double)] in
                let y = base - Double(bin?.count ?? 0) / Double(totals[index]) / max(highest, 1e-9) * height
                return [(frame.x(Double(place) * step), y), (frame.x(Double(place + 1) * step), y)]
            }
            drawing.polyline(points, style: "f-s\(index % Palette.count)", thickness: 1.3)
        }
        drawing.text(Axis.text(highest, step: 0.01), x: frame.left - 5, y: top + 5, anchor: .end, isSoft: true)
        drawing.line((frame.left, base), (frame.right, base), style: "f-axis")
        drawing.text("confidence: the probability of the predicted class", x: (frame.left + frame.right) / 2, y: base + 17, anchor: .middle, isSoft: true, limit: drawing.width - 16)
        drawing.height = base + 28
        return drawing
    }
}
