import ArgumentParser
import Configuration
import Experiments
import Figures
import Foundation
import HDF5
import Models
import RunStore

struct ShowCommand: DefinitionCommand {
    static let configuration = CommandConfiguration(
        commandName: "show",
        abstract: "Make pictures of what a run's model has learned, and of what it looks at in images.",
        discussion: """
            --output takes one kind of picture, --into any number of them; both replace what the program made, and nothing else. A PNG file has the pictures alone; an SVG file has titles, numbers and the scale of \
            colours too; an HDF5 file has the numbers, as NeXus groups that h5web and silx draw. Nothing is written into the run.

            Images are those of the run's test set by their place (7), the first of a class (class:coat), or files. --layer names a stage (stage2, block3), or a \
            module by its path (layer3.0.conv1, blocks.2.attn). Everything is computed in fp32.

            Examples:
              harness show quickstart/resnet8 --filters --output filters.png
              harness show quickstart/vit --attention --image 0 class:7 --output attention.svg
              harness show quickstart/resnet8 --gradcam --image 0 1 2 3 --output gradcam.png
              harness show scenes/unet --masks --image 0 1 2 --output masks.png
              harness show quickstart/vit --positions --distance --embedding --into vit.h5
              harness show detection/yolo --boxes --image 0 1 2 3 --output boxes.png
              harness show triplets/semi_hard --neighbours --output neighbours.png
            """)

    @Argument(help: ArgumentHelp("A run folder, a folder with one run in it, or the beginning of a run's name.", valueName: "run"), completion: Completion.run)
    var path: String

    @Flag(help: "The kernels of the first layer.")
    var filters = false

    @Option(help: ArgumentHelp("The maps of a layer's output, one for each channel.", valueName: "layer"))
    var activations: String?

    @Flag(help: "Where the class token looks, by head, and attention rollout over all layers; without a class token, the mean over all tokens.")
    var attention = false

    @Flag(help: "Which parts of the images speak for the predicted class, or --class: Grad-CAM of the last convolutional stage, or --layer.")
    var gradcam = false

    @Flag(name: .customLong("integrated-gradients"), help: "Which pixels speak for the predicted class, or --class, against a black image.")
    var integratedGradients = false

    @Flag(help: "Of a model that answers for every pixel: images, their masks and the predicted ones side by side.")
    var masks = false

    @Flag(help: "How much alike the position embeddings of patches are.")
    var positions = false

    @Flag(help: "How far attention reaches, by layer and head: the mean over the first --count test images.")
    var distance = false

    @Flag(help: "The most confident errors of the test, as the run keeps them.")
    var errors = false

    @Flag(help: "The boxes that a detection or localization found in test images, the first 12 or --image, and those of the data.")
    var boxes = false

    @Flag(help: "What a run of reconstruction made of the first test images, as the run keeps them.")
    var reconstructions = false

    @Flag(help: "Test images, some or --image, beside the nearest others by embedding or code, and the farthest of their class with the nearest of another.")
    var neighbours = false

    @Flag(help: "Every channel of an image as a picture of its own: the views of a solid, the slices of its voxels.")
    var views = false

    @Flag(help: "The features before the head of the first --count test images, their codes or their embeddings, in the plane of their first two principal components.")
    var embedding = false

    @Option(parsing: .upToNextOption, help: ArgumentHelp("Test images by place, class:NAME, or files (default: 0).", valueName: "image"), completion: .file())
    var image: [String] = []

    @Option(help: ArgumentHelp("For --attention an attention, for --gradcam a layer with a map (default: the last).", valueName: "name"))
    var layer: String?

    @Option(name: .customLong("class"), help: ArgumentHelp("For --gradcam and --integrated-gradients, a class by name or number (default: the predicted one).", valueName: "name"))
    var shownClass: String?

    @Option(help: ArgumentHelp("How many test images --distance (default: 128) and --embedding (default: 1000) take.", valueName: "n"))
    var count: Int?

