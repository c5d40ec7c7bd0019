import Configuration
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

    static let cases: [PixelGradients] = try! PixelGradients.decoded(from: "unet.json")

    /// Loss and gradients, parameter by parameter, against PyTorch in float64 (`Tests/Reference/unet.py`).
    @Test(arguments: cases) func gradientsAgreeWithPyTorch(_ reference: PixelGradients) throws { try reference.compare() }

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
