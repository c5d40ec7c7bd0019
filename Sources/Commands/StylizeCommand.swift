import ArgumentParser
import Configuration
import Experiments
import Figures
import Foundation
import HDF5
import Models
import RunStore
import TensorCore

struct StylizeCommand: DefinitionCommand {
    static let configuration = CommandConfiguration(
        commandName: "stylize",
        abstract: "Give images the style of another one, by a network's features (Gatys, Ecker and Bethge, 2016).",
        discussion: """
            Images are files, or with --run test images of it, as `harness show` has them: 7, class:coat. The network is a run's, or --network with its --weights: a convolutional one. Images of networks without a run are normalized as \
            ImageNet's where they have three channels, which the first convolution of the weights says. Without --size images keep their size, the style its own. Several images are changed at once, \
            one a thread, where they have one size; the bytes do not depend on the number of threads.

            Layers are stages (stage3) or modules by their paths (features.22). Of VGG-19 those of the paper are compared unasked, of other networks all \
            stages for the style and the one before the last for the content.

            Examples:
              harness stylize --content photo.jpg --style painting.jpg --network vgg19 --weights vgg19.safetensors --size 256 --output styled.png
              harness stylize --content 0 1 --style class:coat --run quickstart/resnet8 --size 128 --output styled
              harness stylize --content a.png b.png --style c.png --run zoo/vgg11 --steps 100 --every 25 --output styled
            """)

    @Option(parsing: .upToNextOption, help: ArgumentHelp("The images that are changed: files, or test images of the run.", valueName: "image"), completion: .file())
    var content: [String] = []

    @Option(help: ArgumentHelp("The image whose style they get.", valueName: "image"), completion: .file())
    var style: String

    @Option(help: ArgumentHelp("A PNG file; of several images a folder.", valueName: "file"), completion: .file())
    var output: String

    @Option(help: ArgumentHelp("A run folder, a folder with one run in it, or the beginning of a run's name: whose network compares.", valueName: "run"), completion: Completion.run)
    var run: String?

    @Option(help: ArgumentHelp("A model of `harness models`, or as a definition writes it, instead of a run.", valueName: "name"), completion: Completion.model)
    var network: String?

    @Option(help: ArgumentHelp("The network's weights, HDF5 or safetensors.", valueName: "file"), completion: .file())
    var weights: String?

    @Option(help: ArgumentHelp("The number of classes of the network's weights (default: its usual one).", valueName: "n"))
    var classes: Int?

    @Option(name: .customLong("content-layers"), parsing: .upToNextOption, help: ArgumentHelp("Whose features are those of the images.", valueName: "layer"))
    var contentLayers: [String] = []

    @Option(name: .customLong("style-layers"), parsing: .upToNextOption, help: ArgumentHelp("Whose correlations are those of the style.", valueName: "layer"))
    var styleLayers: [String] = []

    @Option(name: .customLong("content-weight"), help: ArgumentHelp("How much the features count (default: 1).", valueName: "w"))
    var contentWeight = 1.0

    @Option(name: .customLong("style-weight"), help: ArgumentHelp("How much the correlations count (default: 1e6).", valueName: "w"))
    var styleWeight = 1e6

    @Option(name: .customLong("variation-weight"), help: ArgumentHelp("How much the differences of neighbouring pixels count (default: 0).", valueName: "w"))
    var variationWeight = 0.0

    @Option(help: "lbfgs or adam (default: lbfgs).")
    var optimizer = StyleTransfer.Options.Method.lbfgs

    @Option(name: .customLong("learning-rate"), help: ArgumentHelp("Of adam (default: 0.05).", valueName: "r"))
    var learningRate: Double?

    @Option(help: ArgumentHelp("How often the losses are evaluated (default: 300).", valueName: "n"))
    var steps = 300

    @Option(help: ArgumentHelp("The length of the images' shorter side (default: their own).", valueName: "pixels"))
    var size: Int?

    @Option(help: ArgumentHelp("Where to begin, instead of at the image: an image file, such as one that --every wrote.", valueName: "image"), completion: .file())
    var start: String?

    @Option(help: ArgumentHelp("Write the images after every so many steps, too: styled-50.png.", valueName: "n"))
    var every: Int?

    @OptionGroup var dataOptions: DataOptions
    @OptionGroup var threadOptions: ThreadOptions

