import ArgumentParser
import Configuration
import Experiments
import Foundation
import TensorCore
import VisionData

struct DataConvertCommand: DefinitionCommand {
    static let configuration = CommandConfiguration(
        commandName: "convert",
        abstract: "Write a data set into an HDF5 file, as data.hdf5 reads it.",
        discussion: """
            SOURCE is a data set's name, a folder or list of image files, also with masks or COCO's boxes (`harness data check --help`), an HDF5 or .npz file, or a \
            definition, whose data are written with their masks and boxes, before any are held out or left out. Image files are decoded once and for all; with --size \
            they are brought to one size, and those of several sizes are otherwise written one by one, each in its own.

            Examples:
              harness data convert cifar-10 cifar10.h5 --data-dir ~/cifar-10-batches-bin
              harness data convert ~/leaves leaves.h5 --size 224 --resize shorter
              harness data convert street.yaml street.h5
              harness data convert pneumoniamnist.npz pneumonia.h5
            """)

    @Argument(help: "A name, a folder or list of image files, an HDF5 or .npz file, or a definition.")
    var source: String

    @Argument(help: ArgumentHelp("The file to write.", valueName: "file.h5"))
    var output: String

    @Option(help: ArgumentHelp("The height and width to which image files are brought.", valueName: "pixels"))
    var size: Int?

    @Option(help: "\(ResizeKind.allCases.map(\.rawValue).joined(separator: ", ")) (default: exact).")
    var resize: ResizeKind?

    @Option(help: "The order of an image's axes in an HDF5 or .npz file: \(HDF5Source.Layout.allCases.map(\.rawValue).joined(separator: ", ")).")
    var layout: HDF5Source.Layout?

    @Option(help: ArgumentHelp("The channels of image files: 1 or 3 (default: 3).", valueName: "n"))
    var channels: Int?

    @Option(help: ArgumentHelp("The part of each class that goes to the test where image files have no folder test (default: 0.2).", valueName: "part"))
    var test: Double?

    @Option(help: ArgumentHelp("Whether an image file that cannot be decoded ends everything or is left out: stop or skip (default: stop).", valueName: "action"))
    var onError: FolderSource.OnError?

    @OptionGroup var dataOptions: DataOptions

    mutating func validate() throws {
        if let size, !(1...4096).contains(size) { throw ValidationError("--size: expected a number of pixels from 1 to 4096, found \(size)") }
        if let channels, ![1, 3].contains(channels) { throw ValidationError("--channels: expected 1 or 3, found \(channels)") }
        if let test, !(test > 0 && test < 1) { throw ValidationError("--test: expected a part above 0 and below 1, found \(test)") }
    }

    func run(_ registry: Registry) throws {
        var source = try DataSource(source, registry)
        if let layout { try source.setLayout(layout) }
        let isFolder = source.folder != nil
        if var folder = source.folder {
            if let channels { folder.channels = channels }
            if let test { folder.test = test }
            if let onError { folder.onError = onError }
            source.folder = folder
        }
        let isCOCO = source.coco != nil
        let isMixed = try source.holdsSizesOfTheirOwn()
        let unfit = [
            (isCOCO && !(8...2_048).contains(size ?? 8), "--size: expected 8 to 2,048 pixels, to which COCO's images are stretched, found \(size ?? 0)"),
            (isCOCO && resize != nil && resize != .exact, "--resize: COCO's images are stretched with their boxes; expected exact, or none"),
            (size != nil && !isFolder && !isMixed && !isCOCO, "--size: goes with images of several sizes"), (resize != nil && size == nil, "--resize: goes with --size, to which images are brought"),
            (channels != nil && !isFolder, "--channels: goes with image files"), (test != nil && !isFolder, "--test: goes with image files"),
            (onError != nil && !isFolder, "--on-error: goes with image files"),
        ]
        if let sentence = unfit.first(where: \.0)?.1 { throw UserError(.usage, sentence) }
        let isOneByOne = size == nil && isMixed && source.configuration.size == nil
        if isOneByOne, source.folder?.masks != nil { throw UserError(.usage, "--size: is needed, since the images have several sizes and their masks are written with them") }
        // Of images that are written whole the size does not matter.
        if isCOCO, let size { source.coco?.size = size } else if isOneByOne { source.configuration.size = Size2D(64, 64) } else if let size { source.configuration.size = Size2D(size, size) }
        if let resize { source.configuration.resize = resize }
        let output = try OutputFile.path(output, besides: [source.path].compactMap { $0 }, replacing: ("HDF5", [0x89, 0x48, 0x44, 0x46]))
        let progress = FileProgress()
        source.configuration.places.progress = progress.progress
        let found = try FoundImages(source.configuration, dataDirectory: dataOptions.dataDirectory), images = found.images
        progress.end()
        for note in found.notes { HarnessProgram.say(note) }
        try interruptible {
            try isOneByOne ? images.writeOneByOne(to: output) { try Interrupt.check() } : images.write(to: output) { try Interrupt.check() }
        }
        let shape = isOneByOne ? "with sizes of their own" : "of \(images.shape)"
        print("wrote \(output): \(grouped(images.train.count)) training\(images.validation.map { ", \(grouped($0.count)) validation" } ?? "") and \(grouped(images.test.count)) test images \(shape), \(grouped(images.classCount)) classes")
    }
}

extension ResizeKind: ExpressibleByArgument {}
extension HDF5Source.Layout: ExpressibleByArgument {}
extension FolderSource.OnError: ExpressibleByArgument {}
