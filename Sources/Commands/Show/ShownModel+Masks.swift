import Configuration
import Experiments
import Figures
import VisionData

extension ShownModel {
    /// Images, the classes of their pixels where they are known, and the predicted ones.
    func masks(_ choices: [ImageChoice]) throws -> NetworkView {
        if trained.imageAnswers != nil { throw UserError(.usage, "--masks: \(name) makes images of images, which have no classes; expected --reconstructions") }
        let probe = try probe.get(), images = try images(choices), (height, width) = (trained.input.height, trained.input.width)
        var cells: [PictureSheet.Cell] = [], truths: [UInt8] = [], predictions: [UInt8] = []
        let hasTruths = images.contains { $0.mask != nil }
        for image in images {
            let predicted = try probe.mask(of: image.pixels)
            cells.append(PictureSheet.Cell(picture(image), [image.name]))
            if hasTruths {
                let truth = image.mask ?? [UInt8](repeating: LabeledImages.ignored, count: height * width)
                cells.append(PictureSheet.Cell(Raster(mask: truth, width: width, height: height), [image.mask == nil ? "no mask" : "mask"]))
                truths += truth
            }
            let counted = image.mask.map { mask in mask.indices.filter { mask[$0] != LabeledImages.ignored } }
            let share = counted.map { places in Double(places.count { image.mask?[$0] == predicted[$0] }) / Double(max(places.count, 1)) }
            cells.append(PictureSheet.Cell(Raster(mask: predicted, width: width, height: height), ["predicted"] + (share.map { ["\(percent(Float($0))) right"] } ?? [])))
            predictions += predicted
        }
        let present = Set(truths + predictions).sorted()
        let legend = present.map { label in
            PictureSheet.Colour(ClassPalette.voc[Int(label)], label == LabeledImages.ignored ? "does not count" : trained.className(Int(label)))
        }
        let perImage = hasTruths ? 3 : 2, shape = [images.count, height, width]
        let sheet = PictureSheet(
            title: "Masks of \(name)", caption: "Each image, \(hasTruths ? "the classes of its pixels, " : "")and those that the model gives it.", cells: cells,
            columns: images.count == 1 ? perImage : 2 * perImage, colours: legend)
        let numbers = [NetworkView.Numbers(name: "predicted", shape: shape, values: .bytes(predictions), title: "predicted class of each pixel", units: "class")]
            + (hasTruths ? [.init(name: "mask", shape: shape, values: .bytes(truths), title: "class of each pixel, 255 where it does not count", units: "class")] : [])
        return NetworkView("masks", sheet, numbers + [imageNumbers(images)], texts: [("image", images.map(\.name))])
    }
}
