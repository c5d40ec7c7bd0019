import Experiments
import Figures

extension ShownModel {
    /// Every channel of images as a picture of its own: the views of a solid, or the slices of its voxels.
    func views(_ choices: [ImageChoice]) throws -> NetworkView {
        let images = try images(choices), (height, width, channels) = (trained.input.height, trained.input.width, trained.input.channels)
        let factor = max(1, 96 / max(height, width))
        var cells: [PictureSheet.Cell] = [], pixels: [UInt8] = []
        for image in images {
            let values = trained.picture(image.pixels)
            for channel in 0..<channels {
                let plane = Raster(image: (0..<height * width).map { values[$0 * channels + channel] }, width: width, height: height, channels: 1)
                let words = channel == 0 ? [image.name] + (image.label.map { [$0] } ?? []) : ["\(channel)"]
                cells.append(PictureSheet.Cell(plane.enlarged(by: factor), words))
                pixels += stride(from: 0, to: plane.pixels.count, by: 3).map { plane.pixels[$0] }
            }
        }
        return NetworkView(
            "views",
            PictureSheet(
                title: "Channels of images of \(name)", caption: "Each channel of an image, from 0: the views of a solid, or the slices of its voxels.", cells: cells,
                columns: min(channels, 12)),
            [.init(name: "views", shape: [images.count, channels, height, width], values: .bytes(pixels), title: "the channels of the images")],
            texts: [("image", images.map(\.name))])
    }
}
