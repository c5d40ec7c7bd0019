import Configuration
import Foundation
import TensorCore
import Testing

@testable import Models

@Suite struct UNetTests {
    private static func summary(_ options: String, _ input: ImageShape, classes: Int) throws -> ModelSummary {
        try ModelSummary(definition(#"{"unet": {\#(options)}}"#), input: input, classes: classes)
    }

    /// GOLDEN.md's form: biased convolutions, no norm, transposed convolutions, one channel, one class.
    @Test(arguments: ["", #""up": "bilinear""#, #""padding": "valid""#]) func hasThePublishedNumberOfParameters(options: String) throws {
        let shape = ImageShape(height: 256, width: 256, channels: 1)
        #expect(try Self.summary(options, shape, classes: 1).parameters == 31_030_593)
    }

    /// There is an answer for each pixel, whatever the size.
    @Test(arguments: [#""depth": 3"#, #""depth": 3, "up": "bilinear""#, #""depth": 2, "padding": "valid""#, #""depth": 2, "padding": "valid", "up": "bilinear""#,
        #""depth": 3, "skips": false"#, #""depth": 2, "norm": "batch""#], [(40, 40), (61, 37), (38, 75)])
    func answersForEachPixel(options: String, size: (Int, Int)) throws {
        let summary = try Self.summary(#""width": 4, \#(options)"#, ImageShape(height: size.0, width: size.1, channels: 2), classes: 5)
        #expect(summary.layers.last?.outputShape == [1, size.0, size.1, 5])
    }

    struct Case: Decodable, CustomTestStringConvertible, Sendable {
        struct Gradient: Decodable, Sendable {
            let name: String, norm: Double, projection: Double, entries: [Double]
        }

        let definition: String, size: [Int], loss: Double, norm: Double, gradients: [Gradient]

        var testDescription: String { definition }
    }

    static let cases: [Case] = {
        let tests = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        return try! JSONDecoder().decode([Case].self, from: Data(contentsOf: tests.appending(path: "Fixtures/unet.json")))
    }()

    /// Loss and gradients, parameter by parameter, against PyTorch in float64 (`Tests/Reference/unet.py`).
    @Test(arguments: cases) func gradientsAgreeWithPyTorch(_ reference: Case) throws {
        let (batch, height, width) = (reference.size[0], reference.size[1], reference.size[2]), graph = Graph(mode: .training)
        let images = graph.input("images", [batch, height, width, 1]), labels = graph.input("labels", [batch, height, width], .int32)
        let logits = try #require(definition(reference.definition).record(images, classes: 3, in: graph.root)["logits"])
        let loss = logits.softmaxCrossEntropy(labels: labels).mean(axes: [1, 2]).batchMean()
        let found = gradients(of: loss, withRespectTo: graph.parameterTensors), store = ParameterStore(graph, seed: 0)
        for parameter in graph.parameters {
            let values = FormulaValues.values(parameter.name, parameter.shape).map { $0 + (parameter.name.hasSuffix("bias") ? 1 : 0) }
            store.set(HostTensor(parameter.shape, values), named: parameter.name)
        }
        let classes = (0..<batch * height * width).map { Int32(($0 / (height * width) + $0 / width % height + $0 % width / 3) % 3) }
        let values = try evaluate(
            [loss] + found,
            feeding: [(images, HostTensor(images.shape, FormulaValues.values("images", images.shape))), (labels, HostTensor(labels.shape, classes))], store: store)
        #expect(abs(Double(values[0].floats[0]) - reference.loss) < 1e-5 * reference.loss)

        let byName = Dictionary(uniqueKeysWithValues: zip(graph.parameters.map(\.name), values.dropFirst()))
        #expect(Set(byName.keys) == Set(reference.gradients.map(\.name)))
        for expected in reference.gradients {
            let gradient = try #require(byName[expected.name]).floats.map { Double($0) }
            // The biases before batch norm have none but for rounding.
            let allowed = max(1e-3 * expected.norm, 2e-6 * reference.norm), direction = FormulaValues.uniform("direction of \(expected.name)", gradient.count)
            let norm = gradient.reduce(0) { $0 + $1 * $1 }.squareRoot(), projection = zip(gradient, direction).reduce(0) { $0 + $1.0 * $1.1 }
            #expect(abs(norm - expected.norm) <= allowed, "\(expected.name): norm \(norm), expected \(expected.norm)")
            #expect(abs(projection - expected.projection) <= allowed, "\(expected.name): projection \(projection), expected \(expected.projection)")
            for (index, entry) in expected.entries.enumerated() {
                #expect(abs(gradient[index * gradient.count / expected.entries.count] - entry) <= allowed, "\(expected.name): entry \(index)")
            }
        }
    }

    @Test func imagesThatDoNotFitAreSaid() throws {
        func message(_ options: String, _ side: Int) throws -> [String] {
            let errors = ConfigurationErrors(), value = node(#"{"unet": {\#(options)}}"#)
            let model = try definition(#"{"unet": {\#(options)}}"#)
            model.validate(input: ImageShape(height: side, width: side, channels: 1), classes: 2, node: value, path: "models.u", errors: errors)
            return errors.messages
        }
        #expect(try message("", 12).first?.contains("4 levels, each of which halves the image, need at least 16×16 pixels, found 12×12") == true)
        #expect(try message(#""padding": "valid""#, 64).first?.contains("pixels around the image, more than the 63 that can be mirrored of 64×64") == true)
        #expect(try message("", 64).isEmpty)
    }
}
