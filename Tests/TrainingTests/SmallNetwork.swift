import TensorCore

/// Uniform in ±√(3 / fan-in).
struct FanIn: Initializer {
    func fill(_ values: UnsafeMutableBufferPointer<Float>, shape: Shape, stream: PhiloxStream) {
        let bound = (3 / Float(shape.elementCount / shape[0])).squareRoot()
        var draws = stream.draws(time: 0, sample: 0)
        for index in values.indices { values[index] = draws.uniform(-bound, bound) }
    }
}

func linear(_ scope: Scope, _ x: Tensor, _ width: Int, _ initializer: some Initializer = FanIn()) -> Tensor {
    scope.record {
        x.linear(
            weight: scope.parameter("weight", [width, x.shape[-1]], initializer),
            bias: scope.parameter("bias", [width], ConstantInitializer(0), role: .bias))
    }
}

/// 8×8×1 → 3×3 convolution with 8 channels → batch norm → ReLU → dropout → linear: running statistics and random masks.
func network(_ scope: Scope, _ images: Tensor) -> Tensor {
    let place = scope["conv"], norm = scope["norm"]
    let convolution = place.record { images.convolution2D(weight: place.parameter("weight", [8, 1, 3, 3], FanIn()), bias: nil, stride: 2) }
    let features = convolution.batchNorm(
        scale: norm.parameter("weight", [8], ConstantInitializer(1), role: .normalization),
        offset: norm.parameter("bias", [8], ConstantInitializer(0), role: .normalization),
        runningMean: norm.buffer("running_mean", [8], initialValue: 0),
        runningVariance: norm.buffer("running_var", [8], initialValue: 1), momentum: 0.1, epsilon: 1e-5, relu: true)
    let flat = features.reshaped([images.shape[0], 3 * 3 * 8]).dropout(rate: 0.1, stream: scope["drop"].stream)
    return linear(scope["head"], flat, 10)
}
