import Layers
import TensorCore

/// Declares a module of parallel branches of convolutions, as all Inception networks have them.
///
/// Each convolution has no bias; batch norm with ε = 0.001 and ReLU follow. Its parameters are `NAME.conv` and `NAME.bn`. With `norm: none` it has a
/// bias, and ReLU follows.
struct InceptionModule {
    /// What all convolutions of a network have in common.
    struct Style {
        var norm = NormalizationKind.batch
        let widthMultiplier: Double
        let initialization: Initialization

        /// How many channels the network has where the published one has `channels`.
        func channels(_ channels: Int) -> Int { scaledChannels(channels, by: widthMultiplier) }

        /// One convolution, from as many channels as there are to as many as the published network has, scaled.
        func convolution(_ inputs: Int, _ step: Step, in scope: Scope) -> ConvolutionLayer {
            let place = scope[step.name]
            return ConvolutionLayer(
                inputs, channels(step.outputs), kernel: step.kernel, stride: step.stride, padding: step.padding, norm: norm, epsilon: 1e-3,
                initialization: initialization, in: (place["conv"], place[norm == .none ? "relu" : "bn"]))
        }
    }

    /// One convolution of a branch: its name below the module's, and the channels that the published network has behind it.
    struct Step {
        let name: String
        let outputs: Int
        let kernel: Size2D
        let stride: Int
        let padding: Padding2D?

        /// Without padding the borders are kept where the convolution does not step, and cut off where it does.
        init(_ name: String, _ outputs: Int, _ kernel: Size2D, stride: Int = 1, padding: Padding2D? = nil) {
            (self.name, self.outputs, self.kernel, self.stride) = (name, outputs, kernel, stride)
            self.padding = padding ?? (stride == 1 ? nil : .valid)
        }
    }

    private let inputs: Int
    private let style: Style
    private let scope: Scope
    private var branches: [[any Layer]] = []
    /// How many channels all branches so far give together.
    private(set) var outputs = 0

    init(_ inputs: Int, _ style: Style, in scope: Scope) {
        (self.inputs, self.style, self.scope) = (inputs, style, scope)
    }

    /// The layer, once all branches have been added.
    var layer: Branches { Branches(branches, in: scope) }

    /// A branch of a pool, perhaps, and convolutions in a row; behind them those of `ends` side by side.
    mutating func add(_ pool: Pooling? = nil, _ steps: Step..., ends: [Step] = []) {
        var layers: [any Layer] = pool.map { [$0] } ?? [], channels = inputs
        for step in steps {
            layers.append(style.convolution(channels, step, in: scope))
            channels = style.channels(step.outputs)
        }
        if !ends.isEmpty {
            layers.append(Branches(ends.map { [style.convolution(channels, $0, in: scope)] }, in: scope))
            channels = ends.reduce(0) { $0 + style.channels($1.outputs) }
        }
        branches.append(layers)
        outputs += channels
    }

    /// A max-pool of 3 with this stride, whose borders are kept where it does not step.
    func maximum(stride: Int) -> Pooling {
        Pooling(.maximum, window: 3, stride: Size2D(stride, stride), padding: stride == 1 ? .symmetric(1) : .valid, in: scope["pool"])
    }

    /// An average pool of 3 that keeps the resolution.
    func average(countsPadding: Bool = true) -> Pooling {
        Pooling(.average, window: 3, stride: 1, padding: .symmetric(1), countsPadding: countsPadding, in: scope["pool"])
    }
}
