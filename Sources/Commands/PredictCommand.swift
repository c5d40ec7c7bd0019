import ArgumentParser
import Configuration
import Experiments
import Figures
import Foundation
import HDF5
import Models
import RunStore
import TensorCore
import VisionData

struct PredictCommand: DefinitionCommand {
    static let configuration = CommandConfiguration(
        commandName: "predict",
        abstract: "Classify image files or an HDF5 file's images, or find masks or objects in them, with a run's model or with any model and its weights.",
        discussion: """
            Image files are JPEG, PNG or WebP, or folders of them; each is brought to the size of the run's images as these were, and one that is \
            damaged is named and passed over. An HDF5 file has /images [n, channels, height, width]. For a run they are uint8 (0 to 255) or float32 as its data were, and are normalized \
            as the run's; for --model they are float32, normalized already. Prints the most probable class of each image, or the --top ones. \
            --output writes /logits [n, classes], /classes and /probabilities [n, top] instead, and the /paths of files; with --format it does both. Of a multi_label \
            run these are the classes above one half, at least the most probable one, and −1 in the places that stay free; or the --top ones. \
            A run with a hinge loss has margins in the place of probabilities.

            A model that answers for every pixel gives a mask of each image's own size: --output names a folder, which gets a PNG file with a palette of the \
            image's name. Images are brought to the size of the run's, where its definition has a data.size, and their masks back; else, or with --tiles, they \
            are cut into tiles of the model's size that overlap by --overlap pixels and are mirrored at the ends, and each pixel has the answer of the tile \
            whose border is farthest.

            A run of the task detection or localization finds boxes: class, score, and x, y, width and height in pixels of each image's own size. Images are \
            brought to the size of the run's as these were, and stretched where the definition does not say how. Found are the boxes of at least the score of the \
            run's test, or of --threshold; a localization gives each image one. --output writes them as /boxes [m, 4], /classes, /scores and /box_image, \
            --pictures draws them.

            Models of views, voxels and sequences take --input: images [n, channels, height, width] as their data have them.

            A model of reconstruction makes an image of each image, in the size of the run's: --output names a folder, which gets a PNG file of the image's name. Of a \
            run whose loss counts hidden pixels alone, and of mae, parts of each image are hidden as in the run's test, and the picture has them filled in.

            A model of metric learning gives each image an embedding: --output names an HDF5 file, which gets /embeddings [n, length] and the /paths of files.

            A model of regression estimates numbers, in the unit of its data's targets: a table, or /estimates [n, numbers] and the /paths of files by --output.

            Examples:
              harness predict leaves/resnet photo.jpg more/
              harness predict quickstart/vit --input images.h5 --top 3
              harness predict Results/quickstart/vit-s0-1f0c93ab --input images.h5 --format csv
              harness predict --model resnet18 --weights resnet18.safetensors --input images.h5 --output logits.h5
              harness predict cells/unet slides/ --output masks --tiles --overlap 32
              harness predict street/yolo photos/ --threshold 0.3 --pictures found
            """)

    @Argument(help: ArgumentHelp("A run folder, a folder with one run in it, or the beginning of a run's name.", valueName: "run"), completion: Completion.run)
    var path: String?

    @Argument(help: ArgumentHelp("Image files, or folders of them.", valueName: "image"))
    var images: [String] = []

    @Option(help: ArgumentHelp("A model of `harness models`, or as a definition writes it, instead of a run.", valueName: "name"))
    var model: String?

    @Option(help: ArgumentHelp("The model's number of classes (default: its usual one).", valueName: "n"))
    var classes: Int?

    @Option(help: ArgumentHelp("The model's weights, HDF5 or safetensors; or which of the run's: best, last, or an average, ema or swa (default: best).", valueName: "file"))
    var weights: String?

    @Option(help: ArgumentHelp("An HDF5 file with images, instead of image files.", valueName: "file"))
    var input: String?

    @Option(help: ArgumentHelp("Write an HDF5 file of predictions; of a model that answers for every pixel, PNG masks into a folder.", valueName: "file"))
    var output: String?

    @Option(help: ArgumentHelp("How many classes of each image, the most probable first (default: 1; of a multi_label run those above one half, at least one).", valueName: "k"))
    var top: Int?

