import Configuration
import Layers
import TensorCore

/// DeepLab v3: a convolutional network whose last stages are dilated, and several dilations side by side on its last map.
///
///     y = [ conv1×1(x), conv3×3 of dilation d(x) for each d of `dilations`, conv1×1(mean(x)) ] → 1×1 to `width` → 3×3 to `width` → 1×1 to the classes
///
/// Each convolution but the last is followed by batch norm and ReLU; scores come to the size of the image by bilinear interpolation.
///
/// Parameters as in torchvision: the network's own names under `backbone.`, `classifier.0.convs.i.…`, `classifier.0.project.…`, `classifier.1`, `.2`, `.4`, and
/// `aux_classifier.…`. Initialization: He normal by the outputs, biases 0.
///
/// Chen, Papandreou, Schroff and Adam, "Rethinking Atrous Convolution for Semantic Image Segmentation", 2017 (arXiv:1706.05587).
public struct DeepLabConfiguration: SegmentationConfiguration {
    public static let family = "deeplab"

    /// The convolutional network, and where it is cut.
    public var backbone: BackboneDefinition
    /// The dilations of the 3×3 convolutions that stand side by side.
    public var dilations = [12, 24, 36]
    /// The channels of the head.
    public var width = 256
    /// The stage of the auxiliary head; nil: there is none.
    public var auxiliaryStage: String?
    /// The share of values that are dropped in training behind the dilations.
    public var dropout = 0.5
    /// How convolutions' weights start.
    public var initialization = Initialization.residual

    /// torchvision's head on a network cut after a stage.
    public init(backbone: BackboneDefinition) { self.backbone = backbone }

    /// A stand-in for the backbone.
    public init() { self.init(backbone: BackboneDefinition(ResNetConfiguration(depth: 8), cutAfter: "stage3")) }

    public static let documentation = "A convolutional network with several dilations side by side on its last map, for a class for each pixel."
    public static let paper: String? = "Chen, Papandreou, Schroff and Adam, 2017 (arXiv:1706.05587)"
    public static let weightNames: [WeightNames] = [.torchvision]
    public static let options: [Key<DeepLabConfiguration>] = [
        backboneOption(\.backbone),
        Key("dilations", \.dilations, .integers(in: 1...1024), "The dilations of the 3×3 convolutions that stand side by side."),
        Key("width", \.width, .count, role: .width, "The channels of the head."),
        auxiliaryOption(\.auxiliaryStage),
        Key("dropout", \.dropout, .rate, "The share of values that are dropped in training behind the dilations; of the auxiliary head a fifth of it."),
        initializationOption(\.initialization),
    ]

    /// The head's: the backbone's width is another.
    public static var widthPath: [String]? { ["width"] }

    public mutating func check(_ fields: inout FieldReader) {
        if let stage = auxiliaryStage, !isStage(stage, key: "auxiliary", fields) { auxiliaryStage = nil }
        if dilations.count > 16 { fields.report("found \(dilations.count) dilations, expected at most 16", at: "dilations") }
    }

    public func makeModel(input: ImageShape, classes: Int, in scope: Scope) -> any ImageModel {
        let path = backbone.network.makeBackbone(input: input, through: backbone.cutAfter, in: scope["backbone"])
        let shape = features(backbone.cutAfter, input), place = scope["classifier"]
        let head = PyramidHead(
            shape[3], width: width, dilations: dilations, classes: classes, dropout: dropout, initialization: initialization, in: place)
        return PixelModel(
            path: path, head: PixelModel.Head(stage: backbone.cutAfter, layer: head),
            enlarging: ScoreUpsampling(
                .bilinear, channels: classes, from: Size2D(shape[1], shape[2]), to: Size2D(input.height, input.width), in: scope["up"]["logits"]),
            auxiliary: auxiliary(input: input, classes: classes, dropout: dropout / 5, in: scope), scope: scope)
    }
}

/// Convolutions of several dilations and the mean of the map side by side (atrous spatial pyramid pooling), and what makes scores of them.
private struct PyramidHead: Layer {
    private let branches: [ConvolutionLayer]
    private let mean: ConvolutionLayer
    private let project: ConvolutionLayer
    private let dropout: Dropout
    private let last: ConvolutionLayer
    private let scores: Convolution2D
    private let pyramid: Scope

    init(
        _ channels: Int, width: Int, dilations: [Int], classes: Int, dropout rate: Double, initialization: Initialization, in scope: Scope
    ) {
        let pyramid = scope[0], branchScope = pyramid["convs"]
        func layer(_ inputs: Int, kernel: Int, dilation: Int = 1, in scopes: (Scope, Scope)) -> ConvolutionLayer {
            ConvolutionLayer(inputs, width, kernel: Size2D(kernel, kernel), dilation: dilation, initialization: initialization, in: scopes)
        }
        branches = [layer(channels, kernel: 1, in: (branchScope[0][0], branchScope[0][1]))] + dilations.enumerated().map { index, dilation in
            let place = branchScope[index + 1]
            return layer(channels, kernel: 3, dilation: dilation, in: (place[0], place[1]))
        }
        let pooled = branchScope[dilations.count + 1]
        mean = layer(channels, kernel: 1, in: (pooled[1], pooled[2]))
        let count = dilations.count + 2
        project = layer(count * width, kernel: 1, in: (pyramid["project"][0], pyramid["project"][1]))
        dropout = Dropout(rate: rate, in: pyramid["project"][3])
        last = layer(width, kernel: 3, in: (scope[1], scope[2]))
        scores = Convolution2D(width, classes, kernel: 1, initialization: initialization, in: scope[4])
        self.pyramid = pyramid
    }

    func callAsFunction(_ x: Tensor) -> Tensor {
        guard x.isValid else { return x }
        let (batch, size, channels) = (x.shape[0], Size2D(x.shape[1], x.shape[2]), x.shape[3])
        // [B, C] → [B, 1, 1, C] → [B, 1, 1, width] → [B, h, w, width]
        let pooled = mean(pyramid["convs"].record { x.globalAveragePool().reshaped([batch, 1, 1, channels]) })
        var maps = branches.map { $0(x) }
        maps.append(pyramid["convs"].record { pooled.resized(to: size, .bilinear) })
        let all = maps
        return scores(last(dropout(project(pyramid.record { .concatenated(all, axis: 3) }))))
    }
}
