import Configuration
import Experiments
import Figures
import Foundation
import RunStore

extension NetworkView {
    /// How many images are shown where none is named, and how many found boxes an image has at most.
    private static let imageCount = 12, boxCount = 5

    /// The boxes that a run found in test images, and those of the data.
    ///
    /// - Parameters:
    ///   - choices: which images; none: the first ones.
    ///   - tests: loads the run's test images.
    /// - Throws: `.data` where the run has found no boxes, `.usage` when there is no such image.
    init(boxesOf run: RunFolder, _ choices: [ImageChoice], _ tests: () throws -> TestImages) throws {
        let found = try FoundBoxes(of: run), tests = try tests(), shape = tests.shape
        let chosen = choices.isEmpty ? (0..<min(Self.imageCount, tests.count)).map { ImageChoice.index($0) } : choices
        let scenes = try tests.scenes(chosen, found, atMost: Self.boxCount)
        let palette = Palette.dark, factor = max(1, 224 / max(shape.height, shape.width)), thickness = max(1, factor / 3)
        let cells = scenes.map { scene -> PictureSheet.Cell in
            var raster = Raster(image: scene.pixels, width: shape.width, height: shape.height, channels: shape.channels).enlarged(by: factor)
            func draw(_ boxes: [ShownBox], _ colour: Palette.Colour) {
                for box in boxes.reversed() { raster.frame(box.edges.map { Double($0) * Double(factor) }, thickness: thickness, colour) }
            }
            draw(scene.objects, palette.series[0])
            draw(scene.found, palette.series[1])
            let words = scene.found.map { box in tests.className(box.label) + (box.score.map { String(format: " %.2f", $0) } ?? "") }
            return PictureSheet.Cell(raster, ["#\(scene.place) " + scene.objects.map { tests.className($0.label) }.joined(separator: ", "), words.joined(separator: ", ")])
        }
        func column(_ name: String, _ boxes: (ShownScene) -> [ShownBox], _ title: String) -> [Numbers] {
            let all = scenes.flatMap { scene -> [(place: Int, box: ShownBox)] in boxes(scene).map { (scene.place, $0) } }
            if all.isEmpty { return [] }
            return [
                Numbers(name: "\(name)_image", shape: [all.count], values: .integers(all.map { Int64($0.place) }), title: "the place in the test of the image of \(title)"),
                Numbers(name: "\(name)_class", shape: [all.count], values: .integers(all.map { Int64($0.box.label) }), title: "the class of \(title)", units: "class"),
                Numbers(name: "\(name)_box", shape: [all.count, 4], values: .floats(all.flatMap(\.box.edges)), title: "left, upper, right and lower edge of \(title)", units: "pixel"),
            ]
        }
        let channels = shape.channels >= 3 ? 3 : 1
        let pixels = scenes.flatMap { scene in
            (0..<shape.height * shape.width).flatMap { place in (0..<channels).map { UInt8((scene.pixels[place * shape.channels + $0] * 255).rounded()) } }
        }
        self.init(
            "boxes",
            PictureSheet(
                title: "What \((run.path as NSString).lastPathComponent) found in the test",
                caption: "Blue: the objects of the data, named behind the image's place. Orange: the boxes that were found, at most \(Self.boxCount), with their classes below, the surest first.",
                cells: cells, columns: 4),
            [Numbers(name: "images", shape: [scenes.count, shape.height, shape.width] + (channels == 1 ? [] : [3]), values: .bytes(pixels), title: "test images")]
                + column("object", { $0.objects }, "an object of the data") + column("found", { $0.found }, "an object that was found"))
    }
}
