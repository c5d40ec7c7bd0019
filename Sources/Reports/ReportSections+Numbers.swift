import Configuration
import Figures
import Measures

extension ReportSections {
    /// How many points a figure of estimates has at most: the first test images.
    private static let pointCount = 1_000
    /// How many numbers of an image have a colour of their own.
    private static let numberCount = 8

    /// How well numbers are estimated.
    var numbers: ReportSection? {
        let rows = shown.compactMap { shown in shown.evaluation.estimates.first.map { (shown: shown, first: $0) } }
        guard !rows.isEmpty else { return nil }
        let isOfOne = rows.allSatisfy { $0.first.count == 1 }
        let charts = rows.map { row in
            let estimates = row.first, count = min(estimates.count, Self.numberCount), images = min(estimates.values.count / estimates.count, Self.pointCount)
            let series = (0..<count).map { number in
                PointChart.Series(count > 1 ? "number \(number)" : "", (0..<images).map { image in
                    let place = image * estimates.count + number
                    return SIMD2(Double(estimates.targets[place]), Double(estimates.values[place]))
                })
            }
            let chart = PointChart(title: "Estimates of \(row.shown.name)", xAxis: Axis("target"), yAxis: Axis("estimate"), series: series, hasDiagonal: true)
            return Report.Named<any Figure>(name: "estimates-\(Self.fileName(row.shown.name))", content: chart)
        }
        var table = TextTable([TextTable.Column("row", .left)] + (isOfOne ? [] : [TextTable.Column("number")]) + ["MAE", "RMSE", "bias", "R²"].map { TextTable.Column($0) })
        for row in rows {
            for number in 0..<row.first.count {
                let errors = row.shown.evaluation.estimates.filter { $0.count == row.first.count }.map { $0.errors(of: number) }
                func mean(_ value: (EstimateErrors) -> Double) -> String { finite(Sample(values: errors.map(value)).mean).map { decimals($0, 4) } ?? none }
                table.append([row.shown.row.label] + (isOfOne ? [] : ["\(number)"]) + [mean(\.meanAbsolute), mean(\.rootMeanSquare), mean(\.bias), mean(\.determination)])
            }
        }
        let reading = "A point is a test image of the row's first run; on the dotted line the estimate is right."
            + (rows.contains { $0.first.values.count / $0.first.count > Self.pointCount } ? " The first \(grouped(Self.pointCount)) images are shown." : "")
        return ReportSection(id: "numbers", title: "Estimated numbers", parts: [
            .gallery(charts, reading: reading),
            .table("estimates", table, caption: ["Errors of the estimates in the target's unit, means over the runs; bias is the mean of estimate less target"], command: nil),
        ])
    }
}
