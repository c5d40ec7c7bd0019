import Figures
import RunStore

extension ReportSections {
    /// What models of images made of images.
    var reconstructions: ReportSection? {
        let sheets = shown.compactMap { shown -> Report.Named<any Figure>? in
            guard let examples = shown.evaluation.reconstructions else { return nil }
            return Report.Named(name: "reconstructions-\(Self.fileName(shown.name))", content: PictureSheet(examples, title: "Reconstructions of \(shown.name)", run: shown.evaluation.reconstructionsRun))
        }
        guard !sheets.isEmpty else { return nil }
        let reading = "The first images of the test, and below each what the model made of it; where it saw something else than the image, that stands between them."
        return ReportSection(id: "reconstructions", title: "Reconstructions", parts: [.gallery(sheets, reading: reading)])
    }
}

extension PictureSheet {
    /// Images, what a model saw of them, and its answers, row by row.
    public init(_ examples: ReconstructionExamples, title: String, run: String) {
        let cells = examples.rows.flatMap { row in
            (0..<examples.count).map { index in
                Cell(Raster(image: examples.picture(row, index), width: examples.width, height: examples.height, channels: examples.channels), index == 0 ? [row.name] : [])
            }
        }
        self.init(title: title, caption: "From above: \(examples.rows.map(\.name).joined(separator: ", ")); run \(run).", cells: cells, columns: examples.count)
    }
}
