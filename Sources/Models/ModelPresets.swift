import Layers
import TensorCore

/// A model with a name of its own, and the images for which it is known.
public struct ModelPreset: Sendable {
    /// As definitions and commands write it.
    public let name: String
    /// What it is, in a few words.
    public let summary: String
    /// The model itself.
    public let definition: ModelDefinition
    /// The usual size of images.
    public let input: ImageShape
    /// The usual number of classes.
    public let classes: Int
    /// Who published it, and where; nil where there is no paper.
    public let paper: String?

    /// - Parameter paper: nil: that of the family.
    init(
        _ name: String, _ summary: String, _ configuration: some ModelConfiguration, size: Int, channels: Int, classes: Int = 10, paper: String? = nil
    ) {
        self.name = name
        self.summary = summary
        definition = ModelDefinition(configuration)
        input = ImageShape(height: size, width: size, channels: channels)
        self.classes = classes
        self.paper = paper ?? type(of: configuration).paper
    }

    /// The year of the paper.
    public var year: Int? { paper?.split { !$0.isNumber }.compactMap { Int($0) }.first { $0 > 1900 && $0 < 2100 } }

    /// The first author's family name and the year, such as `Simonyan 2015`.
    public var citation: String? {
        guard let paper, let year else { return nil }
        let author = paper.split { $0 == "," }.first.map { $0.split(separator: " ") } ?? []
        // "LeCun et al., …", "Simonyan and Zisserman, …"
        return author.first.map { "\($0) \(year)" }
    }

    /// The preset of that name, or nil.
    public static func named(_ name: String) -> ModelPreset? { all.first { $0.name == name } }

    /// All presets, in the order in which `harness models` lists them.
    public static let all: [ModelPreset] = baselines + convolutional + inception + efficient + smallResNets + resNets + bottlenecks + preactivated + wide
        + visionTransformers + deit + compactTransformers + swin + mixed + hybrids + segmentation + volumes + workloads

    private static let baselines = [
        ModelPreset("logistic-regression", "one linear map", LogisticRegressionConfiguration(), size: 28, channels: 1),
        ModelPreset("mlp", "two hidden layers, 256 and 128 wide", MLPConfiguration(), size: 28, channels: 1),
        ModelPreset("lenet5", "LeNet-5", LeNet5Configuration(), size: 28, channels: 1),
        ModelPreset("lenet5-32", "LeNet-5 without padding", LeNet5Configuration(.modern, padding: 0), size: 32, channels: 1),
        ModelPreset("lenet5-original", "LeNet-5 of 1998", LeNet5Configuration(.original), size: 32, channels: 1),
        ModelPreset("mnist-cnn", "the CNN of 2IMM10's notes", MNISTNetworkConfiguration(), size: 28, channels: 1),
    ]

    private static func imageNet(
        _ name: String, _ summary: String, _ configuration: some ModelConfiguration, size: Int = 224, paper: String? = nil
    ) -> ModelPreset {
        ModelPreset(name, summary, configuration, size: size, channels: 3, classes: 1000, paper: paper)
    }

    private static let convolutional =
        [
            imageNet("alexnet", "torchvision's AlexNet", AlexNetConfiguration(.torchvision)),
            imageNet("alexnet-original", "AlexNet of 2012, two groups", AlexNetConfiguration(.original), size: 227),
            imageNet("alexnet-ungrouped", "AlexNet of 2012 without groups", AlexNetConfiguration(.ungrouped), size: 227),
        ] + [11, 13, 16, 19].flatMap { depth in
            [
                imageNet("vgg\(depth)", "VGG-\(depth)", VGGConfiguration(depth: depth)),
                imageNet("vgg\(depth)-bn", "VGG-\(depth) with batch norm", VGGConfiguration(depth: depth, norm: .batch)),
            ]
        } + [
            imageNet("squeezenet1.0", "SqueezeNet 1.0", SqueezeNetConfiguration(.first)),
            imageNet("squeezenet1.1", "SqueezeNet 1.1", SqueezeNetConfiguration(.second)),
        ] + [121, 161, 169, 201].map { imageNet("densenet\($0)", "DenseNet-\($0)", DenseNetConfiguration(depth: $0, stem: .large)) } + [
            ModelPreset("densenet-bc-100-12", "for CIFAR", DenseNetConfiguration(depth: 100), size: 32, channels: 3),
            imageNet("mobilenet-v2", "MobileNetV2", MobileNetV2Configuration()),
        ]

