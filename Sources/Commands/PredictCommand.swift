import ArgumentParser
import Configuration
import Experiments
import Models
import RunStore
import TensorCore
import VisionData

struct PredictCommand: DefinitionCommand {
    static let configuration = CommandConfiguration(
        commandName: "predict",
        abstract: "Classify image files or an HDF5 file's images, with a run's model or with any model and its weights.",
        discussion: """
            Image files are JPEG, PNG or WebP, or folders of them; each is brought to the size of the run's images as these were, and one that is \
            damaged is named and passed over. An HDF5 file has /images [n, channels, height, width]. For a run they are uint8 (0 to 255) or float32 as its data were, and are normalized \
            as the run's; for --model they are float32, normalized already. Prints the most probable class of each image, or the --top ones. \
            --output writes /logits [n, classes], /classes and /probabilities [n, top] instead, and the /paths of files; with --format it does both.

            Examples:
              harness predict leaves/resnet photo.jpg more/
              harness predict quickstart/vit --input images.h5 --top 3
              harness predict Results/quickstart/vit-s0-1f0c93ab --input images.h5 --format csv
              harness predict --model resnet18 --weights resnet18.safetensors --input images.h5 --output logits.h5
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

    @Option(help: ArgumentHelp("Write an HDF5 file of predictions.", valueName: "file"))
    var output: String?

    @Option(help: ArgumentHelp("How many classes of each image, the most probable first (default: 1).", valueName: "k"))
    var top = 1

    @Option(help: "\(PredictionText.Format.allCases.map(\.rawValue).joined(separator: ", ")) (default: table, or nothing with --output).")
    var format: PredictionText.Format?

    @Option(help: "The format of the numbers between operations: \(Precision.allCases.map(\.rawValue).joined(separator: ", ")) (default: the run's, or fp32).")
    var precision: Precision?

    @OptionGroup var threadOptions: ThreadOptions
    @OptionGroup var wideOption: WideOption

    mutating func validate() throws {
        try validateClasses(classes)
        if top < 1 { throw ValidationError("--top: expected a number from 1, found \(top)") }
        if output == "" { throw ValidationError("--output: expected the path of a file, found an empty one") }
        if input == "" { throw ValidationError("--input: expected the path of a file, found an empty one") }
        if model != nil {
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
        let output = try output.map { try OutputFile.path($0, besides: inputs) }
        let trained = try trainedModel(for: array, workspace, registry)
        let top = min(top, trained.classes)
        let file = try output.map { try PredictionFile($0, classes: trained.classes, classNames: trained.classNames, top: top) }
        var text = format.map { PredictionText($0, classNames: trained.classNames, hasRanks: top > 1) }
        if text == nil, output == nil { text = PredictionText(.table, classNames: trained.classNames, hasRanks: top > 1) }
        try interruptible {
            func add(_ logits: UnsafeBufferPointer<Float>, _ paths: [String]) throws {
                try Interrupt.check()
                let predictions = stride(from: 0, to: logits.count, by: trained.classes).map { start in
                    ImagePrediction(UnsafeBufferPointer(rebasing: logits[start..<start + trained.classes]), count: top)
                }
                try file?.append(logits, predictions, paths: paths)
                text?.append(predictions, paths: paths)
            }
            if let array { try trained.predict(array, threads: threadOptions.count) { try add($0, []) } }
            if let files {
                try trained.predict(files, threads: threadOptions.count, onError: { HarnessProgram.say("\($0.message); passed over") }) { try add($1, $0) }
            }
            try file?.finish()
        }
        if let text { print(try text.rendered(width: wideOption.width)) }
    }

    private func trainedModel(for images: UnlabeledImages?, _ workspace: Workspace, _ registry: Registry) throws -> TrainedModel {
        if let path {
            return try TrainedModel(
                of: workspace.run(path), weights: weights.flatMap(RunFolder.Weights.init) ?? .best, precision: precision, registry: registry)
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
