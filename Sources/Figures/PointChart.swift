import Foundation

/// Points of several series in a plane: images in the plane of their features, heads by layer and distance.
public struct PointChart: PictureFigure {
    /// Points of one colour and mark.
    public struct Series: Sendable {
        /// As the legend has it; empty for none.
        public var name: String
        /// The points.
        public var points: [SIMD2<Double>]

        /// Points with a name.
        public init(_ name: String, _ points: [SIMD2<Double>]) { (self.name, self.points) = (name, points) }
    }

    public let title: String
    /// The axes.
    public let xAxis, yAxis: Axis
    /// The points.
    public let series: [Series]
    /// Whether a line shows where x and y are the same.
    public let hasDiagonal: Bool

    /// Points in a plane.
    public init(title: String, xAxis: Axis, yAxis: Axis, series: [Series], hasDiagonal: Bool = false) {
        (self.title, self.xAxis, self.yAxis, self.series, self.hasDiagonal) = (title, xAxis, yAxis, series, hasDiagonal)
    }

    public var summary: String {
        "\(yAxis.label) by \(xAxis.label): \(series.map { "\($0.points.count) points\($0.name.isEmpty ? "" : " of \($0.name)")" }.prefix(20).joined(separator: ", "))."
    }

    /// In the order of the series' places, so that none lies wholly over another.
    private var mixed: [(series: Int, point: SIMD2<Double>)] {
        let longest = series.map(\.points.count).max() ?? 0
        return (0..<longest).flatMap { place in series.indices.compactMap { series[$0].points.indices.contains(place) ? ($0, series[$0].points[place]) : nil } }
    }

    public func drawing(_ width: FigureWidth) -> Drawing {
        var drawing = Drawing(width)
        let points = mixed, legend = series.enumerated().filter { !$1.name.isEmpty }
        let top = legend.isEmpty ? [] : legend.map { PlotFrame.Entry(text: $1.name, series: $0, isLine: false) }
        let frame = PlotFrame(
            in: &drawing, title: title, legend: top, xAxis: xAxis, yAxis: yAxis, xValues: points.map(\.point.x), yValues: points.map(\.point.y),
            height: min(360, max(170, drawing.width * 0.55)))
        let finite = points.map(\.point).filter { $0.x.isFinite && $0.y.isFinite }
        if hasDiagonal, let first = finite.first {
            let low = finite.reduce(first) { pointwiseMin($0, $1) }.max(), high = finite.reduce(first) { pointwiseMax($0, $1) }.min()
            if low < high { drawing.line((frame.x(low), frame.y(low)), (frame.x(high), frame.y(high)), style: "f-axis", thickness: 1.3, dash: .dotted) }
        }
        for (index, point) in points where frame.shows(point.x, point.y) {
            drawing.mark(index, x: frame.x(point.x), y: frame.y(point.y), size: points.count > 400 ? 2 : points.count > 60 ? 2.6 : 3.6)
        }
        return drawing
    }

    public var raster: Raster {
        let size = 480, margin = 10.0, points = mixed
        let (x, y) = (xAxis.range(of: points.map(\.point.x)), yAxis.range(of: points.map(\.point.y)))
        var picture = Raster(width: size, height: size)
        let length = Double(size) - 2 * margin
        for place in 0..<size {
            for side in 0..<2 {
                let edge = side == 0 ? Int(margin) - 4 : size - Int(margin) + 3
                guard place >= Int(margin) - 4, place <= size - Int(margin) + 3 else { continue }
                picture[place, edge] = [110, 119, 129]
                picture[edge, place] = [110, 119, 129]
            }
        }
        for (index, point) in points where point.x.isFinite && point.y.isFinite {
            let place = (x: margin + PlotFrame.share(point.x, x, xAxis.scale) * length, y: margin + (1 - PlotFrame.share(point.y, y, yAxis.scale)) * length)
            let radius = points.count > 400 ? 3.0 : 4
            picture.disc(x: place.x, y: place.y, radius: radius, Palette.light.series[index % Palette.count])
            // The second turn through the colours is rings.
            if index / Palette.count % 2 == 1 { picture.disc(x: place.x, y: place.y, radius: radius / 2, Palette.light.back) }
        }
        return picture
    }
}
