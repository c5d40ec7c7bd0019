import Layers
import Tasks
import TensorCore
import Testing

@testable import Models

/// The losses of style transfer and their gradients by the image, against PyTorch in float64; `Tests/Reference/style.py` made the fixture.
@Suite struct StyleLossTests {
    struct Fixture: Decodable, Sendable { let losses: [String: [Double]], gradients: [String: [Double]] }

    @Test(arguments: ["content", "style", "variation"]) func lossesAndGradientsAgreeWithPyTorch(part: String) throws {
        let fixture: Fixture = try PixelGradients.decoded(from: "style.json")
        let graph = Graph(mode: .evaluation), network = try definition(#"{"vgg": {"blocks": [2, 2], "width": 4}}"#)
        let shapes: [(name: String, shape: Shape)] = [("images", [2, 12, 14, 3]), ("content", [2, 12, 14, 3]), ("style", [1, 10, 16, 3])]
        let inputs = shapes.map { graph.input($0.name, $0.shape) }, (images, content, style) = (inputs[0], inputs[1], inputs[2])
        let configuration = try #require(network.configuration as? any BackboneConfiguration)
        let backbone = configuration.makeBackbone(input: ImageShape(height: 12, width: 14, channels: 3), through: "stage2", in: graph.root)
        func features(_ x: Tensor, _ layers: [String]) throws -> [Tensor] {
            _ = backbone(x)
            return try layers.map { try #require(graph.tap($0)) }
        }
        let layers = ["features.1", "features.6", "features.8"]
        let aims = try features(content, ["features.6"])[0], styles = try features(style, layers), found = try features(images, layers)
        let loss =
            switch part {
            case "content": StyleLosses.content(found[1], aims)
            case "style": zip(found, styles).map { StyleLosses.style($0, StyleLosses.gram($1)) }.reduce(StyleLosses.variation(images) * 0, +) * (1 / 3)
            default: StyleLosses.variation(images)
            }
        let gradient = gradients(of: loss.sum(axes: [0]).shardSum(), withRespectTo: [images])[0]
        let values = try evaluate(
            [loss, gradient], feeding: zip(inputs, shapes).map { ($0, HostTensor($1.shape, FormulaValues.values($1.name, $1.shape))) },
            store: PixelGradients.store(graph))
        for (own, expected) in zip(values[0].floats, fixture.losses[part]!) { #expect(abs(Double(own) - expected) < 1e-5 * abs(expected)) }
        let expected = fixture.gradients[part]!, largest = expected.map(abs).max()!
        for (place, value) in expected.enumerated() { #expect(abs(Double(values[1].floats[7 * place]) - value) < 1e-4 * largest) }
    }

    /// One row has differences across alone, one pixel has none.
    @Test(arguments: [([1, 3], 2.5), ([3, 1], 2.5), ([1, 1], 0.0)] as [([Int], Float)]) func variationOfLines(size: [Int], expected: Float) throws {
        let graph = Graph(mode: .evaluation), shape = Shape([1] + size + [1]), images = graph.input("images", shape)
        let variation = StyleLosses.variation(images), gradient = gradients(of: variation.sum(axes: [0]).shardSum(), withRespectTo: [images])[0]
        let pixels = Array([1, 3, 4].prefix(shape.elementCount)) as [Float]
        let values = try evaluate([variation, gradient], feeding: [(images, HostTensor(shape, pixels))], store: PixelGradients.store(graph))
        #expect(values[0].floats == [expected] && values[1].floats == (expected == 0 ? [0] : [-2, 1, 1]))
    }
}
