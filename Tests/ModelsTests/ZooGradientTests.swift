import Foundation
import TensorCore
import TestSupport
import Testing

@testable import Models

/// Gradients of a training-mode loss of whole networks, parameter by parameter, against torchvision and timm in float64, and CCT's against a few lines of
/// PyTorch (`Tests/Reference/zoo_gradients.py`).
struct ZooGradientTests {
    struct Case: Decodable, CustomTestStringConvertible, Sendable {
        struct Gradient: Decodable, Sendable {
            let name: String
            let norm: Double
            /// On the formula's numbers under the name `direction of NAME`.
            let projection: Double
            /// Up to 16 numbers, spread evenly.
            let entries: [Double]
        }

        let definition: String
        let batch: Int
        let side: Int
        /// The name of the images; nil: `images`.
        let images: String?
        /// Whether no ReLU makes much of rounding.
        let isSmooth: Bool?
        let loss: Double
        let norm: Double
        let gradients: [Gradient]

        var testDescription: String { definition }
    }

    static let cases = try! ["zoo_gradients", "zoo_hybrid_gradients", "transformer_gradients"].flatMap { name in
        let tests = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        return try JSONDecoder().decode([Case].self, from: Data(contentsOf: tests.appending(path: "Fixtures/\(name).json")))
    }

    /// How far a gradient may be from the reference: relative to it, but not less than a few roundings of all; where the reference is less than a millionth
    /// of all, relative to all.
    private static let tolerance = 1e-3, rounding = 2e-7, negligible = 1e-6

    @Test(arguments: cases)
    func reference(_ reference: Case) throws {
        let graph = Graph(mode: .training)
        let images = graph.input("images", [reference.batch, reference.side, reference.side, 3]), labels = graph.input("labels", [reference.batch], .int32)
        let outputs = try definition(reference.definition).record(images, classes: 10, in: graph.root)
        func crossEntropy(_ name: String) throws -> Tensor { try #require(outputs[name]).softmaxCrossEntropy(labels: labels).batchMean() }
        var loss = try crossEntropy("logits")
        for name in ["aux1", "aux2"] where outputs[name] != nil { loss = try loss + crossEntropy(name) * 0.3 }
        let found = gradients(of: loss, withRespectTo: graph.parameterTensors)
        let store = ParameterStore(graph, seed: 0)
        // A hybrid has names of its own, but for the reference those of timm.
        let names = HybridNames.timm(of: graph.parameters.map(\.name))
        for (name, parameter) in zip(names, graph.parameters) {
            let values = reference.isSmooth == true ? FormulaValues.values(name, parameter.shape) : Self.calm(name, parameter.shape)
            store.set(HostTensor(parameter.shape, values), named: parameter.name)
        }
        let values = try evaluate(
            [loss] + found,
            feeding: [
                (images, HostTensor(images.shape, FormulaValues.values(reference.images ?? "images", images.shape))),
                (labels, HostTensor([reference.batch], (0..<reference.batch).map { Int32($0 * 3 % 10) })),
            ], store: store)
        #expect(abs(Double(values[0].floats[0]) - reference.loss) < 1e-4 * reference.loss)

        let byName = Dictionary(uniqueKeysWithValues: zip(names, values.dropFirst()))
        #expect(Set(byName.keys) == Set(reference.gradients.map(\.name)))
        for expected in reference.gradients {
            let gradient = try #require(byName[expected.name]).floats.map { Double($0) }
            let isNegligible = expected.norm < Self.negligible * reference.norm
            let allowed = isNegligible ? Self.negligible * reference.norm : max(Self.tolerance * expected.norm, Self.rounding * reference.norm)
            let norm = gradient.reduce(0) { $0 + $1 * $1 }.squareRoot()
            #expect(abs(norm - expected.norm) <= allowed, "\(expected.name): norm \(norm), expected \(expected.norm)")
            let direction = FormulaValues.uniform("direction of \(expected.name)", gradient.count)
            let projection = zip(gradient, direction).reduce(0) { $0 + $1.0 * $1.1 }
            #expect(abs(projection - expected.projection) <= allowed, "\(expected.name): projection \(projection), expected \(expected.projection)")
            let count = expected.entries.count
            for (index, entry) in expected.entries.enumerated() {
                #expect(abs(gradient[index * gradient.count / count] - entry) <= allowed, "\(expected.name): entry \(index)")
            }
        }
    }

    /// The formula's, but such that few values lie near 0, where ReLU makes much of float32's rounding.
    private static func calm(_ name: String, _ shape: Shape) -> [Float] {
        FormulaValues.values(name, shape).map { ($0 + (name.hasSuffix("bias") ? 3 : 0)) * (name.hasSuffix("bn3.weight") ? 0.1 : 1) }
    }
}
