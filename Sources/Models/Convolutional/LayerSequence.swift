import Layers
import TensorCore

/// A backbone of layers in a row, some of which end a stage.
struct LayerSequence: Backbone {
    private var layers: [any Layer] = []
    private var ends: [(count: Int, name: String)] = []

    mutating func add(_ layer: some Layer) { layers.append(layer) }

    /// The layers up to here are a stage.
    mutating func endStage(_ name: String) { ends.append((layers.count, name)) }

    func callAsFunction(_ images: Tensor) -> NamedOutputs {
        var outputs = NamedOutputs(), x = images, first = 0
        for (count, name) in ends {
            x = layers[first..<count].reduce(x) { $1($0) }
            outputs.add(name, x)
            first = count
        }
        return outputs
    }
}

/// A convolution, a norm or none, and an activation. Without a norm the convolution has a bias, with one where `hasBias` says so.
struct ConvolutionLayer: Layer {
    let convolution: Convolution2D
    let norm: Normalization

    init(
        _ inputs: Int, _ outputs: Int, kernel: Int, stride: Int = 1, padding: Int? = nil, groups: Int = 1, norm kind: NormalizationKind = .batch,
        hasBias: Bool = false, activation: Activation = .relu, initialization: Initialization = .residual, in scopes: (convolution: Scope, norm: Scope)
    ) {
        let padding = padding ?? kernel / 2
        convolution = Convolution2D(
            inputs, outputs, kernel: Size2D(kernel, kernel), stride: Size2D(stride, stride), padding: .symmetric(Size2D(padding, padding)),
            groups: groups, hasBias: hasBias || kind == .none, initialization: initialization, in: scopes.convolution)
        norm = Normalization(kind, outputs, activation: activation, in: scopes.norm)
    }

    func callAsFunction(_ x: Tensor) -> Tensor { norm(convolution(x)) }
}
