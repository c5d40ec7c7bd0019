import Layers
import TensorCore

/// The stem and the stages of a residual network whose norms and activations come before the convolutions.
struct PreactivatedLayout {
    /// Whether the stem is a 7×7 convolution of stride 2 and a max-pool; else a 3×3 convolution.
    let hasLargeStem: Bool
    /// The channels behind the stem.
    let stemWidth: Int
    /// The channels of the first stage; they double from stage to stage.
    let width: Int
    /// The number of blocks of each stage.
    let blocks: [Int]
    /// Whether blocks have three convolutions, and a quarter of their channels inside.
    let isBottleneck: Bool
    /// The share of values that are dropped before the last convolution of each block.
    var dropout = 0.0
    let initialization: Initialization

    /// The stages and, behind them, the last norm.
    var stageNames: [String] { ["stem"] + blocks.indices.map { "stage\($0 + 1)" } }

    /// Declares what there is up to a stage in `scope`. The norm and the activation behind the last block belong to the last stage.
    func makeBackbone(channels: Int, through stage: String, in scope: Scope) -> any Backbone {
        var backbone = LayerSequence(), inputs = stemWidth
        let stem = scope["stem"], end = stageNames.firstIndex(of: stage) ?? blocks.count
        backbone.add(Convolution2D(
            channels, stemWidth, kernel: hasLargeStem ? 7 : 3, stride: hasLargeStem ? 2 : 1, padding: .symmetric(hasLargeStem ? 3 : 1), hasBias: false,
            initialization: initialization, in: stem["conv"]))
        if hasLargeStem { backbone.add(Pooling(.maximum, window: 3, stride: 2, padding: .symmetric(1), in: stem["pool"])) }
        backbone.endStage("stem")
        for (index, count) in blocks.prefix(end).enumerated() {
            let outputs = width << index
            for block in 0..<count {
                backbone.add(PreactivatedBlock(
                    inputs, outputs, stride: index > 0 && block == 0 ? 2 : 1, of: self, in: scope["stages"][index]["blocks"][block]))
                inputs = outputs
            }
            if index == blocks.count - 1 { backbone.add(BatchNorm(outputs, activation: .relu, in: scope["norm"])) }
            backbone.endStage("stage\(index + 1)")
        }
        return backbone
    }
}

/// Two 3×3 convolutions, or a 1×1, a 3×3 and a 1×1 one, each behind a norm and ReLU; the input is added as it is, or, where the shape changes, what
/// a 1×1 convolution makes of the first activation.
private struct PreactivatedBlock: Layer {
    private let norm: BatchNorm
    private let first: Convolution2D
    private let rest: [any Layer]
    private let projection: Convolution2D?
    private let scope: Scope

    init(_ inputs: Int, _ outputs: Int, stride: Int, of layout: PreactivatedLayout, in scope: Scope) {
        let inner = layout.isBottleneck ? outputs / 4 : outputs, initialization = layout.initialization
        func convolution(_ outputs: Int, _ kernel: Int, stride: Int, in scope: Scope) -> Convolution2D {
            Convolution2D(
                inputs, outputs, kernel: Size2D(kernel, kernel), stride: Size2D(stride, stride), padding: .symmetric(Size2D(kernel / 2, kernel / 2)),
                hasBias: false, initialization: initialization, in: scope)
        }
        func next(_ number: Int, _ outputs: Int, _ kernel: Int, stride: Int = 1) -> PreactivatedConvolution {
            PreactivatedConvolution(
                inner, outputs, kernel: kernel, stride: stride, dropout: number == (layout.isBottleneck ? 3 : 2) ? layout.dropout : 0, initialization,
                in: (scope["norm\(number)"], scope["conv\(number)"]))
        }
        norm = BatchNorm(inputs, activation: .relu, in: scope["norm1"])
        first = convolution(inner, layout.isBottleneck ? 1 : 3, stride: layout.isBottleneck ? 1 : stride, in: scope["conv1"])
        rest = layout.isBottleneck ? [next(2, inner, 3, stride: stride), next(3, outputs, 1)] : [next(2, outputs, 3)]
        projection = stride != 1 || inputs != outputs ? convolution(outputs, 1, stride: stride, in: scope["downsample"]["conv"]) : nil
        self.scope = scope
    }

    func callAsFunction(_ x: Tensor) -> Tensor {
        let activated = norm(x), inside = rest.reduce(first(activated)) { $1($0) }
        let shortcut = projection?(activated) ?? x
        return scope.record { inside + shortcut }
    }
}