    mutating func validate() throws {
        if content.isEmpty { throw ValidationError("--content: expected image files") }
        for (option, file) in [("--style", style), ("--output", output), ("--weights", weights ?? "-"), ("--start", start ?? "-")] + content.map({ ("--content", $0) }) where file.isEmpty {
            throw ValidationError("\(option): expected the path of a file, found an empty one")
        }
        if (run == nil) == (network == nil) { throw ValidationError("expected --run, or --network with its --weights") }
        if network != nil, weights == nil { throw ValidationError("--network: expected --weights with it, the file of its weights") }
        if network != nil, let word = (content + [style]).first(where: { !files.contains($0) }) {
            throw ValidationError("\(word.shortened()): is a test image, which a run has and --network has not; expected a file, such as ./\(word.shortened())")
        }
        try validateClasses(classes)
        if run != nil, classes != nil { throw ValidationError("--classes goes with --network: a run knows its classes") }
        if run != nil, weights != nil { throw ValidationError("--weights goes with --network: a run has its own") }
        for (option, weight) in [("--content-weight", contentWeight), ("--style-weight", styleWeight), ("--variation-weight", variationWeight)] where !(weight >= 0 && weight.isFinite) {
            throw ValidationError("\(option): expected a number from 0, found \(weight)")
        }
        if contentWeight + styleWeight + variationWeight == 0 { throw ValidationError("--style-weight: all weights are 0, so nothing would change") }
        if let learningRate, !(learningRate > 0 && learningRate.isFinite) { throw ValidationError("--learning-rate: expected a number above 0, found \(learningRate)") }
        if learningRate != nil, optimizer != .adam { throw ValidationError("--learning-rate goes with --optimizer adam") }
        if !(1...1_000_000).contains(steps) { throw ValidationError("--steps: expected a number from 1 to 1000000, found \(steps)") }
        if let size, !(8...16_384).contains(size) { throw ValidationError("--size: expected a number from 8 to 16384, found \(size)") }
        if let every, every < 1 { throw ValidationError("--every: expected a number from 1, found \(every)") }
        if start != nil, content.count > 1 { throw ValidationError("--start goes with one image, found \(content.count)") }
        if content.count == 1, (output as NSString).pathExtension.lowercased() != "png" { throw ValidationError("--output: expected a file that ends in .png, found '\(output.shortened())'") }
        let twins = Dictionary(grouping: content, by: Self.name).filter { $0.value.count > 1 }.min { $0.key < $1.key }
        if let twins { throw ValidationError("--content: \(twins.value[0]) and \(twins.value[1]) would both become \(twins.key).png; expected other names, or one after the other") }
    }

    /// A file's name without its ending; of a test image `test-7`, or its class.
    private static func name(_ word: String) -> String {
        switch ImageChoice(word) {
        case .file(let path): ((path as NSString).lastPathComponent as NSString).deletingPathExtension
        case .index(let place): "test-\(place)"
        case .ofClass(let name): String(name.map { $0 == "/" ? "-" : $0 })
        }
    }

    /// The options whose images are files.
    private var files: [String] { (content + [style]).filter { if case .file = ImageChoice($0) { true } else { false } } }

