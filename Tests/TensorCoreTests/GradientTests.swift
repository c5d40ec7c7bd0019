import TensorCore
import TestSupport
import Testing

/// Gradients against finite differences, independent of any other library: a directional derivative by central differences along the
/// gradient itself, where it is largest.
struct GradientTests {
    static let functions: [(name: String, shape: Shape, function: @Sendable (Tensor) -> Tensor)] = [
        ("a polynomial of itself", [3, 4], { $0 * $0 * $0 + $0 / 3 }),
        ("exp, log, sqrt", [7], { (($0.exp() + 1).log() + 2).sqrt() }),
        ("broadcast in both directions", [4, 1], { $0 * $0.transposed([1, 0]) }),
        ("gelu and swish", [11], { $0.gelu() + $0.swish(beta: 1.7) + $0.geluTanh() }),
        ("softmax of a product", [3, 3], { $0.matmul($0, transposeB: true).softmax() }),
        ("log softmax along the first axis", [4, 2], { $0.logSoftmax(axis: 0) }),
        ("layer norm", [3, 8], { $0.layerNorm(epsilon: 1e-3) }),
        ("attention", [2, 5, 12], { $0.selfAttention(heads: 2) }),
        ("a convolution with itself", [1, 5, 5, 1], { $0.convolution2D(weight: $0.transposed([0, 3, 1, 2]), padding: .same) }),
        ("reflected, dilated, strided", [1, 6, 6, 2], {
            $0.convolution2D(
                weight: $0.sliced(axis: 1, 0..<3).sliced(axis: 2, 0..<3).transposed([3, 0, 1, 2]).broadcast(to: [2, 1, 3, 3]), stride: 2,
                padding: .symmetric(2), dilation: 2, groups: 2, border: .reflect)
        }),
        ("average pool", [1, 5, 5, 2], { $0.square().averagePool(window: 3, stride: 2, padding: .same, countsPadding: false) }),
        ("slices put together again", [4, 6], { x in
            Tensor.concatenated([x.sliced(axis: 1, 0..<6, step: 2), x.sliced(axis: 1, 1..<3).square()], axis: 1)
        }),
        ("variance over two axes", [2, 3, 4], { $0.variance(axes: [0, 2]) }),
    ]

    @Test(arguments: functions.indices)
    func agreesWithFiniteDifferences(_ index: Int) throws {
        let (_, shape, function) = Self.functions[index]
        let x: [Float] = (0..<shape.elementCount).map { index in
            let step = Float((index * 31 + 7) % 17)
            return step / 10 - 0.8 + Float(index) * 0.003
        }

        /// Σ w ∘ f(x) with fixed weights, and its gradient.
        func value(_ x: [Float]) throws -> (loss: Double, gradient: [Float]) {
            let graph = Graph()
            let input = graph.input("x", shape)
            let output = function(input)
            let weights = (0..<output.shape.elementCount).map { Float(($0 * 13) % 7) / 7 - 0.4 }
            let loss = (output * graph.constant(HostTensor(output.shape, weights))).sum(axes: Array(output.shape.indices)).shardSum()
            let results = try evaluate([output] + gradients(of: loss, withRespectTo: [input]), feeding: [(input, HostTensor(shape, x))])
            return (dot(results[0].floats, weights), results[1].floats)
        }

        let gradient = try value(x).gradient
        let norm = dot(gradient, gradient).squareRoot()
        #expect(norm > 1e-3)
        let step = 4e-3
        func loss(at distance: Double) throws -> Double {
            try value(zip(x, gradient).map { x, g in x + Float(distance / norm) * g }).loss
        }
        let slope = try (loss(at: step) - loss(at: -step)) / (2 * step)
        // Central differences err by step² f‴ / 6 and by the rounding of f over the step.
        assertClose(slope, norm, tolerance: 2e-3)
    }

    private func dot(_ a: [Float], _ b: [Float]) -> Double {
        zip(a, b).reduce(0) { sum, pair in sum + Double(pair.0) * Double(pair.1) }
    }

    /// Saturated probabilities: finite losses and gradients, as in PyTorch; a NaN stays one.
    @Test func binaryCrossEntropyAtItsEnds() throws {
        let graph = Graph()
        let p = graph.input("p", [5]), t = graph.input("t", [5])
        let losses = p.binaryCrossEntropy(t)
        let results = try evaluate(
            [losses] + gradients(of: losses.sliced(axis: 0, 0..<4).batchMean(), withRespectTo: [p]),
            feeding: [(p, HostTensor([5], [1, 0, 0, 0.5, .nan] as [Float])), (t, HostTensor([5], [1, 0, 1, 1, 1] as [Float]))])
        #expect(Array(results[0].floats.prefix(3)) == [0, 0, 100])
        #expect(results[0].floats[4].isNaN)
        #expect(Array(results[1].floats.prefix(2)) == [0, 0])
        #expect(results[1].floats[2] < -1e11 && results[1].floats[3] == -0.5)
    }

    @Test func whatTheLossDoesNotDependOnGetsZeros() throws {
        let graph = Graph()
        let x = graph.input("x", [2]), y = graph.input("y", [3])
        let loss = x.square().batchMean()
        let results = try evaluate(
            gradients(of: loss, withRespectTo: [x, y]),
            feeding: [(x, HostTensor([2], [1, 2] as [Float])), (y, HostTensor([3], repeating: Float(1)))])
        #expect(results[0].floats == [1, 2])
        #expect(results[1].floats == [0, 0, 0])
    }
}
