import Foundation
import Layers
import TensorCore
import Testing

@testable import Configuration

/// Distributions of initial weights: bounds, moments, fans and gains.
struct InitializationTests {
    private static let stream = PhiloxStream(seed: 7, name: "initialization/test")

    private func values(_ initialization: Initialization, _ shape: Shape, stream: PhiloxStream = stream) -> [Float] {
        var values = [Float](repeating: .nan, count: shape.elementCount)
        values.withUnsafeMutableBufferPointer { initialization.fill($0, shape: shape, stream: stream) }
        return values
    }

    private func moments(_ values: [Float]) -> (mean: Double, deviation: Double) {
        let mean = values.reduce(0.0) { $0 + Double($1) } / Double(values.count)
        let variance = values.reduce(0.0) { $0 + (Double($1) - mean) * (Double($1) - mean) } / Double(values.count)
        return (mean, variance.squareRoot())
    }

    /// The standard deviations that PyTorch's `torch.nn.init` documents, for a linear layer and a convolution with its receptive field.
    static let cases: [(Initialization, Shape, Double)] = [
        (.xavier(distribution: .uniform, gain: 1), [300, 500], (2.0 / 800).squareRoot()),
        (.xavier(distribution: .normal, gain: 5 / 3), [300, 500], 5 / 3 * (2.0 / 800).squareRoot()),
        (.xavier(distribution: .normal, gain: 1), [64, 32, 5, 5], (2.0 / (25 * 96)).squareRoot()),
        (.he(distribution: .normal, fan: .in, gain: 2.0.squareRoot()), [300, 500], (2.0 / 500).squareRoot()),
        (.he(distribution: .uniform, fan: .out, gain: 2.0.squareRoot()), [300, 500], (2.0 / 300).squareRoot()),
        (.he(distribution: .normal, fan: .average, gain: 1), [300, 500], (1.0 / 400).squareRoot()),
        (.he(distribution: .normal, fan: .in, gain: 1), [64, 32, 5, 5], (1.0 / 800).squareRoot()),
        (.residual, [64, 32, 5, 5], (2.0 / 1600).squareRoot()),
        (.leCun(distribution: .normal), [300, 500], (1.0 / 500).squareRoot()),
        (.leCun(distribution: .uniform), [300, 500], (1.0 / 500).squareRoot()),
        (.normal(deviation: 0.3), [300, 500], 0.3),
        (.uniform(bound: 0.3), [300, 500], 0.3 / 3.0.squareRoot()),
        (.transformer, [300, 500], 0.02),
        (.torchLinear, [300, 500], (1.0 / 1500).squareRoot()),
    ]

    /// The mean and the deviation of n draws lie within five of their own standard errors.
    @Test(arguments: cases)
    func momentsAreTheFormulas(initialization: Initialization, shape: Shape, deviation: Double) {
        let values = values(initialization, shape), count = Double(values.count)
        let found = moments(values)
        #expect(abs(found.mean) < 5 * deviation / count.squareRoot())
        #expect(abs(found.deviation / deviation - 1) < 5 / (2 * count).squareRoot())
        #expect(abs(initialization.variance(shape)! / (deviation * deviation) - 1) < 1e-12)
    }

    /// The variance counts what truncation takes: at ±σ/2, ±σ and ±2σ it leaves a deviation of 0.283882, 0.539560 and 0.879626.
    @Test(arguments: [(0.5, 0.283882), (1, 0.539560), (2, 0.879626)])
    func varianceAfterTruncation(bound: Double, deviation: Double) {
        let initialization = Initialization.truncatedNormal(deviation: 3, bound: 3 * bound)
        #expect(abs(initialization.variance([2, 2])!.squareRoot() / 3 - deviation) < 1e-6)
        #expect(abs(moments(values(initialization, [500, 400])).deviation / 3 - deviation) < 0.005)
    }

    @Test func constantsHaveNoVarianceToSpeakOf() {
        #expect(Initialization.zeros.variance([3, 4]) == 0)
        #expect(Initialization.constant(value: 0.5).variance([3, 4]) == nil)
    }

    /// Uniform draws fill their interval to its ends and never leave it.
    @Test(arguments: [
        (Initialization.xavier(distribution: .uniform, gain: 1), Float((6.0 / 800).squareRoot())),
        (.he(distribution: .uniform, fan: .in, gain: 2.0.squareRoot()), Float((6.0 / 500).squareRoot())),
        (.torchLinear, Float((1.0 / 500).squareRoot())),
        (.uniform(bound: 0.25), 0.25),
    ])
    func uniformBounds(initialization: Initialization, bound: Float) {
        let values = values(initialization, [300, 500])
        #expect(values.max()! <= bound && values.min()! >= -bound)
        #expect(values.max()! > 0.999 * bound && values.min()! < -0.999 * bound)
    }