    @Option(help: "\(PredictionText.Format.allCases.map(\.rawValue).joined(separator: ", ")) (default: table, or nothing with --output).")
    var format: PredictionText.Format?

    @Option(help: "The format of the numbers between operations: \(Precision.allCases.map(\.rawValue).joined(separator: ", ")) (default: the run's, or fp32).")
    var precision: Precision?

    @Option(help: ArgumentHelp("Of a detection: which score a box has at least (default: that of the run's test).", valueName: "score"))
    var threshold: Double?

    @Option(help: ArgumentHelp("Of a model that finds boxes: write the images with them, PNG files, into a folder.", valueName: "folder"))
    var pictures: String?

    @Flag(help: "Of a model that answers for every pixel: cut images into tiles of its size, whatever the run did with its images.")
    var tiles = false

    @Option(help: ArgumentHelp("How many pixels neighbouring tiles have in common, at least (default: a quarter of the model's shorter side).", valueName: "n"))
    var overlap: Int?

    @OptionGroup var threadOptions: ThreadOptions
    @OptionGroup var wideOption: WideOption

    mutating func validate() throws {
        if let overlap, overlap < 0 { throw ValidationError("--overlap: expected a number of pixels from 0, found \(overlap)") }
        try validateClasses(classes)
        if let threshold, !(0..<1).contains(threshold) { throw ValidationError("--threshold: expected a number from 0, below 1, found \(threshold)") }
        if pictures == "" { throw ValidationError("--pictures: expected the path of a folder, found an empty one") }
        if let top, top < 1 { throw ValidationError("--top: expected a number from 1, found \(top)") }
        if output == "" { throw ValidationError("--output: expected the path of a file, found an empty one") }
        if input == "" { throw ValidationError("--input: expected the path of a file, found an empty one") }
        if model != nil {
            if threshold != nil || pictures != nil {
                throw ValidationError("\(threshold != nil ? "--threshold" : "--pictures"): goes with a run, which knows its task; --model gives logits")
            }
            if let path {
                throw ValidationError("expected a run or --model, found both: \(path.shortened()) beside --model, whose images come from --input, normalized already")
            }
            if input == nil { throw ValidationError("--model: expected --input with it, a file of images that are normalized already") }
            if weights == nil { throw ValidationError("--model: expected --weights with it, the file of its weights") }
        } else {
            if path == nil { throw ValidationError("expected a run, or --model and --weights") }
            if (input == nil) == images.isEmpty {
                throw ValidationError(input == nil ? "expected image files, or --input with an HDF5 file" : "expected image files or --input, found both")
            }
            if classes != nil { throw ValidationError("--classes goes with --model: a run knows its classes") }
            if let weights, RunFolder.Weights(rawValue: weights) == nil {
                throw ValidationError("--weights: expected best, last, ema or swa of the run's, found '\(weights.shortened())'; a file goes with --model")
            }
        }
    }

    func run(_ registry: Registry) throws {
        let workspace = Workspace.current
        let input = try input.map { try workspace.display(workspace.result($0)) }
        let array = try input.map { try UnlabeledImages($0, mayBeBytes: model == nil) }, files = try input == nil ? UnlabeledFiles(images) : nil
        let sources = [input].compactMap { $0 } + (files?.paths ?? [])
        let inputs = try sources + (model == nil ? [] : [weights].compactMap { $0 }.map { try workspace.display(workspace.result($0)) })
        let trained = try trainedModel(for: array, workspace, registry)
        if trained.boxes != nil { return try findObjects(trained, array, files, inputs) }
        if pictures != nil { throw UserError(.usage, "--pictures: goes with a run of the task detection or localization") }
        if trained.imageAnswers != nil { return try writeImages(trained, array, files, inputs) }
        if trained.definition.answersPixels { return try writeMasks(trained, array, files, inputs) }
        if trained.embeds { return try writeEmbeddings(trained, array, files, inputs) }
        if let numbers = trained.numbers { return try writeNumbers(numbers, trained, array, files, inputs) }
        if tiles || overlap != nil { throw UserError(.usage, "\(tiles ? "--tiles" : "--overlap"): goes with a model that answers for every pixel, such as unet") }
        let output = try output.map { try OutputFile.path($0, besides: inputs) }
        // A set may have all classes.
        let top = min(self.top ?? (trained.kind == .ownProbability ? trained.classes : 1), trained.classes)
        let file = try output.map { try PredictionFile($0, classes: trained.classes, classNames: trained.classNames, top: top, trained.kind) }
        var text = format.map { PredictionText($0, trained.kind, classNames: trained.classNames, hasRanks: top > 1) }
        if text == nil, output == nil { text = PredictionText(.table, trained.kind, classNames: trained.classNames, hasRanks: top > 1) }
        try interruptible {
            func add(_ logits: UnsafeBufferPointer<Float>, _ paths: [String]) throws {
                try Interrupt.check()
                let predictions = stride(from: 0, to: logits.count, by: trained.classes).map { start in
                    ImagePrediction(UnsafeBufferPointer(rebasing: logits[start..<start + trained.classes]), count: self.top, as: trained.kind)
                }
                try file?.append(logits, predictions, paths: paths)
                text?.append(predictions, paths: paths)
            }
            try answers(of: trained, array, files, add)
            try file?.finish()
        }
        if let text { print(try text.rendered(width: wideOption.width)) }
    }