    @Option(help: ArgumentHelp("Write a picture: PNG or SVG, by the name's ending.", valueName: "file"), completion: .file(extensions: ["png", "svg"]))
    var output: String?

    @Option(help: ArgumentHelp("Write the numbers as NeXus groups into a new HDF5 file; one that show made is replaced.", valueName: "file.h5"), completion: .file(extensions: ["h5"]))
    var into: String?

    @Option(help: ArgumentHelp("Which of the run's weights: best, last, or an average, ema or swa (default: best).", valueName: "which"))
    var weights: String?

    @Option(help: ArgumentHelp("The run's data, where they have moved.", valueName: "file"))
    var data: String?

    @OptionGroup var dataOptions: DataOptions
    @OptionGroup var threadOptions: ThreadOptions

    /// The kinds of pictures that are asked for, as their options are called.
    private var kinds: [String] {
        [
            ("filters", filters), ("activations", activations != nil), ("attention", attention), ("gradcam", gradcam), ("integrated-gradients", integratedGradients),
            ("masks", masks), ("positions", positions), ("distance", distance), ("errors", errors), ("boxes", boxes), ("views", views), ("reconstructions", reconstructions),
            ("neighbours", neighbours), ("embedding", embedding),
        ].filter(\.1).map(\.0)
    }

    /// What the run's file has of its test, which needs no model.
    private static let kept: Set = ["errors", "boxes", "reconstructions", "neighbours"]

    mutating func validate() throws {
        let names = "--filters, --activations, --attention, --gradcam, --integrated-gradients, --masks, --positions, --distance, --errors, --boxes, --views, --reconstructions, --neighbours or --embedding", kinds = kinds
        if kinds.isEmpty { throw ValidationError("expected what to show: \(names)") }
        if output == nil, into == nil { throw ValidationError("expected --output with a file, .png or .svg, or --into with an HDF5 file") }
        for (option, file) in [("--output", output), ("--into", into), ("--data", data)] where file == "" { throw ValidationError("\(option): expected the path of a file, found an empty one") }
        if let output {
            if kinds.count > 1 {
                throw ValidationError("--output: takes one kind of picture, found \(kinds.map { "--\($0)" }.joined(separator: " and ")); --into takes several")
            }
            if PictureFormat(output) == nil { throw ValidationError("--output: expected a file that ends in .png or .svg, found '\(output.shortened())'") }
        }
        if image.contains("") { throw ValidationError("--image: expected a place, class:NAME or a file, found an empty word") }
        if let output, output == into { throw ValidationError("--into: names the file of --output, expected another one") }
        if let weights, RunFolder.Weights(rawValue: weights) == nil {
            throw ValidationError("--weights: expected best, last, ema or swa, found '\(weights.shortened())'")
        }
        if weights != nil, let kind = kinds.first(where: Self.kept.contains) {
            throw ValidationError("--weights: --\(kind) shows what the run's test kept, whichever weights are asked for; leave it out")
        }
        if let count, count < 2 { throw ValidationError("--count: expected a number from 2, found \(count)") }
        func goes(_ option: String, _ isGiven: Bool, with takers: [String]) throws {
            guard isGiven, !takers.contains(where: kinds.contains) else { return }
            throw ValidationError("\(option) goes with \(takers.map { "--\($0)" }.joined(separator: ", "))")
        }
        try goes("--image", !image.isEmpty, with: ["activations", "attention", "gradcam", "integrated-gradients", "masks", "boxes", "views", "neighbours"])
        try goes("--layer", layer != nil, with: ["attention", "gradcam"])
        try goes("--class", shownClass != nil, with: ["gradcam", "integrated-gradients"])
        try goes("--count", count != nil, with: ["distance", "embedding"])
    }

