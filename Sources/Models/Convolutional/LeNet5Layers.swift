import Layers
import TensorCore

/// The mean of 2×2 pixels with a trained factor and offset for each channel: the subsampling of 1998.
///
///     y_c = w_c · Σ x_c + b_c,   the sum over the four pixels
///
/// Shapes: x `[B, H, W, C]` → `[B, H/2, W/2, C]`; `weight` and `bias` `[C]`. The factor starts uniform within ±2.4/4, as any weight of a unit with four
/// inputs; the offset at 0.
struct TrainedSubsampling: Layer {
    private let factor: Tensor
    private let offset: Tensor
    private let scope: Scope

    init(_ channels: Int, in scope: Scope) {
        factor = scope.parameter("weight", [channels], Initialization.uniform(bound: 2.4 / 4), role: .normalization)
        offset = scope.parameter("bias", [channels], Initialization.zeros, role: .bias)
        self.scope = scope
    }

    func callAsFunction(_ x: Tensor) -> Tensor {
        scope.record { x.averagePool(window: 2) * 4 * factor + offset }
    }
}

/// The third layer of LeNet-5: a 5×5 convolution whose 16 outputs see three, four or six of the six inputs, so that they have to differ.
///
/// Shapes: x `[B, H, W, 6]` → `[B, H − 4, W − 4, 16]`. Parameters: one weight and bias for the outputs of each number of inputs, `0.weight [6, 3, 5, 5]`,
/// `1.weight [9, 4, 5, 5]`, `2.weight [1, 6, 5, 5]`, the inputs in ascending order.
///
/// LeCun, Bottou, Bengio and Haffner 1998, table I.
struct PartialConvolution: Layer {
    /// The inputs that each output sees.
    private static let connections = [
        [[0, 1, 2], [1, 2, 3], [2, 3, 4], [3, 4, 5], [0, 4, 5], [0, 1, 5]],
        [[0, 1, 2, 3], [1, 2, 3, 4], [2, 3, 4, 5], [0, 3, 4, 5], [0, 1, 4, 5], [0, 1, 2, 5], [0, 1, 3, 4], [1, 2, 4, 5], [0, 2, 3, 5]],
        [[0, 1, 2, 3, 4, 5]],
    ]
    private let convolutions: [Convolution2D]
    private let scope: Scope

    init(initialization: Initialization, in scope: Scope) {
        convolutions = Self.connections.enumerated().map { index, outputs in
            Convolution2D(
                outputs.count * outputs[0].count, outputs.count, kernel: 5, groups: outputs.count, initialization: initialization, in: scope[index])
        }
        self.scope = scope
    }

    func callAsFunction(_ x: Tensor) -> Tensor {
        let parts = zip(convolutions, Self.connections).map { convolution, outputs in
            convolution(scope.record {
                Tensor.concatenated(outputs.joined().map { x.sliced(axis: 3, $0..<$0 + 1) }, axis: 3)
            })
        }
        return scope.record { Tensor.concatenated(parts, axis: 3) }
    }
}

/// How far the features of an image are from the picture of each class: the output layer of LeNet-5.
///
///     logit_c = −Σ_j (x_j − p_cj)²
///
/// The pictures p are fixed: 7×12 pixels, +1 where there is ink and −1 elsewhere, of the ten digits; further classes have signs drawn at random, which
/// the paper mentions as another choice. The paper shows the pictures without their numbers, so that these are drawn anew. Cross-entropy of these
/// logits is the paper's second criterion (equation 9) without its constant for images of no class.
///
/// Shapes: x `[B, 84]` → `[B, classes]`. No parameters.
struct DistanceToPictures: Layer {
    private static let digits: [[UInt8]] = [
        [0x00, 0x1C, 0x36, 0x22, 0x63, 0x63, 0x63, 0x22, 0x36, 0x1C, 0x00, 0x00],
        [0x00, 0x08, 0x18, 0x38, 0x08, 0x08, 0x08, 0x08, 0x08, 0x3E, 0x00, 0x00],
        [0x00, 0x1C, 0x22, 0x01, 0x01, 0x02, 0x04, 0x08, 0x10, 0x3F, 0x00, 0x00],
        [0x00, 0x3E, 0x02, 0x04, 0x0C, 0x02, 0x01, 0x01, 0x21, 0x1E, 0x00, 0x00],
        [0x00, 0x02, 0x06, 0x0A, 0x12, 0x22, 0x7F, 0x02, 0x02, 0x02, 0x00, 0x00],
        [0x00, 0x3F, 0x20, 0x20, 0x3E, 0x01, 0x01, 0x01, 0x21, 0x1E, 0x00, 0x00],
        [0x00, 0x1E, 0x20, 0x20, 0x3E, 0x21, 0x21, 0x21, 0x21, 0x1E, 0x00, 0x00],
        [0x00, 0x3F, 0x01, 0x02, 0x02, 0x04, 0x04, 0x08, 0x08, 0x10, 0x00, 0x00],
        [0x00, 0x1E, 0x21, 0x21, 0x1E, 0x21, 0x21, 0x21, 0x21, 0x1E, 0x00, 0x00],
        [0x00, 0x1E, 0x21, 0x21, 0x21, 0x1F, 0x01, 0x01, 0x02, 0x1C, 0x00, 0x00],
    ]

    private let pictures: Tensor
    private let scope: Scope

    init(classes: Int, in scope: Scope) {
        let values = (0..<classes).flatMap(Self.picture)
        pictures = scope.record { scope.graph.constant(HostTensor([1, classes, 84], values)) }
        self.scope = scope
    }

    private static func picture(_ label: Int) -> [Float] {
        guard label < digits.count else {
            var draws = PhiloxStream(seed: 0, name: "lenet5.pictures").draws(time: 0, sample: UInt64(label))
            return (0..<84).map { _ in draws.bernoulli(0.5) ? 1 : -1 }
        }
        return digits[label].flatMap { row in (0..<7).map { row >> (6 - $0) & 1 == 1 ? 1 : -1 } }
    }

    func callAsFunction(_ x: Tensor) -> Tensor {
        guard x.isValid else { return x }
        return scope.record { -(x.reshaped([x.shape[0], 1, x.shape[1]]) - pictures).square().sum(axes: [2]) }
    }
}