    /// The PNG file that is made of an image.
    static func name(_ image: String) -> String { "\(((image as NSString).lastPathComponent as NSString).deletingPathExtension).png" }

    /// - Throws: `.usage` when two images would have the same file.
    static func requireNames(of files: UnlabeledFiles?, for content: String) throws {
        let names = Dictionary(grouping: files?.paths ?? [], by: name)
        if let twins = names.filter({ $0.value.count > 1 }).min(by: { $0.key < $1.key }) {
            throw UserError(.usage, "\(twins.value[0]) and \(twins.value[1]) would both have the \(content) \(twins.key); predict them one by one")
        }
    }

    /// Writes the image that the model makes of each image.
    private func writeImages(_ trained: TrainedModel, _ array: UnlabeledImages?, _ files: UnlabeledFiles?, _ inputs: [String]) throws {
        guard let output else { throw UserError(.usage, "the model makes images of images; add --output with a folder for them") }
        try refuseOptionsOfClasses("makes images")
        try Self.requireNames(of: files, for: "picture")
        let made = try OutputFile.folder(output, for: "pictures")
        defer { OutputFile.removeEmpty(made) }
        let shape = trained.input
        try interruptible {
            var count = 0
            func write(_ answers: UnsafeBufferPointer<Float>, _ paths: [String]) throws {
                for start in stride(from: 0, to: answers.count, by: shape.count) {
                    try Interrupt.check()
                    let place = start / shape.count, file = Self.name(paths.isEmpty ? "\(count)" : paths[place])
                    let picture = trained.answeredPicture(Array(answers[start..<start + shape.count]))
                    let raster = Raster(image: picture, width: shape.width, height: shape.height, channels: shape.channels)
                    try replaceFile(at: try OutputFile.picture("\(output)/\(file)", .png, besides: inputs), with: Data(PNG.marked(raster.png)), isForeign: true)
                    count += 1
                }
            }
            try answers(of: trained, array, files, write)
        }
    }

    /// Goes through the images in their order: `body` takes the answers to some, and the paths of their files.
    private func answers(
        of trained: TrainedModel, _ array: UnlabeledImages?, _ files: UnlabeledFiles?, _ body: (_ answers: UnsafeBufferPointer<Float>, _ paths: [String]) throws -> Void
    ) throws {
        if let array { try trained.predict(array, threads: threadOptions.count) { try body($0, []) } }
        if let files { try trained.predict(files, threads: threadOptions.count, onError: Self.passOver) { try body($1, $0) } }
    }

    /// Says what is wrong with a file that is left out.
    static func passOver(_ error: UserError) { HarnessProgram.say("\(error.message); passed over") }

    /// - Throws: `.usage` for options that go with classes.
    private func refuseOptionsOfClasses(_ instead: String) throws {
        for (option, isGiven) in [("--format", format != nil), ("--top", top != nil), ("--tiles", tiles), ("--overlap", overlap != nil)] where isGiven {
            throw UserError(.usage, "\(option): goes with a model that predicts classes; this one \(instead)")
        }
    }