    func run(_ registry: Registry) throws {
        let workspace = Workspace.current, run = try workspace.run(path)
        // What cannot be written is said before anything is computed.
        for file in [output, into].compactMap(\.self) where URL(filePath: file).standardizedFileURL.path.hasPrefix(URL(filePath: run.path).standardizedFileURL.path + "/") {
            throw UserError(.usage, "\(file): lies in the run, into which nothing is written; expected another folder")
        }
        let output = try output.map { try OutputFile.picture($0, PictureFormat($0)!, besides: image) }
        let into = try into.map { try OutputFile.path($0, besides: image, replacing: ("HDF5", [0x89, 0x48, 0x44, 0x46, 0x0D, 0x0A, 0x1A, 0x0A]), followsLinks: false) }
        if let into { try NetworkView.requireOwn(into) }
        let tests = { try TestImages(of: run, dataDirectory: dataOptions.dataDirectory, dataFile: data, registry: registry) }
        let model = try Set(kinds).isSubset(of: Self.kept) ? nil : ShownModel(
            run, weights: weights.flatMap(RunFolder.Weights.init) ?? .best, threads: threadOptions.count, registry: registry, tests: tests)
        try interruptible {
            let images = image.isEmpty ? [ImageChoice.index(0)] : image.map(ImageChoice.init)
            var shown: [NetworkView] = []
            if filters { shown.append(try model!.filters()) }
            if let activations { shown.append(try model!.activations(activations, images)) }
            if attention { shown.append(try model!.attention(layer, images)) }
            if gradcam { shown.append(try model!.gradCAM(layer, shownClass, images)) }
            if integratedGradients { shown.append(try model!.integratedGradients(shownClass, images)) }
            if masks { shown.append(try model!.masks(images)) }
            if positions { shown += try model!.positions() }
            if distance { shown.append(try model!.distances(count ?? 128)) }
            if errors { shown.append(try NetworkView(errorsOf: run)) }
            if boxes { shown.append(try NetworkView(boxesOf: run, image.map(ImageChoice.init), tests)) }
            if views { shown.append(try model!.views(images)) }
            if reconstructions { shown.append(try NetworkView(reconstructionsOf: run)) }
            if neighbours { shown.append(try NetworkView(neighboursOf: run, image.map(ImageChoice.init), tests)) }
            if embedding { shown.append(try model!.embedding(count ?? 1000)) }
            try Interrupt.check()
            if let output {
                let bytes = PictureFormat(output) == .png ? Data(PNG.marked(shown[0].figure.raster.png)) : Data(shown[0].figure.svg(.page).utf8)
                try replaceFile(at: output, with: bytes, isForeign: true)
                if shown.count > 1 { HarnessProgram.say("\(output): shows \(shown[0].name), the first of \(shown.count); --into writes all of them") }
            }
            if let into { try NetworkView.write(shown, to: into, run: run) }
            for note in shown.compactMap(\.note) { HarnessProgram.say(note) }
        }
    }
}

/// What a picture is written as.
enum PictureFormat: String {
    case png, svg

    /// By the ending of a file's name.
    init?(_ path: String) { self.init(rawValue: (path as NSString).pathExtension.lowercased()) }

    /// What such files are called, and how they begin.
    var start: (name: String, start: [UInt8]) {
        switch self {
        case .png: ("PNG", [0x89, 0x50, 0x4e, 0x47])
        case .svg: ("SVG", Array("<svg".utf8))
        }
    }

    /// Whether a file may be replaced: it is a picture that the program has made, or empty, or not there.
    func isOwn(_ path: String) throws -> Bool {
        guard let file = FileHandle(forReadingAtPath: path) else { return access(path, F_OK) != 0 }
        let start = (self == .png ? try file.read(upToCount: PNG.markedStart) : try file.readToEnd()) ?? Data()
        return start.isEmpty || (self == .png ? PNG.isMarked(start) : start.range(of: Data(PictureSheet.mark.utf8)) != nil)
    }
}