    func run(_ registry: Registry) throws {
        let workspace = Workspace.current, trained = try network(workspace, registry)
        var options = StyleTransfer.Options()
        if !contentLayers.isEmpty { options.contentLayers = contentLayers }
        if !styleLayers.isEmpty { options.styleLayers = styleLayers }
        (options.contentWeight, options.styleWeight, options.variationWeight) = (contentWeight, styleWeight, variationWeight)
        (options.method, options.steps) = (optimizer, steps)
        if let learningRate { options.learningRate = learningRate }
        let transfer = try StyleTransfer(trained, options, threads: threadOptions.count)
        var known: TestImages?
        func tests() throws -> TestImages {
            let tests = try known ?? TestImages(of: workspace.run(run!), dataDirectory: dataOptions.dataDirectory, dataFile: nil, registry: registry)
            known = tests
            return tests
        }
        let inputs = files + [weights, start].compactMap(\.self), shapes = try content.map { try trained.styleShape(ImageChoice($0), side: size) }
        // Images of one size share the threads.
        var groups: [[Int]] = []
        for index in shapes.indices {
            if let group = groups.firstIndex(where: { shapes[$0[0]] == shapes[index] }) { groups[group].append(index) } else { groups.append([index]) }
        }
        let styleShape = try trained.styleShape(ImageChoice(style), side: size)
        try transfer.requireMemory(for: groups.map { (shapes[$0[0]], $0.count) }, style: styleShape)
        let style = try trained.styleImage(ImageChoice(style), of: styleShape, tests: tests)
        let images = try zip(content, shapes).map { try trained.styleImage(ImageChoice($0), of: $1, tests: tests) }
        let made = content.count > 1 ? try OutputFile.folder(output, for: "pictures") : []
        defer { OutputFile.removeEmpty(made) }
        // Everything that will be written is known to be writable before anything is computed.
        let written = [nil] + (every.map { Array(stride(from: $0, to: steps, by: $0)) } ?? []).map(Optional.some)
        for path in content { for step in written { _ = try target(of: path, step: step, besides: inputs) } }
        let folder = content.count > 1 ? output : output.parentPath
        if !folder.isEmpty, !FileManager.default.isWritableFile(atPath: folder) {
            throw UserError(.io, "\(output): its folder is not there, or cannot be written to")
        }
        try interruptible {
            for group in groups {
                let shape = shapes[group[0]], start = try start.map { [try trained.styleImage(.file($0), of: shape, tests: tests)] }
                func write(_ pixels: [[Float]], step: Int?) throws {
                    for (index, values) in zip(group, pixels) {
                        let raster = Raster(image: trained.stylePicture(values), width: shape.width, height: shape.height, channels: shape.channels)
                        try replaceFile(at: try target(of: content[index], step: step, besides: inputs), with: Data(PNG.marked(raster.png)), isForeign: true)
                    }
                }
                let names = group.map { Self.name(content[$0]) }
                var progress = StyleProgress(names: names, steps: steps), first: [StyleTransfer.Losses] = [], fallen = Set<Int>()
                let styled: [[Float]]
                do {
                    defer { progress.end() }
                    styled = try transfer.run(group.map { images[$0] }, of: shape, style: style, of: styleShape, startingAt: start) { step, losses, pixels in
                        try Interrupt.check()
                        progress.show(step, losses)
                        if first.isEmpty { first = losses }
                        for index in losses.indices where losses[index].total < first[index].total { fallen.insert(index) }
                        if let every, step % every == 0, step < steps { try write(pixels(), step: step) }
                    }
                }
                for (index, name) in names.enumerated() where !fallen.contains(index) && steps > 1 {
                    let reason = first[index].isFlat
                        ? "all gradients are 0, as where it has the style already or the network's weights are 0" : "no step made its loss smaller; expected smaller steps, or other weights"
                    HarnessProgram.say("\(name): stays as it was: \(reason)")
                }
                try write(styled, step: nil)
            }
        }
    }

    /// Where an image is written, after a step or in the end.
    private func target(of path: String, step: Int?, besides inputs: [String]) throws -> String {
        let whole = content.count == 1 ? (output as NSString).deletingPathExtension : "\(output)/\(Self.name(path))"
        return try OutputFile.picture("\(whole)\(step.map { "-\($0)" } ?? "").png", .png, besides: inputs)
    }

    private func network(_ workspace: Workspace, _ registry: Registry) throws -> TrainedModel {
        if let run { return try TrainedModel(of: workspace.run(run), precision: .fp32, registry: registry) }
        guard let network, let weights else { preconditionFailure("validate() has seen that there are a network and weights") }
        let named = try NamedModel(network, input: nil, classes: classes, registry), path = try workspace.display(workspace.result(weights))
        let channels = try TrainedModel.channels(of: path, for: named.definition, input: named.input) ?? named.input.channels
        let input = ImageShape(height: named.input.height, width: named.input.width, channels: channels)
        try named.definition.requireFit(network, input: input)
        return try TrainedModel(network, named.definition, input: input, classes: named.classes, weights: path)
    }
}

extension StyleTransfer.Options.Method: ExpressibleByArgument {}

/// Says how far a style transfer is: on a terminal in one line that is rewritten, elsewhere in ten lines.
private struct StyleProgress {
    private let names: [String]
    private let steps: Int
    private let terminal = Terminal.standardError
    private var last = ContinuousClock.now

    init(names: [String], steps: Int) { (self.names, self.steps) = (names, steps) }

    mutating func show(_ step: Int, _ losses: [StyleTransfer.Losses]) {
        func text(_ value: Double) -> String { String(format: "%.4g", value) }
        func mean(_ part: (StyleTransfer.Losses) -> Double) -> String { text(losses.map(part).reduce(0, +) / Double(losses.count)) }
        let line = "\(names.count == 1 ? names[0] : "\(names.count) images")  step \(grouped(step)) of \(grouped(steps))  content \(mean(\.content))  style \(mean(\.style))  loss \(mean(\.total))"
        if terminal.isInteractive {
            guard step == 1 || step == steps || .now - last > .milliseconds(200) else { return }
            last = .now
            terminal.status(line)
        } else if step == 1 || step == steps || step % max(1, steps / 10) == 0 {
            terminal.line(line)
        }
    }

    func end() { terminal.endStatus() }
}