    /// Writes an embedding for each image.
    private func writeEmbeddings(_ trained: TrainedModel, _ array: UnlabeledImages?, _ files: UnlabeledFiles?, _ inputs: [String]) throws {
        guard let output else { throw UserError(.usage, "the model gives each image an embedding and no class; add --output with an HDF5 file for the embeddings") }
        try refuseOptionsOfClasses("gives embeddings")
        let file = try VectorFile(OutputFile.path(output, besides: inputs), "embeddings", length: trained.classes)
        try interruptible {
            func add(_ embeddings: UnsafeBufferPointer<Float>, _ paths: [String]) throws {
                try Interrupt.check()
                try file.append(embeddings, paths: paths)
            }
            try answers(of: trained, array, files, add)
            try file.finish()
        }
    }

    /// Writes the numbers that are estimated of each image.
    private func writeNumbers(_ numbers: NumberAnswers, _ trained: TrainedModel, _ array: UnlabeledImages?, _ files: UnlabeledFiles?, _ inputs: [String]) throws {
        for (option, isGiven) in [("--top", top != nil), ("--tiles", tiles), ("--overlap", overlap != nil)] where isGiven {
            throw UserError(.usage, "\(option): goes with a model that predicts classes; this one estimates numbers")
        }
        let file = try output.map { try VectorFile(OutputFile.path($0, besides: inputs), "estimates", length: numbers.count) }
        var text = NumberText(count: numbers.count)
        try interruptible {
            func add(_ answers: UnsafeBufferPointer<Float>, _ paths: [String]) throws {
                try Interrupt.check()
                let estimates = numbers.estimates(answers)
                try estimates.withUnsafeBufferPointer { try file?.append($0, paths: paths) }
                text.append(estimates, paths: paths)
            }
            try answers(of: trained, array, files, add)
            try file?.finish()
        }
        if format != nil || output == nil { print(try text.rendered(format ?? .table, width: wideOption.width)) }
    }

    /// Writes a mask for each image.
    private func writeMasks(_ trained: TrainedModel, _ array: UnlabeledImages?, _ files: UnlabeledFiles?, _ inputs: [String]) throws {
        guard let output else { throw UserError(.usage, "the model answers for every pixel; add --output with a folder for the masks") }
        if format != nil || top != nil { throw UserError(.usage, "\(format != nil ? "--format" : "--top"): goes with a model that answers for an image; masks are PNG files") }
        try Self.requireNames(of: files, for: "mask")
        let made = try OutputFile.folder(output, for: "masks")
        defer { OutputFile.removeEmpty(made) }
        var options = MaskOptions()
        (options.isTiled, options.overlap) = (tiles, overlap)
        let write: (WholeImage, [UInt8]) throws -> Void = { image, mask in
            try Interrupt.check()
            let path = try OutputFile.picture("\(output)/\(Self.name(image.name))", .png, besides: inputs)
            guard let bytes = PNG.encoded(mask: mask, width: image.size.width, height: image.size.height) else {
                throw UserError(.internal, "\(path): there is no memory for a mask of \(image.size)")
            }
            try replaceFile(at: path, with: Data(PNG.marked(bytes)), isForeign: true)
        }
        try interruptible {
            if let array { try trained.predictMasks(array, options, threads: threadOptions.count, write) }
            if let files {
                try trained.predictMasks(files, options, threads: threadOptions.count, onError: Self.passOver, write)
            }
        }
    }

    private func trainedModel(for images: UnlabeledImages?, _ workspace: Workspace, _ registry: Registry) throws -> TrainedModel {
        if let path {
            return try TrainedModel(
                of: workspace.run(path), weights: weights.flatMap(RunFolder.Weights.init) ?? .best, precision: precision, threshold: threshold, registry: registry)
        }
        guard let model, let weights, let images else { preconditionFailure("validate() has seen that there are a model, weights and images") }
        let named = try NamedModel(model, input: nil, classes: classes, registry)
        try named.definition.requireFit(model, input: images.shape)
        return try TrainedModel(
            model, named.definition, input: images.shape, classes: named.classes, weights: workspace.display(workspace.result(weights)),
            precision: precision ?? .fp32)
    }
}

extension PredictionText.Format: ExpressibleByArgument {}
