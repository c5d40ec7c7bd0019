import Configuration
import Experiments
import Figures
import Foundation
import RunStore

extension NetworkView {
    /// How many images are shown where none is named, and how many neighbours each has.
    private static let queryCount = 8, neighbourCount = 5

    /// Test images beside the nearest ones by embedding or code, and the hardest triplet of each.
    ///
    /// - Parameters:
    ///   - choices: which images; none: some evenly spaced in the test.
    ///   - tests: loads the run's test images.
    /// - Throws: `.data` where the run has neither embeddings nor codes, `.usage` when there is no such image.
    init(neighboursOf run: RunFolder, _ choices: [ImageChoice], _ tests: () throws -> TestImages) throws {
        let vectors = try TestVectors(of: run), tests = try tests(), shape = tests.shape, count = min(Self.queryCount, tests.count)
        let chosen = choices.isEmpty ? (0..<count).map { ImageChoice.index($0 * tests.count / count) } : choices
        let found = try tests.neighbourhoods(chosen, vectors, count: Self.neighbourCount), factor = max(1, 84 / max(shape.height, shape.width)), palette = Palette.dark
        let cells = found.flatMap { shown -> [PictureSheet.Cell] in
            func cell(_ picture: ShownNeighbourhood.Picture, _ role: String?) -> PictureSheet.Cell {
                var raster = Raster(image: picture.pixels, width: shape.width, height: shape.height, channels: shape.channels).enlarged(by: factor)
                if picture.place != shown.image.place {
                    let edges = [0, 0, Double(raster.width), Double(raster.height)]
                    raster.frame(edges, thickness: max(2, factor / 3), palette.series[picture.label == shown.image.label ? 0 : 1])
                }
                let name = tests.className(picture.label)
                return PictureSheet.Cell(raster, ["#\(picture.place) \(name)", role ?? String(format: "%.2f", picture.distance)])
            }
            let none = PictureSheet.Cell(Raster(width: 1, height: 1))
            let hardest = shown.hardest.map { [cell($0.positive, String(format: "farthest %.2f", $0.positive.distance)), cell($0.negative, String(format: "other %.2f", $0.negative.distance))] }
            let nearest = shown.nearest.map { cell($0, nil) } + Array(repeating: none, count: Self.neighbourCount - shown.nearest.count)
            return [cell(shown.image, "image")] + nearest + (hardest ?? [none, none])
        }
        self.init(
            "neighbours",
            PictureSheet(
                title: "Neighbours in the test of \((run.path as NSString).lastPathComponent)",
                caption: """
                    Each row: an image, the \(Self.neighbourCount) nearest others with their distances, the farthest one of its class and the nearest one of another, \
                    which are its hardest triplet. Framed blue: of its class. Orange: of another.
                    """,
                cells: cells, columns: 3 + Self.neighbourCount),
            [
                Numbers(name: "neighbours", shape: [found.count, Self.neighbourCount], values: .integers(found.flatMap { shown in
                    shown.nearest.map { Int64($0.place) } + Array(repeating: -1, count: Self.neighbourCount - shown.nearest.count)
                }), title: "places in the test of the nearest images"),
                Numbers(name: "image", shape: [found.count], values: .integers(found.map { Int64($0.image.place) }), title: "the place in the test of the image"),
                Numbers(name: "label", shape: [found.count], values: .integers(found.map { Int64($0.image.label) }), title: "class", units: "class"),
            ])
    }
}
