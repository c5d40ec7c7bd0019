import Layers
import TensorCore

/// A backbone of layers in a row, some of which end a stage.
struct LayerSequence: StagedBackbone {
    private var layers: [any Layer] = []
    private var ends: [(count: Int, name: String)] = []

    mutating func add(_ layer: some Layer) { layers.append(layer) }

    /// The layers up to here are a stage.
    mutating func endStage(_ name: String) { ends.append((layers.count, name)) }

    func callAsFunction(_ images: Tensor, changing change: (_ stage: String, _ features: Tensor) -> Tensor) -> NamedOutputs {
        var outputs = NamedOutputs(), x = images, first = 0
        for (count, name) in ends {
            x = change(name, layers[first..<count].reduce(x) { $1($0) })
            outputs.add(name, x)
            first = count
        }
        return outputs
    }
}

/// A convolution that keeps the resolution but for its stride unless `padding` says otherwise, a norm or none, and an activation. Without a norm the convolution has a bias, with one where `hasBias` says so.
struct ConvolutionLayer: Layer {
    let convolution: Convolution2D
    let norm: Normalization

    init(
        _ inputs: Int, _ outputs: Int, kernel: Size2D, stride: Int = 1, padding: Padding2D? = nil, dilation: Int = 1, groups: Int = 1, norm kind: NormalizationKind = .batch,
        epsilon: Float = 1e-5, hasBias: Bool = false, activation: Activation = .relu, initialization: Initialization = .residual, in scopes: (convolution: Scope, norm: Scope)
    ) {
        convolution = Convolution2D(
            inputs, outputs, kernel: kernel, stride: Size2D(stride, stride),
            padding: padding ?? .symmetric(Size2D(dilation * (kernel.height / 2), dilation * (kernel.width / 2))), dilation: Size2D(dilation, dilation), groups: groups, hasBias: hasBias || kind == .none, initialization: initialization, in: scopes.convolution)
        norm = Normalization(kind, outputs, activation: activation, epsilon: epsilon, in: scopes.norm)
    }

    func callAsFunction(_ x: Tensor) -> Tensor { norm(convolution(x)) }
}
