import TensorCore
import Testing

/// What PyTorch found, and the size against which an error of it is to be measured.
public struct Expectation: Sendable {
    public let tensor: HostTensor
    /// The largest absolute value, or more where terms cancel; see `magnitudes` in Tests/Reference/README.md.
    public let magnitude: Double

    public init(tensor: HostTensor, magnitude: Double) {
        self.tensor = tensor
        self.magnitude = magnitude
    }
}

/// One case of operations.h5, layers.h5 or optimizers.h5: inputs, and the exact outputs and gradients.
public struct FixtureCase: Sendable, CustomTestStringConvertible {
    public let name: String
    /// The operation's or the layer's name.
    public let operation: String
    public let arguments: FixtureArguments
    public let inputs: [HostTensor]
    public let outputs: [Expectation]
    /// A gradient for each output, from which `gradients` follow.
    public let outputGradients: [HostTensor]
    /// The gradients of the leading inputs.
    public let gradients: [Expectation]
    /// Further results, such as new running statistics.
    public let extra: [String: Expectation]
    /// A layer's parameters by their PyTorch names.
    public let parameters: [String: HostTensor]
    public let parameterGradients: [String: Expectation]
    /// Running statistics before and after.
    public let buffers: [String: HostTensor]
    public let buffersAfter: [String: Expectation]

    public var testDescription: String { name }

    init(name: String, in file: FixtureFile) throws {
        let group = "/\(name)"
        let magnitudes = try file.arguments(of: group, attribute: "magnitudes")
        func expectation(_ tensor: HostTensor, _ path: String) throws -> Expectation {
            Expectation(tensor: tensor, magnitude: magnitudes[path] == nil ? tensor.largestMagnitude : try magnitudes.number(path))
        }
        func list(_ kind: String) throws -> [Expectation] {
            try file.list(in: "\(group)/\(kind)").enumerated().map { try expectation($1, "\(kind)/\($0)") }
        }
        func named(_ kind: String) throws -> [String: Expectation] {
            let tensors = try file.tensors(in: "\(group)/\(kind)")
            return Dictionary(uniqueKeysWithValues: try tensors.map { ($0, try expectation($1, "\(kind)/\($0)")) })
        }
        self.name = name
        operation = try file.reader.attributeStrings("operation", of: group)?.first ?? ""
        arguments = try file.arguments(of: group)
        inputs = try file.list(in: "\(group)/inputs")
        outputs = try list("outputs")
        outputGradients = try file.list(in: "\(group)/output_gradients")
        gradients = try list("gradients")
        extra = try named("extra")
        parameters = try file.tensors(in: "\(group)/parameters")
        parameterGradients = try named("parameter_gradients")
        buffers = try file.tensors(in: "\(group)/buffers")
        buffersAfter = try named("buffers_after")
    }
}