    /// Shares of a normal distribution within one, two and three deviations, and both signs beyond three.
    @Test func normalTails() {
        let values = values(.normal(deviation: 2), [500, 400])
        for (limit, share) in [(2, 0.682689), (4, 0.954500), (6, 0.997300)] as [(Float, Double)] {
            let found = Double(values.count { abs($0) < limit }) / Double(values.count)
            #expect(abs(found - share) < 5 * (share * (1 - share) / Double(values.count)).squareRoot())
        }
        #expect(values.contains { $0 > 6 } && values.contains { $0 < -6 })
    }

    /// Draws of one block are independent: neighbours do not correlate.
    @Test func neighboursDoNotCorrelate() {
        let values = values(.normal(deviation: 1), [400, 500])
        for distance in 1...4 {
            let sum = (0..<values.count - distance).reduce(0.0) { $0 + Double(values[$1] * values[$1 + distance]) }
            #expect(abs(sum / Double(values.count)) < 5 / Double(values.count).squareRoot())
        }
    }

    /// Truncation is at absolute bounds, and leaves a truncated normal distribution: its deviation at ±1σ is 0.539560.
    @Test func truncationIsAbsolute() {
        let values = values(.truncatedNormal(deviation: 0.5, bound: 0.5), [500, 400])
        #expect(values.allSatisfy { abs($0) <= 0.5 })
        #expect(values.max()! > 0.49)
        #expect(abs(moments(values).deviation / 0.5 - 0.539560) < 0.005)
        // Two is a hundred deviations away.
        let transformer = self.values(.transformer, [500, 400])
        #expect(transformer == self.values(.normal(deviation: 0.02), [500, 400]))
    }

    @Test func constants() {
        #expect(values(.zeros, [3, 4]) == Array(repeating: 0, count: 12))
        #expect(values(.constant(value: 0.5), [7]) == Array(repeating: 0.5, count: 7))
    }

    /// A value depends on its stream and place alone, whatever the length.
    @Test(arguments: [Initialization.normal(deviation: 1), .uniform(bound: 1), .truncatedNormal(deviation: 1, bound: 0.5)])
    func drawsAreCounted(initialization: Initialization) {
        let values = values(initialization, [1, 103])
        #expect(self.values(initialization, [1, 103]) == values)
        #expect(self.values(initialization, [1, 10]) == Array(values.prefix(10)))
        #expect(self.values(initialization, [1, 103], stream: PhiloxStream(seed: 8, name: "initialization/test")) != values)
        #expect(self.values(initialization, [1, 103], stream: PhiloxStream(seed: 7, name: "initialization/other")) != values)
        #expect(Set(values).count > 100)
    }

    /// The table of PyTorch's `torch.nn.init.calculate_gain`.
    @Test(arguments: [
        (ActivationKind.identity, 1.0), (.sigmoid, 1), (.tanh, 5.0 / 3), (.relu, 1.4142135623730951), (.leakyReLU, 1.4141428569978354),
    ])
    func gainsArePyTorchs(activation: ActivationKind, gain: Double) throws {
        #expect(abs(try #require(activation.gain) - gain) < 1e-15)
    }

    @Test func someActivationsHaveNoGain() {
        #expect(ActivationKind.gelu.gain == nil)
        #expect(ActivationKind.silu.gain == nil)
    }

    /// As a definition has it, and back.
    @Test func whatIsWrittenReadsBack() throws {
        let kind = OptionKind<Initialization>.initialization
        func written(_ value: Initialization) -> String { YAML.line(kind.write(value), .json) }
        let he = Initialization.he(distribution: .uniform, fan: .out, gain: 1.5)
        #expect(written(he) == #"{"he": {"distribution": "uniform", "fan": "out", "gain": 1.5}}"#)
        #expect(written(.transformer) == #"{"truncated_normal": {"bound": 2, "deviation": 0.02}}"#)
        #expect(written(.zeros) == #"{"constant": {"value": 0}}"#)
        let map = ConfigurationNode.map([("initialization", kind.write(he))])
        var fields = FieldReader(map, path: "", errors: ConfigurationErrors())
        #expect(kind.read(&fields, "initialization") == he)
    }
}
