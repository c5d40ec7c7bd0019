import Layers
import TensorCore

/// The stem and the stages of a residual network or its plain twin, up to one of them.
struct ResidualBackbone: StagedBackbone {
    private let stem: NormalizedConvolution
    private let pool: Pooling?
    private let stemAttention: FeatureMapAttention?
    /// The blocks of each, and behind them attention where it is asked for.
    private let stages: [[any Layer]]

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

        var stages: [[any Layer]] = [], channels = network.width, dilation = 1
        let attention = network.attention
        stemAttention = attention.layer(after: "stem", of: network, input: input, in: scope)
        let layout = network.layout
        let stageCount = network.stageNames.firstIndex(of: stage)
        precondition(stageCount != nil, "a cut after \(stage), which is not among \(network.stageNames)")
        for (stage, count) in layout.blocks.prefix(stageCount ?? 0).enumerated() {
            let outputs = layout.outerWidth(network.width, stage: stage), isDilated = network.blockOptions.dilatedStages.contains("stage\(stage + 1)")
            // The first block still sees the cells of the stage before.
            let first = dilation
            if isDilated { dilation *= 2 }
            stages.append((0..<count).map { block -> any Layer in
                let inputs = block == 0 ? channels : outputs, stride = stage > 0 && block == 0 && !isDilated ? 2 : 1, place = scope["layer\(stage + 1)"][block]
                let dilations = (first: block == 0 ? first : dilation, second: dilation)
                if !layout.isBottleneck { return BasicBlock(inputs, outputs, stride: stride, dilations: dilations, of: network, in: place) }
                return Bottleneck(
                    inputs, layout.innerWidth(network.width, stage: stage, network.blockOptions), outputs, stride: stride, dilation: dilations.first,
                    of: network, in: place)
            })
            if let layer = attention.layer(after: "stage\(stage + 1)", of: network, input: input, in: scope) { stages[stage].append(layer) }
            channels = outputs
        }
        self.stages = stages
    }

    func callAsFunction(_ images: Tensor, changing change: (_ stage: String, _ features: Tensor) -> Tensor) -> NamedOutputs {
        var outputs = NamedOutputs(), x = stem.norm(stem.convolution(images))
        if let pool { x = pool(x) }
        if let stemAttention { x = stemAttention(x) }
        outputs.add("stem", change("stem", x))
        for (index, layers) in stages.enumerated() {
            let name = "stage\(index + 1)"
            outputs.add(name, change(name, layers.reduce(outputs.last) { $1($0) }))
        }
        return outputs
    }
}

/// A convolution of `kernel` × `kernel` that keeps the resolution but for its stride, whatever its dilation, and what follows it. Without a norm it has a bias.
struct NormalizedConvolution {
    let convolution: Convolution2D
    let norm: Normalization

    init(
        _ inputs: Int, _ outputs: Int, kernel: Int, stride: Int = 1, dilation: Int = 1, groups: Int = 1, isActivated: Bool = true, initialScale: Double = 1,
        of network: some ResidualNetworkConfiguration, in scopes: (convolution: Scope, norm: Scope)
    ) {
        convolution = Convolution2D(
            inputs, outputs, kernel: Size2D(kernel, kernel), stride: Size2D(stride, stride),
            padding: .symmetric(Size2D(dilation * (kernel / 2), dilation * (kernel / 2))), dilation: Size2D(dilation, dilation), groups: groups, hasBias: network.norm == .none, initialization: network.initialization, in: scopes.convolution)
        norm = Normalization(
            network.norm, outputs, activation: isActivated ? network.activation.activation : .identity, initialScale: initialScale,
            in: scopes.norm)
    }
}

/// A 1×1 convolution to `inner` channels, a 3×3 one and a 1×1 one to `outputs` channels with norms, and the shortcut past them.
struct Bottleneck: Layer {
    private let first: NormalizedConvolution
    private let second: NormalizedConvolution
    private let end: ResidualEnd
    private let downsample: NormalizedConvolution?

