import Layers
import TensorCore

/// The stem and the stages of a residual network or its plain twin, up to one of them.
struct ResidualBackbone: Backbone {
    private let stem: NormalizedConvolution
    private let pool: Pooling?
    private let stages: [[BasicBlock]]

    init(_ network: some ResidualNetworkConfiguration, input: ImageShape, through stage: String, in scope: Scope) {
        let isLarge =
            switch network.stem {
            case .small: false
            case .large: true
            case .auto: max(input.height, input.width) > 64
            }
        stem = NormalizedConvolution(
            input.channels, network.width, kernel: isLarge ? 7 : 3, stride: isLarge ? 2 : 1, of: network, in: (scope["conv1"], scope["bn1"]))
        pool = isLarge ? Pooling(.maximum, window: 3, stride: 2, padding: .symmetric(1), in: scope["maxpool"]) : nil

        var stages: [[BasicBlock]] = [], channels = network.width
        let layout = ResidualLayout(depth: network.depth)!
        let stageCount = network.stageNames.firstIndex(of: stage)
        precondition(stageCount != nil, "a cut after \(stage), which is not among \(network.stageNames)")
        for (stage, count) in layout.blocks.prefix(stageCount ?? 0).enumerated() {
            let outputs = network.width << stage
            stages.append((0..<count).map { block in
                let inputs = block == 0 ? channels : outputs
                return BasicBlock(
                    inputs, outputs, stride: stage > 0 && block == 0 ? 2 : 1, of: network, in: scope["layer\(stage + 1)"][block])
            })
            channels = outputs
        }
        self.stages = stages
    }

    func callAsFunction(_ images: Tensor) -> NamedOutputs {
        var outputs = NamedOutputs(), x = stem.norm(stem.convolution(images))
        if let pool { x = pool(x) }
        outputs.add("stem", x)
        for (index, blocks) in stages.enumerated() { outputs.add("stage\(index + 1)", blocks.reduce(outputs.last) { $1($0) }) }
        return outputs
    }
}

/// A convolution of `kernel` × `kernel` that keeps the resolution but for its stride, and what follows it. Without a norm it has a bias.
struct NormalizedConvolution {
    let convolution: Convolution2D
    let norm: Normalization

    init(
        _ inputs: Int, _ outputs: Int, kernel: Int, stride: Int = 1, isActivated: Bool = true, initialScale: Double = 1,
        of network: some ResidualNetworkConfiguration, in scopes: (convolution: Scope, norm: Scope)
    ) {
        convolution = Convolution2D(
            inputs, outputs, kernel: Size2D(kernel, kernel), stride: Size2D(stride, stride), padding: .symmetric(Size2D(kernel / 2, kernel / 2)),
            hasBias: network.norm == .none, initialization: network.initialization, in: scopes.convolution)
        norm = Normalization(
            network.norm, outputs, activation: isActivated ? network.activation.activation : .identity, initialScale: initialScale,
            in: scopes.norm)
    }
}

/// Two 3×3 convolutions with norms, and the shortcut past them (none in plain networks).
struct BasicBlock {
    private let first: NormalizedConvolution
    private let second: NormalizedConvolution
    private let downsample: NormalizedConvolution?
    private let hasShortcut: Bool
    private let stride: Int
    private let additionalChannels: Int
    private let scope: Scope

    init(_ inputs: Int, _ outputs: Int, stride: Int, of network: some ResidualNetworkConfiguration, in scope: Scope) {
        self.stride = stride
        self.scope = scope
        hasShortcut = network.blockShortcut != nil
        additionalChannels = outputs - inputs
        first = NormalizedConvolution(inputs, outputs, kernel: 3, stride: stride, of: network, in: (scope["conv1"], scope["bn1"]))
        second = NormalizedConvolution(
            outputs, outputs, kernel: 3, initialScale: network.lastScale, of: network, in: (scope["conv2"], scope["bn2"]))
        let place = scope["downsample"]
        downsample =
            network.blockShortcut == .b && (stride != 1 || inputs != outputs)
            ? NormalizedConvolution(inputs, outputs, kernel: 1, stride: stride, isActivated: false, of: network, in: (place[0], place[1])) : nil
    }

    func callAsFunction(_ x: Tensor) -> Tensor {
        let branch = second.convolution(first.norm(first.convolution(x)))
        return second.norm(branch, residual: hasShortcut ? shortcut(x) : nil)
    }

    /// `[B, H, W, in]` → `[B, H/stride, W/stride, out]`, rounded up.
    private func shortcut(_ x: Tensor) -> Tensor {
        if let downsample { return downsample.norm(downsample.convolution(x)) }
        return scope["shortcut"].record {
            var x = x
            if stride > 1 {
                x = x.sliced(axis: 1, 0..<x.shape[1], step: stride).sliced(axis: 2, 0..<x.shape[2], step: stride)
            }
            let before = additionalChannels / 2
            return additionalChannels == 0 ? x : x.padded(before: [0, 0, 0, before], after: [0, 0, 0, additionalChannels - before])
        }
    }
}