    private static let inception: [ModelPreset] = [
        imageNet("googlenet", "torchvision's GoogLeNet, batch norm", GoogLeNetConfiguration(.torchvision)),
        imageNet("googlenet-auxiliary", "with two auxiliary heads", GoogLeNetConfiguration(.torchvision, auxiliary: true)),
        imageNet("googlenet-original", "GoogLeNet of 2014, two auxiliary heads", GoogLeNetConfiguration(.original, auxiliary: true)),
        imageNet("inception-v3", "torchvision's Inception-v3", InceptionV3Configuration(), size: 299),
        imageNet("inception-v3-auxiliary", "with an auxiliary head", InceptionV3Configuration(auxiliary: true), size: 299),
        imageNet("inception-resnet-v2", "Inception with residual connections", InceptionResNetV2Configuration(), size: 299),
        imageNet("xception", "depthwise-separable convolutions", XceptionConfiguration(), size: 299),
    ]

    private static let efficient: [ModelPreset] = [
        imageNet("mobilenet-v1", "MobileNet", MobileNetConfiguration()),
        imageNet("efficientnet-b0", "EfficientNet-B0", EfficientNetConfiguration()),
        imageNet("convnext-tiny", "ConvNeXt-T", ConvNeXtConfiguration(.tiny)),
        imageNet("convnext-small", "ConvNeXt-S", ConvNeXtConfiguration(.small)),
        imageNet("convnext-base", "ConvNeXt-B", ConvNeXtConfiguration(.base)),
    ]

    /// Norm and activation before each convolution.
    private static let preactivated: [ModelPreset] = [50, 101, 152, 164].map { depth in
        let network = ResNetV2Configuration(depth: depth, stem: depth > 152 ? .small : .large), name = "resnet-v2-\(depth)"
        return depth > 152
            ? ModelPreset(name, "for CIFAR, pre-activation", network, size: 32, channels: 3) : imageNet(name, "pre-activation", network)
    }

    /// The networks of Zagoruyko and Komodakis 2016.
    private static let wide: [ModelPreset] = [(28, 10), (22, 8), (16, 8), (40, 4)].map { depth, widening in
        let network = WideResNetConfiguration(depth: depth, widening: widening)
        return ModelPreset("wrn-\(depth)-\(widening)", "for CIFAR, wide", network, size: 32, channels: 3)
    }

    /// The networks of He et al. 2016, section 4.2.
    private static let smallResNets = [20, 32, 44, 56].flatMap { depth in
        [
            ModelPreset("resnet\(depth)", "for CIFAR, shortcuts A", ResNetConfiguration(depth: depth), size: 32, channels: 3),
            ModelPreset(
                "resnet\(depth)-b", "for CIFAR, shortcuts B", ResNetConfiguration(depth: depth, shortcut: .b), size: 32, channels: 3),
            ModelPreset("plain\(depth)", "for CIFAR, without shortcuts", PlainConfiguration(depth: depth), size: 32, channels: 3),
        ]
    }

    private static let resNets = [18, 34].flatMap { depth in
        [
            ModelPreset(
                "resnet\(depth)", "for ImageNet", ResNetConfiguration(depth: depth, stem: .large), size: 224, channels: 3, classes: 1000),
            ModelPreset(
                "resnet\(depth)-small", "3×3 stem, no max-pool", ResNetConfiguration(depth: depth, stem: .small), size: 32, channels: 3),
        ]
    }

    private static let bottlenecks = [
        imageNet("resnet26", "timm's ResNet-26", ResNetConfiguration(depth: 26, kind: .imagenet, stem: .large)),
        imageNet("resnet50", "for ImageNet", ResNetConfiguration(depth: 50, kind: .imagenet, stem: .large)),
        imageNet("resnet101", "for ImageNet", ResNetConfiguration(depth: 101, stem: .large)),
        imageNet("resnet152", "for ImageNet", ResNetConfiguration(depth: 152, kind: .imagenet, stem: .large)),
        imageNet("resnext50-32x4d", "32 groups of 4 channels", bottleneck(50) { ($0.groups, $0.widthPerGroup) = (32, 4) }, paper: "Xie, Girshick, Dollár, Tu and He, CVPR 2017"),
        imageNet("resnext101-32x8d", "32 groups of 8 channels", bottleneck(101) { ($0.groups, $0.widthPerGroup) = (32, 8) }, paper: "Xie, Girshick, Dollár, Tu and He, CVPR 2017"),
        imageNet("wide-resnet50-2", "twice as wide inside", bottleneck(50) { $0.widthPerGroup = 128 }, paper: "Zagoruyko and Komodakis, BMVC 2016"),
        imageNet("se-resnet50", "squeeze and excitation", bottleneck(50) { $0.reduction = 16 }, paper: "Hu, Shen and Sun, CVPR 2018"),
    ]