    init(_ inputs: Int, _ inner: Int, _ outputs: Int, stride: Int, dilation: Int = 1, of network: some ResidualNetworkConfiguration, in scope: Scope) {
        let options = network.blockOptions, isFirst = options.strideIn == .first
        first = NormalizedConvolution(inputs, inner, kernel: 1, stride: isFirst ? stride : 1, of: network, in: (scope["conv1"], scope["bn1"]))
        second = NormalizedConvolution(
            inner, inner, kernel: 3, stride: isFirst ? 1 : stride, dilation: dilation, groups: options.groups, of: network, in: (scope["conv2"], scope["bn2"]))
        end = ResidualEnd(inner, outputs, kernel: 1, of: network, in: (scope["conv3"], scope["bn3"], scope["se"]))
        let place = scope["downsample"]
        downsample =
            stride != 1 || inputs != outputs
            ? NormalizedConvolution(inputs, outputs, kernel: 1, stride: stride, isActivated: false, of: network, in: (place[0], place[1])) : nil
    }

    func callAsFunction(_ x: Tensor) -> Tensor {
        let inside = second.norm(second.convolution(first.norm(first.convolution(x))))
        return end(inside) { downsample.map { $0.norm($0.convolution(x)) } ?? x }
    }
}

/// The last convolution of a block with its norm, squeeze and excitation if the network has it, the shortcut's addition, and the activation.
struct ResidualEnd {
    private let last: NormalizedConvolution
    private let excitation: SqueezeExcitation?
    private let activation: Activation
    private let scope: Scope

    init(
        _ inputs: Int, _ outputs: Int, kernel: Int, dilation: Int = 1, of network: some ResidualNetworkConfiguration,
        in scopes: (convolution: Scope, norm: Scope, excitation: Scope)
    ) {
        let reduction = network.blockOptions.reduction
        last = NormalizedConvolution(
            inputs, outputs, kernel: kernel, dilation: dilation, isActivated: reduction == nil, initialScale: network.lastScale, of: network,
            in: (scopes.convolution, scopes.norm))
        // timm's rounding: the nearest multiple of 8, at least 8.
        excitation = reduction.map { SqueezeExcitation(outputs, inner: max(8, (outputs / $0 + 4) / 8 * 8), in: scopes.excitation) }
        activation = network.activation.activation
        scope = scopes.norm
    }

    func callAsFunction(_ x: Tensor, shortcut: () -> Tensor?) -> Tensor {
        let y = last.convolution(x), shortcut = shortcut()
        guard let excitation else { return last.norm(y, residual: shortcut) }
        let excited = excitation(last.norm(y))
        return scope.record { (shortcut.map { excited + $0 } ?? excited).activated(activation) }
    }
}

/// Two 3×3 convolutions with norms, and the shortcut past them (none in plain networks).
struct BasicBlock: Layer {
    private let first: NormalizedConvolution
    private let end: ResidualEnd
    private let downsample: NormalizedConvolution?
    private let hasShortcut: Bool
    private let stride: Int
    private let additionalChannels: Int
    private let scope: Scope

    init(
        _ inputs: Int, _ outputs: Int, stride: Int, dilations: (first: Int, second: Int) = (1, 1), of network: some ResidualNetworkConfiguration, in scope: Scope
    ) {
        self.stride = stride
        self.scope = scope
        hasShortcut = network.blockShortcut != nil
        additionalChannels = outputs - inputs
        first = NormalizedConvolution(
            inputs, outputs, kernel: 3, stride: stride, dilation: dilations.first, of: network, in: (scope["conv1"], scope["bn1"]))
        end = ResidualEnd(outputs, outputs, kernel: 3, dilation: dilations.second, of: network, in: (scope["conv2"], scope["bn2"], scope["se"]))
        let place = scope["downsample"]
        downsample =
            network.blockShortcut == .b && (stride != 1 || inputs != outputs)
            ? NormalizedConvolution(inputs, outputs, kernel: 1, stride: stride, isActivated: false, of: network, in: (place[0], place[1])) : nil
    }

    func callAsFunction(_ x: Tensor) -> Tensor {
        end(first.norm(first.convolution(x))) { hasShortcut ? shortcut(x) : nil }
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
