import Models
import TensorCore
import Testing

/// Published parameter counts, and multiply-adds to the digits published.
struct GoldenFigureTests {
    struct Figure: CustomTestStringConvertible, Sendable {
        let model: String
        let definition: ModelDefinition
        let size: Int
        let channels: Int
        let classes: Int
        let parameters: Int
        /// 10⁹ multiply-adds and half a unit of the last published digit.
        let multiplyAdds: (Double, Double)?

        var testDescription: String { "\(model) \(size)×\(size)×\(channels)" }
    }

    private static func vit(_ patch: Int, _ width: Int, _ depth: Int, _ heads: Int) -> VisionTransformerConfiguration {
        VisionTransformerConfiguration(patch: patch, TransformerConfiguration(width: width, depth: depth, heads: heads))
    }

    private static func figure(
        _ model: String, _ configuration: some ModelConfiguration, _ size: Int, _ channels: Int, _ classes: Int, _ parameters: Int,
        _ multiplyAdds: (Double, Double)? = nil
    ) -> Figure {
        Figure(
            model: model, definition: ModelDefinition(configuration), size: size, channels: channels, classes: classes,
            parameters: parameters, multiplyAdds: multiplyAdds)
    }

    /// Xiao et al. 2021, table 1: hidden layers three times as wide as the blocks.
    private static func early(_ stem: VisionTransformerConfiguration.Stem, _ width: Int, _ depth: Int, _ heads: Int) -> VisionTransformerConfiguration {
        VisionTransformerConfiguration(patch: 16, stem: stem, TransformerConfiguration(width: width, depth: depth, heads: heads, mlpRatio: 3))
    }

    static let figures = [
        // LeCun et al. 1998 in its usual form; 120·400 + … by hand.
        figure("LeNet-5", LeNet5Configuration(), 28, 1, 10, 61_706, (0.0004165, 0.00000005)),
        // torchvision's table of models.
        figure("ResNet-18", ResNetConfiguration(depth: 18), 224, 3, 1000, 11_689_512, (1.814, 0.0005)),
        figure("ResNet-34", ResNetConfiguration(depth: 34), 224, 3, 1000, 21_797_672, (3.664, 0.0005)),
        // He et al. 2016, table 6, gives 0.27M, 0.46M, 0.66M, 0.85M.
        figure("ResNet-20 A", ResNetConfiguration(depth: 20), 32, 3, 10, 269_722),
        figure("ResNet-20 B", ResNetConfiguration(depth: 20, shortcut: .b), 32, 3, 10, 272_474),
        // A bias instead of a scale and an offset for each of the 688 channels that are normalized.
        figure("ResNet-20 A without norm", ResNetConfiguration(depth: 20, norm: .none), 32, 3, 10, 269_722 - 688),
        figure("ResNet-20 A, group norm", ResNetConfiguration(depth: 20, norm: .group(groups: 8)), 32, 3, 10, 269_722),
        figure("plain-20", PlainConfiguration(depth: 20), 32, 3, 10, 269_722),
        figure("ResNet-56 A", ResNetConfiguration(depth: 56), 32, 3, 10, 853_018),
        figure("ResNet-18, 3×3 stem", ResNetConfiguration(depth: 18), 32, 3, 10, 11_173_962),
        figure("ResNet-18, 3×3 stem", ResNetConfiguration(depth: 18), 28, 1, 10, 11_172_810),
        // timm's vit_tiny_patch16_224, whose table has 1.26, half a percent more than its products make; torchvision's vit_b_16 and vit_l_16.
        figure("ViT-Ti/16", vit(16, 192, 12, 3), 224, 3, 1000, 5_717_416, (1.26, 0.0075)),
        figure("ViT-B/16", vit(16, 768, 12, 12), 224, 3, 1000, 86_567_656, (17.56, 0.005)),
        figure("ViT-B/16", vit(16, 768, 12, 12), 384, 3, 1000, 86_859_496, (55.48, 0.005)),
        // The paper has 4.8M, 4.6M, 18.5M, 17.8M. Of ViT_C-1GF, 24·27 + 48·216 + 96·432 + 192·864 and 2·360 are the stem's convolutions and
        // norms, 192·192 + 192 its projection, 11·370,944 the blocks and 231,400 the rest.
        figure("ViT_P-1GF", early(.patchify, 192, 12, 3), 224, 3, 1000, 4_830_376, (1.1, 0.05)),
        figure("ViT_C-1GF", early(.convolutions, 192, 11, 3), 224, 3, 1000, 4_567_936, (1.1, 0.05)),
        figure("ViT_P-4GF", early(.patchify, 384, 12, 6), 224, 3, 1000, 18_507_112),
        figure("ViT_C-4GF", early(.convolutions, 384, 11, 6), 224, 3, 1000, 17_754_136),
        figure("ViT-L/16", vit(16, 1024, 24, 16), 224, 3, 1000, 304_326_632, (61.555, 0.0005)),
    ]

    @Test(arguments: figures)
    func parametersAndMultiplyAdds(_ figure: Figure) throws {
        let input = ImageShape(height: figure.size, width: figure.size, channels: figure.channels)
        let summary = try ModelSummary(figure.definition, input: input, classes: figure.classes)
        #expect(summary.parameters == figure.parameters)
        if let (giga, tolerance) = figure.multiplyAdds { #expect(abs(Double(summary.multiplyAdds) / 1e9 - giga) <= tolerance) }
    }

    /// Without QKᵀ and AV: 2 · N² · D a layer less.
    @Test func attentionIsCountedApart() throws {
        let summary = try ModelSummary(
            ModelDefinition(Self.vit(16, 192, 12, 3)), input: ImageShape(height: 224, width: 224, channels: 3), classes: 1000)
        #expect(summary.multiplyAdds - summary.multiplyAddsWithoutAttention == 12 * 2 * 197 * 197 * 192)
    }

    @Test(arguments: ModelPreset.all.map(\.name))
    func rowsAddUp(preset name: String) throws {
        let preset = try #require(ModelPreset.named(name))
        let summary = try ModelSummary(preset.definition, input: preset.input, classes: preset.classes)
        #expect(summary.layers.reduce(0) { $0 + $1.parameters } == summary.parameters)
        #expect(summary.layers.reduce(0) { $0 + $1.multiplyAdds } == summary.multiplyAdds)
        #expect(summary.layers.last?.outputShape == [1, preset.classes])
        #expect(summary.multiplyAdds > 0)
    }

    @Test func presetsHaveDifferentNames() {
        #expect(Set(ModelPreset.all.map(\.name)).count == ModelPreset.all.count)
    }

    @Test func summaryAsText() throws {
        let input = ImageShape(height: 28, width: 28, channels: 1)
        let text = try ModelSummary(ModelDefinition(LeNet5Configuration()), input: input, classes: 10).text
        let lines = text.split(separator: "\n")
        #expect(lines[0] == "lenet5 for images of 28×28×1 and 10 classes")
        #expect(lines.contains { $0.hasPrefix("conv1") && $0.contains("28×28×6") && $0.contains("156") && $0.hasSuffix(" 117,600") })
        #expect(lines.contains { $0.hasPrefix("total") && $0.contains("61,706") && $0.hasSuffix(" 416,520") })
    }
}