    private static func bottleneck(_ depth: Int, _ change: (inout ResidualBlockOptions) -> Void) -> ResNetConfiguration {
        var network = ResNetConfiguration(depth: depth, kind: .imagenet, stem: .large)
        change(&network.blockOptions)
        return network
    }

    private static let visionTransformers = [
        ("vit-tiny-16", "ViT-Ti/16", 192, 12, 3, 16), ("vit-s-16", "ViT-S/16", 384, 12, 6, 16), ("vit-b-16", "ViT-B/16", 768, 12, 12, 16),
        ("vit-l-16", "ViT-L/16", 1024, 24, 16, 16), ("vit-b-8", "ViT-B/8", 768, 12, 12, 8), ("vit-b-32", "ViT-B/32", 768, 12, 12, 32),
        ("vit-l-32", "ViT-L/32", 1024, 24, 16, 32), ("vit-h-14", "ViT-H/14", 1280, 32, 16, 14),
    ].map { name, summary, width, depth, heads, patch in
        ModelPreset(
            name, summary, VisionTransformerConfiguration(patch: patch, TransformerConfiguration(width: width, depth: depth, heads: heads)),
            size: 224, channels: 3, classes: 1000)
    }

    /// ViT's hybrids as they were published: a standardized ResNet, then a transformer on its cells.
    private static let hybrids = [
        ("r26-s-32", "R26+S/32", [2, 2, 2, 2], 384, 12, 6), ("r50-b-16", "R50+B/16", [3, 4, 9], 768, 12, 12), ("r50-l-32", "R50+L/32", [3, 4, 6, 3], 1024, 24, 16),
    ].map { name, summary, blocks, width, depth, heads in
        hybrid(
            name, summary, BackboneDefinition(StandardizedResNetConfiguration(blocks: blocks), cutAfter: "stage\(blocks.count)"),
            TransformerConfiguration(width: width, depth: depth, heads: heads))
    } + [
        // R stands for the stem alone, whose cells of 4×4 pixels make tokens by squares of 8×8.
        hybrid(
            "r-ti-16", "R+Ti/16", BackboneDefinition(StandardizedResNetConfiguration(), cutAfter: "stem"), patch: 8,
            TransformerConfiguration(width: 192, depth: 12, heads: 3), paper: "Steiner et al., TMLR 2022")
    ]

    private static func hybrid(
        _ name: String, _ summary: String, _ backbone: BackboneDefinition, patch: Int = 1, _ transformer: TransformerConfiguration,
        paper: String = "Dosovitskiy et al., ICLR 2021"
    ) -> ModelPreset {
        imageNet(name, summary, HybridConfiguration(backbone: backbone, patch: patch, transformer: transformer), paper: paper)
    }

    /// Convolutions and attention in one network.
    private static let mixed = [
        imageNet("coatnet-0", "CoAtNet-0", CoAtNetConfiguration()), imageNet("levit-128s", "LeViT-128S", LeViTConfiguration(.s128)),
    ]

    private static let deit = [("deit-tiny-distilled", "DeiT-Ti", 192, 3), ("deit-small-distilled", "DeiT-S", 384, 6), ("deit-base-distilled", "DeiT-B", 768, 12)].map {
        name, summary, width, heads in
        var network = VisionTransformerConfiguration(patch: 16, TransformerConfiguration(width: width, depth: 12, heads: heads))
        network.hasDistillationToken = true
        return imageNet(name, "\(summary) with a distillation token", network, paper: "Touvron et al., ICML 2021")
    }

    private static let swin = [
        imageNet("swin-tiny", "Swin-T", SwinTransformerConfiguration(.tiny)), imageNet("swin-small", "Swin-S", SwinTransformerConfiguration(.small)),
        imageNet("swin-base", "Swin-B", SwinTransformerConfiguration(.base)),
    ]

