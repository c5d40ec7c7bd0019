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
        figure(model, ModelDefinition(configuration), size, channels, classes, parameters, multiplyAdds)
    }

    private static func figure(
        _ model: String, _ definition: ModelDefinition, _ size: Int, _ channels: Int, _ classes: Int, _ parameters: Int, _ multiplyAdds: (Double, Double)? = nil
    ) -> Figure {
        Figure(
            model: model, definition: definition, size: size, channels: channels, classes: classes,
            parameters: parameters, multiplyAdds: multiplyAdds)
    }

    private static func preset(_ name: String, _ parameters: Int, _ multiplyAdds: (Double, Double)? = nil) -> Figure {
        let preset = ModelPreset.named(name)!
        return Figure(
            model: name, definition: preset.definition, size: preset.input.height, channels: preset.input.channels, classes: preset.classes,
            parameters: parameters, multiplyAdds: multiplyAdds)
    }

    /// Xiao et al. 2021, table 1: hidden layers three times as wide as the blocks.
    private static func early(_ stem: VisionTransformerConfiguration.Stem, _ width: Int, _ depth: Int, _ heads: Int) -> VisionTransformerConfiguration {
        VisionTransformerConfiguration(patch: 16, stem: stem, TransformerConfiguration(width: width, depth: depth, heads: heads, mlpRatio: 3))
    }

    static let figures = [
        // LeCun et al. 1998 in its usual form; 120·400 + … by hand.
        figure("LeNet-5", LeNet5Configuration(), 28, 1, 10, 61_706, (0.0004165, 0.00000005)),
        preset("lenet5-32", 61_706, (0.0004165, 0.00000005)),
        // The paper's own counts: 156 + 12 + 1,516 + 32 + 48,120 + 10,164, the second convolution with 60 of 96 connections.
        preset("lenet5-original", 60_000, (0.00032568, 0.000000005)),
        figure("LeNet-5 of 1998", LeNet5Configuration(.original), 28, 1, 10, 60_000, (0.00032568, 0.000000005)),
        // torchvision's table of models, and its numbers of parameters.
        figure("AlexNet", AlexNetConfiguration(.torchvision), 224, 3, 1000, 61_100_840, (0.714, 0.0005)),
        figure("VGG-11", VGGConfiguration(depth: 11), 224, 3, 1000, 132_863_336, (7.61, 0.005)),
        figure("VGG-13-BN", VGGConfiguration(depth: 13, norm: .batch), 224, 3, 1000, 133_053_736),
        figure("VGG-16", VGGConfiguration(depth: 16), 224, 3, 1000, 138_357_544, (15.47, 0.005)),
        figure("VGG-16-BN", VGGConfiguration(depth: 16, norm: .batch), 224, 3, 1000, 138_365_992, (15.47, 0.005)),
        figure("VGG-19", VGGConfiguration(depth: 19), 224, 3, 1000, 143_667_240, (19.63, 0.005)),
        figure("SqueezeNet 1.0", SqueezeNetConfiguration(.first), 224, 3, 1000, 1_248_424, (0.82, 0.005)),
        figure("SqueezeNet 1.1", SqueezeNetConfiguration(.second), 224, 3, 1000, 1_235_496, (0.35, 0.005)),
        figure("DenseNet-121", DenseNetConfiguration(depth: 121), 224, 3, 1000, 7_978_856, (2.83, 0.005)),
        figure("DenseNet-161", DenseNetConfiguration(depth: 161), 224, 3, 1000, 28_681_000, (7.73, 0.005)),
        figure("DenseNet-169", DenseNetConfiguration(depth: 169), 224, 3, 1000, 14_149_480, (3.36, 0.005)),
        figure("DenseNet-201", DenseNetConfiguration(depth: 201), 224, 3, 1000, 20_013_928, (4.29, 0.005)),
        figure("MobileNetV2", MobileNetV2Configuration(), 224, 3, 1000, 3_504_872, (0.301, 0.0005)),
        // torchvision's table again; with auxiliary heads its numbers of parameters alone.
        figure("GoogLeNet", GoogLeNetConfiguration(.torchvision), 224, 3, 1000, 6_624_904, (1.498, 0.0005)),
        preset("googlenet-auxiliary", 13_004_888),
        // Summed from the paper's table 1, biases included. A head has C·128 + 128 + 2048·1024 + 1024 + 1024·1000 + 1000, of C = 512 and 528 channels.
        figure("GoogLeNet of 2014", GoogLeNetConfiguration(.original), 224, 3, 1000, 6_998_552),
        preset("googlenet-original", 13_378_280),
        preset("inception-v3", 23_834_568, (5.713, 0.0005)),
        preset("inception-v3-auxiliary", 27_161_264),
        // timm's networks.
        preset("inception-resnet-v2", 55_843_464, (13.1558, 0.0005)),
        preset("xception", 22_855_952, (8.3574, 0.0005)),
        figure("EfficientNet-B0", EfficientNetConfiguration(), 224, 3, 1000, 5_288_548, (0.386, 0.0005)),
        // The paper has 29M and 4.5G, 50M and 8.7G, 89M and 15.4G; exactly, timm's networks, as for ResNetV2-50 and MobileNet.
        preset("convnext-tiny", 28_589_128, (4.4555, 0.0005)),
        preset("convnext-small", 50_223_688, (8.6837, 0.0005)),
        preset("convnext-base", 88_591_464, (15.3547, 0.0005)),
        preset("resnet-v2-50", 25_549_352, (4.0892, 0.0005)),
        // The paper has 4.2M and 569M.
        preset("mobilenet-v1", 4_231_976, (0.569, 0.0005)),
        // The paper has 36.5M, 11.0M and 8.9M.
        preset("wrn-28-10", 36_479_194, (5.2, 0.05)),
        preset("wrn-16-8", 10_961_370),
        preset("wrn-40-4", 8_949_210),
        // He et al. 2016 (ECCV) give 1.7M.
        preset("resnet-v2-164", 1_703_258),
        // 156 + 1,812 + 3,612 + 27,904 + 2,570; 24²·150 + 20²·1,800 + 6²·3,600 + 108·256 + 2,560 products.
        preset("mnist-cnn", 36_054, (0.000966208, 0.0000000005)),
        // Summed from the listings: 34,944 + 307,456 + 885,120 + 663,936 + 442,624 are the two towers' convolutions, 58,631,144 the rest; without
        // groups the second, fourth and fifth convolution have 614,656, 1,327,488 and 884,992, and four norms two numbers for each of 1,120 channels.
        figure("AlexNet of 2012", AlexNetConfiguration(.original), 227, 3, 1000, 60_965_224),
        figure("AlexNet without groups", AlexNetConfiguration(.ungrouped), 227, 3, 1000, 62_378_344),
        figure("AlexNet without groups, batch norm", AlexNetConfiguration(.ungrouped, norm: .batch), 227, 3, 1000, 62_380_584),
        // Huang et al. 2017 give 0.8M.
        figure("DenseNet-BC-100-12", DenseNetConfiguration(depth: 100), 32, 3, 10, 769_162),
        figure("ResNet-18", ResNetConfiguration(depth: 18), 224, 3, 1000, 11_689_512, (1.814, 0.0005)),
        figure("ResNet-34", ResNetConfiguration(depth: 34), 224, 3, 1000, 21_797_672, (3.664, 0.0005)),
        figure("ResNet-50", ResNetConfiguration(depth: 50, kind: .imagenet), 224, 3, 1000, 25_557_032, (4.089, 0.0005)),
        figure("ResNet-101", ResNetConfiguration(depth: 101), 224, 3, 1000, 44_549_160, (7.801, 0.0005)),
        figure("ResNet-152", ResNetConfiguration(depth: 152, kind: .imagenet), 224, 3, 1000, 60_192_808, (11.514, 0.0005)),
        preset("resnext50-32x4d", 25_028_904, (4.23, 0.005)),
        preset("resnext101-32x8d", 88_791_336, (16.414, 0.0005)),
        preset("wide-resnet50-2", 68_883_240, (11.398, 0.0005)),
        // timm's resnet26 and seresnet50.
        preset("resnet26", 15_995_176),
        preset("se-resnet50", 28_088_024),
        // timm's and torchvision's networks; ViT-L/16, 304,326,632, is below. Hybrids, CoAtNet and LeViT to the last product, by timm's networks and the
        // counter of torch.utils.flop_counter.
        preset("vit-b-8", 86_576_872),
        preset("vit-b-32", 88_224_232, (4.409, 0.0005)),
        preset("deit-base-distilled", 87_338_192),
        preset("swin-tiny", 28_288_354, (4.49, 0.02)),
        preset("swin-small", 49_606_258),
        preset("r26-s-32", 36_431_912, (3.463851008, 5e-10)),
        preset("r50-b-16", 98_659_112, (21.535358976, 5e-10)),
        figure("R50+B/16", ModelPreset.named("r50-b-16")!.definition, 384, 3, 1000, 98_950_952, (67.156, 0.0005)),
        preset("r50-l-32", 328_994_856, (19.413295104, 5e-10)),
        preset("r-ti-16", 6_337_704, (0.433681920, 5e-10)),
        preset("coatnet-0", 25_036_820, (4.546507776, 5e-10)),
        preset("levit-128s", 7_777_058, (0.304660832, 5e-10)),
        figure("LeViT-128", LeViTConfiguration(.m128), 224, 3, 1000, 9_213_936, (0.405321728, 5e-10)),
        figure("LeViT-192", LeViTConfiguration(.m192), 224, 3, 1000, 10_947_069, (0.657022080, 5e-10)),
        figure("LeViT-256", LeViTConfiguration(.m256), 224, 3, 1000, 18_893_876, (1.127257344, 5e-10)),
        figure("LeViT-384", LeViTConfiguration(.m384), 224, 3, 1000, 39_128_836, (2.351786880, 5e-10)),
        // The authors' counts (Hassani et al. 2021), for 10 classes.
        preset("cct-2-3x2", 283_723, (0.0353, 0.00005)),
        preset("cct-7-3x1", 3_760_139, (1.1816, 0.00005)),
        preset("vit-lite-7-4", 3_716_874, (0.2545, 0.00005)),
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

    /// With biases on the scores too: for each block two products of tokens, the tokens that each sees, and the width of a head's queries or values.
    @Test(arguments: [
        ("swin-tiny", 2 * 49 * (2 * 3136 * 96 + 2 * 784 * 192 + 6 * 196 * 384 + 2 * 49 * 768)),
        ("coatnet-0", 2 * (5 * 196 * 196 * 384 + 2 * 49 * 49 * 768)),
    ]) func attentionIsToldApart(name: String, multiplyAdds: Int) throws {
        let preset = try #require(ModelPreset.named(name)), summary = try ModelSummary(preset.definition, input: preset.input, classes: preset.classes)
        #expect(summary.multiplyAdds - summary.multiplyAddsWithoutAttention == multiplyAdds)
    }

    @Test(arguments: ModelPreset.all.map(\.name))
    func rowsAddUp(preset name: String) throws {
        let preset = try #require(ModelPreset.named(name))
        let summary = try ModelSummary(preset.definition, input: preset.input, classes: preset.classes)
        #expect(summary.layers.reduce(0) { $0 + $1.parameters } == summary.parameters)
        #expect(summary.layers.reduce(0) { $0 + $1.multiplyAdds } == summary.multiplyAdds)
        let answer = preset.definition.answersPixels ? [1, preset.input.height, preset.input.width, preset.classes] : [1, preset.classes]
        #expect(summary.layers.last?.outputShape == answer)
        #expect(summary.multiplyAdds > 0)
    }

    @Test func presetsHaveDifferentNames() {
        #expect(Set(ModelPreset.all.map(\.name)).count == ModelPreset.all.count)
    }

    /// A trial's hash tells apart what differs, sizes that only set other options' defaults too.
    @Test func presetsThatDifferHaveDifferentIdentities() {
        let groups = Dictionary(grouping: ModelPreset.all) { "\($0.definition.identity)" }
        for presets in groups.values { #expect(presets.allSatisfy { $0.definition == presets[0].definition }, "\(presets.map(\.name))") }
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
