import ArgumentParser
import Configuration
import Experiments
import Models
import TensorCore

/// A model that a word of the command line names, with its images and classes: a model of the list takes its usual ones, any other 28×28×1
/// and 10 classes, unless the options say otherwise.
struct NamedModel {
    let definition: ModelDefinition
    let input: ImageShape
    let classes: Int

    /// - Throws: `.usage` with everything that is wrong with the name.
    init(_ name: String, input: InputSize?, classes: Int?, _ registry: Registry) throws {
        let preset = registry.models.presets.first { $0.name == name }
        definition = try Definition.model(name, registry: registry)
        self.input = input?.shape ?? preset?.input ?? ImageShape(height: 28, width: 28, channels: 1)
        self.classes = classes ?? preset?.classes ?? 10
    }
}

/// Checks `--classes`.
func validateClasses(_ classes: Int?) throws {
    if let classes, !InputSize.lengths.contains(classes) {
        throw ValidationError("--classes: expected a number from 1 to \(InputSize.lengths.upperBound), found \(classes)")
    }
}

/// `3x224x224`: channels, height, width. What can only be height, width and channels is no such word.
struct InputSize: ExpressibleByArgument {
    static let lengths = 1...65_536
    let shape: ImageShape

    init?(argument: String) {
        let numbers = argument.lowercased().split(separator: "x", omittingEmptySubsequences: false).map { Int($0) }
        guard numbers.count == 3, let channels = numbers[0], let height = numbers[1], let width = numbers[2],
            [channels, height, width].allSatisfy(Self.lengths.contains), !([1, 3, 4].contains(width) && min(channels, height) > 4)
        else { return nil }
        shape = ImageShape(height: height, width: width, channels: channels)
    }
}
