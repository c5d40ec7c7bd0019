import Layers
import TensorCore

/// The first layers of Inception-v3 and Inception-ResNet-v2: five convolutions without padding but for the third, and two max-pools of 3 and stride 2.
struct InceptionStem {
    /// The names of the convolutions, first to last.
    let convolutions: [String]
    /// The names of the pools, which follow the third and the fifth convolution.
    let pools: [String]
    /// Whether the first convolution does not step and there are no pools.
    let keepsResolution: Bool

    /// Adds the layers; gives the channels behind them.
    func add(to backbone: inout LayerSequence, channels: Int, _ style: InceptionModule.Style, in scope: Scope) -> Int {
        let steps: [(outputs: Int, kernel: Size2D, padding: Padding2D)] = [
            (32, 3, .valid), (32, 3, .valid), (64, 3, .symmetric(1)), (80, 1, .valid), (192, 3, .valid),
        ]
        var inputs = channels
        for (index, step) in steps.enumerated() {
            let stride = index == 0 && !keepsResolution ? 2 : 1
            backbone.add(style.convolution(inputs, .init(convolutions[index], step.outputs, step.kernel, stride: stride, padding: step.padding), in: scope))
            inputs = style.channels(step.outputs)
            guard !keepsResolution, let pool = [2: 0, 4: 1][index] else { continue }
            backbone.add(Pooling(.maximum, window: 3, stride: 2, in: scope[pools[pool]]))
        }
        backbone.endStage("stem")
        return inputs
    }
}
