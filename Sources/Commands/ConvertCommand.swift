import ArgumentParser
import Configuration
import Experiments
import Models

struct ConvertCommand: DefinitionCommand {
    static let configuration = CommandConfiguration(
        commandName: "convert",
        abstract: "Convert weights between HDF5 and safetensors, and between timm's and torchvision's names.",
        discussion: """
            What TO ends in says what it becomes: .h5 or .safetensors. Parameters and running statistics are converted, not the optimizer's state; \
            safetensors get PyTorch's num_batches_tracked too. Everything is checked before TO is written: with --model that every tensor is the \
            model's. Names stay as they are without --names; only vision transformers have two conventions. With --input, position embeddings are \
            resampled for images of that size. Pickles (.pth, .pt, .bin) are not opened; what is said of them shows how Python converts them.

            Examples:
              harness convert Results/quickstart/vit-s0-1f0c93ab/weights/best.h5 vit.safetensors
              harness convert vit_b_16.safetensors vit.h5 --names timm --model vit-b-16
              harness convert vit.h5 vit_b_16.safetensors --names torchvision
              harness convert vit.safetensors vit-384.h5 --model vit-b-16 --input 3x384x384
            """)

    @Argument(help: ArgumentHelp("A file of weights.", valueName: "from"))
    var source: String

    @Argument(help: ArgumentHelp("The new file.", valueName: "to"))
    var target: String

    @Option(help: "The convention of names in the new file: \(WeightNames.allCases.map(\.rawValue).joined(separator: ", ")).")
    var names: WeightNames?

    @Option(help: ArgumentHelp("Whose weights they are: a model of `harness models`, or as a definition writes it.", valueName: "name"))
    var model: String?

    @Option(help: ArgumentHelp("The model's images (default: its usual ones).", valueName: "CxHxW"))
    var input: InputSize?

    @Option(help: ArgumentHelp("The model's number of classes (default: its usual one).", valueName: "n"))
    var classes: Int?

    mutating func validate() throws {
        try validateClasses(classes)
        if model == nil, input != nil || classes != nil { throw ValidationError("--input and --classes go with --model") }
        if target.isEmpty { throw ValidationError("TO: expected the path of a file, found an empty one") }
    }

    func run(_ registry: Registry) throws {
        let workspace = Workspace.current
        let network = try model.map { name in
            let model = try NamedModel(name, input: input, classes: classes, registry)
            try model.definition.requireFit(name, input: model.input)
            return WeightConversion.Network(
                name, model.definition, input: model.input, classes: model.classes, resamplesPositions: input != nil)
        }
        let source = try workspace.display(workspace.result(source))
        let conversion = try WeightConversion(from: source, to: OutputFile.path(target, besides: [source]), names: names, network: network)
        try interruptible(conversion.write)
        print(conversion.summary)
    }
}

extension WeightNames: ExpressibleByArgument {}
