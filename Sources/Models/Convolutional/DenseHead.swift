import Layers
import TensorCore

/// The classifier of the convolutional networks before ResNet: features pooled to a grid, then linear layers with dropout.
///
///     [B, h, w, C] → adaptive average pooling to s × s → C·s·s → (linear → ReLU → dropout) … → linear classes
///
/// Parameters: the n-th linear layer is `N.weight` and `N.bias` below `scope` with the places of torchvision's `classifier`. The first sees the
/// features channels first, as PyTorch flattens them.
struct DenseHead {
    /// Where torchvision's `classifier` has its dropout layers.
    enum Order { case dropoutFirst, dropoutLast }

    let scope: Scope
    let side: Int
    let hidden: [Int]
    let dropout: Double
    let order: Order
    let initialization: Initialization

    /// The place of the n-th linear layer among the layers.
    private func place(_ index: Int) -> Int {
        // Linear, ReLU, dropout; or dropout, linear, ReLU.
        order == .dropoutLast ? 3 * index : index == hidden.count ? 3 * index : 3 * index + 1
    }

    /// How the features of a backbone, `[B, h, w, channels]`, become the vector that the last layer sees.
    func pool(channels: Int) -> (Tensor) -> Tensor {
        let grid = AdaptiveAveragePooling(Size2D(side, side), in: scope["pool"])
        let sizes = [channels * side * side] + hidden
        let layers = hidden.indices.map { index in
            (linear: Linear(sizes[index], sizes[index + 1], initialization: initialization, in: scope[place(index)]),
                dropout: Dropout(rate: dropout, in: scope["dropout"][index]))
        }
        return { features in
            let pooled = grid(features)
            guard pooled.isValid else { return pooled }
            var x = scope.record { pooled.flattenedChannelsFirst() }
            for (linear, dropout) in layers {
                if order == .dropoutFirst { x = dropout(x) }
                let sum = linear(x)
                x = scope.record { sum.relu() }
                if order == .dropoutLast { x = dropout(x) }
            }
            return x
        }
    }

    /// The length of that vector.
    func width(channels: Int) -> Int { hidden.last ?? channels * side * side }

    /// The last layer.
    func last(inputs: Int, outputs: Int) -> Linear { Linear(inputs, outputs, initialization: initialization, in: scope[place(hidden.count)]) }
}
