import Layers
import TensorCore

/// Batch norm with ReLU, perhaps dropout, then a convolution that keeps the resolution but for its stride.
struct PreactivatedConvolution: Layer {
    private let norm: BatchNorm
    private let dropout: Dropout
    private let convolution: Convolution2D

    init(
        _ inputs: Int, _ outputs: Int, kernel: Int, stride: Int = 1, dropout rate: Double = 0, _ initialization: Initialization,
        in scopes: (norm: Scope, convolution: Scope)
    ) {
        norm = BatchNorm(inputs, activation: .relu, in: scopes.norm)
        dropout = Dropout(rate: rate, in: scopes.convolution["dropout"])
        convolution = Convolution2D(
            inputs, outputs, kernel: Size2D(kernel, kernel), stride: Size2D(stride, stride), padding: .symmetric(Size2D(kernel / 2, kernel / 2)),
            hasBias: false, initialization: initialization, in: scopes.convolution)
    }

    func callAsFunction(_ x: Tensor) -> Tensor { convolution(dropout(norm(x))) }
}