    /// Compact transformers of Hassani et al., for small images.
    private static let compactTransformers = [
        compact("vit-lite-7-4", "ViT-Lite-7/4", pool: .class), compact("cvt-7-4", "CVT-7/4", pool: .sequence),
    ] + [
        ("cct-2-3x2", 2, 128, 2, 2, 1), ("cct-4-3x2", 2, 128, 4, 2, 1), ("cct-6-3x1", 1, 256, 6, 4, 2), ("cct-7-3x1", 1, 256, 7, 4, 2),
        ("cct-7-3x2", 2, 256, 7, 4, 2), ("cct-14-7x2", 2, 384, 14, 6, 3),
    ].map { name, convolutions, width, depth, heads, ratio in
        let isLarge = name == "cct-14-7x2"
        return ModelPreset(
            name, "CCT-\(name.dropFirst(4).replacing("-", with: "/").replacing("x", with: "×"))",
            CompactConvolutionalTransformerConfiguration(
                convolutions: convolutions, kernel: isLarge ? 7 : 3, width: width, depth: depth, heads: heads, mlpRatio: Double(ratio)),
            size: isLarge ? 224 : 32, channels: 3, classes: isLarge ? 1000 : 10)
    }

    private static func compact(_ name: String, _ summary: String, pool: TokenPooling) -> ModelPreset {
        var transformer = TransformerConfiguration(width: 256, depth: 7, heads: 4, mlpRatio: 2)
        (transformer.block, transformer.hasQueryKeyValueBias, transformer.normEpsilon) = (.compact, false, 1e-5)
        return ModelPreset(
            name, summary, VisionTransformerConfiguration(patch: 4, transformer, pool: pool), size: 32, channels: 3, paper: CompactConvolutionalTransformerConfiguration.paper)
    }

    /// A small U-Net, torchvision's networks with a class for each pixel, and SETR as it was published for Cityscapes.
    private static let segmentation: [ModelPreset] = [
        ModelPreset("unet-64", "16 wide, for scenes of 64×64", smallUNet, size: 64, channels: 1, classes: 11),
        ModelPreset("fcn-resnet50", "torchvision's FCN", FCNConfiguration(backbone: dilated(50)), size: 520, channels: 3, classes: 21),
        ModelPreset("deeplabv3-resnet50", "torchvision's DeepLab v3", DeepLabConfiguration(backbone: dilated(50)), size: 520, channels: 3, classes: 21),
    ] + SETRConfiguration.Decoder.allCases.map { decoder in
        let transformer = VisionTransformerConfiguration(patch: 16, TransformerConfiguration(width: 1024, depth: 24, heads: 16))
        return ModelPreset(
            "setr-\(decoder.rawValue)-l-16", "ViT-L/16 and the decoder \(decoder.rawValue)", SETRConfiguration(transformer, decoder: decoder), size: 768, channels: 3,
            classes: 19)
    }

    /// torchvision's r3d_18 for 16 frames in colour, and VoxNet as it was published for ModelNet40: an image's channels are frames and voxels in their depth.
    private static let volumes: [ModelPreset] = [
        ModelPreset("r3d-18", "16 frames of video", video, size: 112, channels: 48, classes: 400, paper: "Tran et al., CVPR 2018"),
        ModelPreset("voxnet", "32×32×32 voxels", VoxelCNNConfiguration(), size: 32, channels: 32, classes: 40),
    ]

    private static var video: ResNet3DConfiguration {
        var network = ResNet3DConfiguration()
        network.channels = 3
        return network
    }

    private static var smallUNet: UNetConfiguration {
        var network = UNetConfiguration()
        (network.width, network.depth, network.norm) = (16, 3, .batch)
        return network
    }

    private static func dilated(_ depth: Int) -> BackboneDefinition {
        BackboneDefinition(bottleneck(depth) { $0.dilatedStages = ["stage3", "stage4"] }, cutAfter: "stage4")
    }

    /// The models that `harness bench` measures.
    private static let workloads = [
        ModelPreset(
            "vit-28", "small ViT, patch 4",
            VisionTransformerConfiguration(patch: 4, TransformerConfiguration(width: 192, depth: 6, heads: 3)), size: 28, channels: 1),
        ModelPreset("resnet18-28", "3×3 stem, no max-pool", ResNetConfiguration(depth: 18, stem: .small), size: 28, channels: 1),
        ModelPreset(
            "hybrid-28", "ResNet-20 cut after stage 2, then a transformer",
            HybridConfiguration(
                backbone: BackboneDefinition(ResNetConfiguration(depth: 20), cutAfter: "stage2"),
                transformer: TransformerConfiguration(width: 192, depth: 4, heads: 3), pool: .mean),
            size: 28, channels: 1),
        ModelPreset(
            "vit-tiny-224", "ViT-Ti/16 with 10 classes",
            VisionTransformerConfiguration(patch: 16, TransformerConfiguration(width: 192, depth: 12, heads: 3)), size: 224, channels: 3),
        ModelPreset("resnet18-224", "ResNet-18 with 10 classes", ResNetConfiguration(depth: 18, stem: .large), size: 224, channels: 3),
    ]
}
