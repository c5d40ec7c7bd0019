import Configuration
import Experiments
import Figures
import Foundation
import HDF5
import TensorCore
import VisionData

extension PredictCommand {
    /// Writes the objects that were found in each image, and draws them.
    func findObjects(_ trained: TrainedModel, _ array: UnlabeledImages?, _ files: UnlabeledFiles?, _ inputs: [String]) throws {
        let misfits = [(tiles, "--tiles"), (overlap != nil, "--overlap"), (top != nil, "--top")]
        if let option = misfits.first(where: \.0)?.1 {
            throw UserError(.usage, "\(option): goes with other answers than boxes; expected --threshold to have fewer of them")
        }
        let output = try output.map { try OutputFile.path($0, besides: inputs) }
        if pictures != nil { try Self.requireNames(of: files, for: "picture") }
        let made = try pictures.map { try OutputFile.folder($0, for: "pictures") } ?? []
        defer { OutputFile.removeEmpty(made) }
        let file = try output.map { try ObjectFile($0, classNames: trained.classNames) }
        var text = ObjectText(classNames: trained.classNames), empty = 0, count = 0
        try interruptible {
            let take: (WholeImage, [FoundObject]) throws -> Void = { image, found in
                try Interrupt.check()
                try file?.append(found, in: image, isFile: files != nil)
                text.append(image.name, isFile: files != nil, found)
                if found.isEmpty { empty += 1 }
                count += 1
                guard let pictures else { return }
                let path = try OutputFile.picture("\(pictures)/\(Self.name(image.name))", .png, besides: inputs)
                let raster = try trained.picture(of: image, isFile: files != nil, channels: array?.shape.channels, with: found)
                try replaceFile(at: path, with: Data(PNG.marked(raster.png)), isForeign: true)
            }
            if let array { try trained.findObjects(in: array, threads: threadOptions.count, take) }
            if let files {
                try trained.findObjects(in: files, threads: threadOptions.count, onError: Self.passOver, take)
            }
            try file?.finish()
        }
        if format != nil || output == nil { print(try text.rendered(format ?? .table, width: wideOption.width)) }
        if empty > 0 { HarnessProgram.say("nothing was found in \(grouped(empty)) of \(counted(count, "image", "images"))") }
    }
}

extension TrainedModel {
    /// An image in its own size with the boxes of what was found, the surest on top, in the colours of their classes.
    fileprivate func picture(of image: WholeImage, isFile: Bool, channels: Int?, with found: [FoundObject]) throws -> Raster {
        var raster: Raster
        if isFile {
            // As it is seen, whatever channels the model takes.
            let shown = try UnlabeledFiles([image.name]).whole(0, as: .init(), model: ImageShape(height: image.size.height, width: image.size.width, channels: 3), isSized: false)
            raster = Raster(image: shown.pixels.shares, width: image.size.width, height: image.size.height, channels: 3)
        } else {
            raster = Raster(image: image.pixels.shares, width: image.size.width, height: image.size.height, channels: channels ?? 1)
        }
        let colours = Palette.dark.series, thickness = max(1, min(image.size.height, image.size.width) / 150)
        for object in found.reversed() {
            raster.frame([object.box.x0, object.box.y0, object.box.x1, object.box.y1], thickness: thickness, colours[object.label % colours.count])
        }
        return raster
    }
}
