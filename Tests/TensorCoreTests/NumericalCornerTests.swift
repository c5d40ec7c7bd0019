import Foundation
import TensorCore
import TestSupport
import Testing

/// Where a formula that is right on paper loses digits or becomes a NaN in float32: means that are large beside the deviations, very long sums,
/// infinities behind what is closed. The right values are computed here in double, as PyTorch has them in float64.
struct NumericalCornerTests {
    /// As `torch.argmax` has it: of equal ones the first, and NaN before all numbers.
    @Test func indexOfLargest() throws {
        let rows: [([Float], Int32)] = [
            ([1, 3, 2], 1), ([3, 1, 3], 0), ([2, 5, 5], 1), ([-3, -1, -2], 1), ([-0.0, 0, -1], 0), ([-.infinity, -1e38, -.infinity], 1),
            ([.nan, 5, .nan], 0), ([1, .nan, .infinity], 1), ([1, 1, .nan], 2), ([7, 7, 7], 0), ([1, 1.001, 0], 1),
        ]
        let graph = Graph(), x = graph.input("x", [rows.count, 3]), column = graph.input("column", [4, 1])
        let found = try evaluate(
            [x.indexOfLargest(), x.cast(to: .bfloat16).indexOfLargest(), column.indexOfLargest()],
            feeding: [(x, HostTensor([rows.count, 3], rows.flatMap(\.0))), (column, HostTensor([4, 1], [-1, 0, .nan, 2] as [Float]))])
        #expect(found[0].elements(as: Int32.self) == rows.map(\.1))
        // In bfloat16 1.001 is 1, and so the first of equal ones.
        #expect(found[1].elements(as: Int32.self) == rows.dropLast().map(\.1) + [0])
        #expect(found[2].elements(as: Int32.self) == [0, 0, 0, 0])
    }

    @Test func isEqual() throws {
        let graph = Graph(), a = graph.input("a", [5], .int32), b = graph.input("b", [5], .int32)
        let found = try evaluate(
            [a.isEqual(to: b)],
            feeding: [(a, HostTensor([5], [0, -1, .max, .min, 3] as [Int32])), (b, HostTensor([5], [0, 1, .max, .min, 4] as [Int32]))])
        #expect(found[0].floats == [1, 0, 1, 1, 0])
        let other = Graph(), c = other.input("c", [5], .int32)
        _ = c.isEqual(to: other.input("d", [4], .int32))
        #expect(throws: RecordingError.self) { try other.validate() }
    }

    /// What normalization over one set of values gives, and the gradient of the values.
    struct Normalized {
        var mean = 0.0, variance = 0.0
        var standard: [Double] = [], dx: [Double] = []

        /// - Parameter gradients: with respect to the standardized values.
        init(_ x: [Double], gradients: [Double], epsilon: Double) {
            let count = Double(x.count)
            mean = x.reduce(0, +) / count
            variance = x.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / count
            let rstd = 1 / (variance + epsilon).squareRoot()
            standard = x.map { ($0 - mean) * rstd }
            let level = gradients.reduce(0, +) / count, slope = zip(gradients, standard).reduce(0) { $0 + $1.0 * $1.1 } / count
            dx = zip(gradients, standard).map { rstd * ($0 - level - $1 * slope) }
        }
    }

    /// Draws of a standard normal distribution, scaled and shifted, as float32 has them.
    private func draws(_ count: Int, mean: Double = 0, deviation: Double = 1, name: String = "draws") -> [Float] {
        var draws = PhiloxStream(seed: 5, name: name).draws(time: 0, sample: 0)
        return (0..<count).map { _ in
            let radius = (-2 * log(1 - Double(draws.uniform()))).squareRoot()
            return Float(mean + deviation * radius * cos(2 * .pi * Double(draws.uniform())))
        }
    }

    private func tensor(_ shape: Shape, _ values: [Double]) -> HostTensor { HostTensor(shape, values.map(Float.init)) }

    /// Mean and standard deviation: ordinary, and 10⁵ and 10⁶ apart.
    static let scales: [(mean: Double, deviation: Double)] = [(0.5, 2), (1e3, 0.01), (-1e5, 1), (1e6, 1)]

    // MARK: Norms

    @Test(arguments: [(10.1, 768), (1000.1, 4096), (-3.3e7, 65), (0.1, 1)] as [(Float, Int)])
    func layerNormOfEqualNumbersIsZero(value: Float, width: Int) throws {
        let graph = Graph()
        let x = graph.input("x", [5, width])
        let scale = graph.constant(HostTensor([width], repeating: Float(3))), offset = graph.constant(HostTensor([width], repeating: Float(0.25)))
        let plain = x.layerNorm(epsilon: 1e-6), affine = x.layerNorm(scale: scale, offset: offset, epsilon: 1e-6)
        let seed = graph.constant(HostTensor([5, width], draws(5 * width)))
        let dx = gradients(of: (plain * seed).sum(axes: [0, 1]).shardSum(), withRespectTo: [x])[0]
        let found = try evaluate([plain, affine, dx], feeding: [(x, HostTensor([5, width], repeating: value))])
        #expect(found[0].floats.allSatisfy { $0 == 0 })
        #expect(found[1].floats.allSatisfy { $0 == 0.25 })
        let seeds = draws(5 * width).map(Double.init)
        let expected = (0..<5).flatMap { row in
            Normalized(Array(repeating: 0, count: width), gradients: Array(seeds[row * width..<(row + 1) * width]), epsilon: 1e-6).dx
        }
        if width > 1 { assertClose(found[2], tensor([5, width], expected), tolerance: 1e-6) }
    }

    @Test(arguments: scales, [1, 2, 37, 2600]) func layerNormOfAnyMean(scale: (mean: Double, deviation: Double), width: Int) throws {
        let rows = 70, graph = Graph()
        let x = graph.input("x", [rows, width])
        let weights = draws(width, mean: 1, name: "weights"), values = draws(rows * width, mean: scale.mean, deviation: scale.deviation)
        let seeds = draws(rows * width, name: "seeds").map(Double.init)
        let weight = graph.root.parameter("weight", [width], ConstantInitializer(0)), bias = graph.root.parameter("bias", [width], ConstantInitializer(0))
        let y = x.layerNorm(scale: weight, offset: bias, epsilon: 1e-6)
        let loss = (y * graph.constant(tensor([rows, width], seeds))).sum(axes: [0, 1]).shardSum()
        let store = ParameterStore(graph, seed: 0)
        store.set(HostTensor([width], weights), named: "weight")
        let found = try evaluate(
            [y] + gradients(of: loss, withRespectTo: [x, weight]), feeding: [(x, HostTensor([rows, width], values))], store: store)
        var expected: (y: [Double], dx: [Double], scale: [Double]) = ([], [], Array(repeating: 0, count: width))
        for row in 0..<rows {
            let range = row * width..<(row + 1) * width
            let normalized = Normalized(
                values[range].map(Double.init), gradients: zip(seeds[range], weights).map { $0 * Double($1) }, epsilon: 1e-6)
            expected.y += zip(normalized.standard, weights).map { $0 * Double($1) }
            expected.dx += normalized.dx
            for (column, seed) in seeds[range].enumerated() { expected.scale[column] += seed * normalized.standard[column] }
        }
        // Two numbers a row: what is left of the gradient is what rounding leaves of its terms.
        let magnitude = width == 2 ? expected.dx.map(abs).max()! + 30 / scale.deviation : expected.dx.map(abs).max()!
        assertClose(found[0], tensor([rows, width], expected.y), tolerance: 2e-6, "y")
        assertClose(found[1], Expectation(tensor: tensor([rows, width], expected.dx), magnitude: magnitude), tolerance: 5e-6, "dx")
        assertClose(found[2], tensor([width], expected.scale), tolerance: 2e-6, "gradient of the scale")
    }

    /// The statistics of the whole batch over shards, which may have means of their own.
    @Test(arguments: scales, [0, 1000.0]) func batchNormOfAnyMean(scale: (mean: Double, deviation: Double), apart: Double) throws {
        let (batch, shards, positions, channels) = (24, 8, 9, 5), graph = Graph(mode: .training, shardCount: 8)
        let shape = Shape([batch / shards, positions, channels]), whole = Shape([batch, positions, channels])
        let x = graph.input("x", shape), seed = graph.input("seed", shape), count = whole.elementCount
        let values = draws(count, mean: scale.mean, deviation: scale.deviation).enumerated().map { index, value in
            value + Float(apart * scale.deviation) * Float(index / (count / shards) % 3)
        }
        let seeds = draws(count, name: "seeds")
        let weight = graph.root.parameter("weight", [channels], ConstantInitializer(1.5)), bias = graph.root.parameter("bias", [channels], ConstantInitializer(0))
        let mean = graph.root.buffer("mean", [channels], initialValue: 0), variance = graph.root.buffer("variance", [channels], initialValue: 0)
        let y = x.batchNorm(scale: weight, offset: bias, runningMean: mean, runningVariance: variance, momentum: 1, epsilon: 1e-12)
        let loss = (y * seed).sum(axes: [0, 1, 2]).shardSum()
        func found(threads: Int) throws -> ([HostTensor], ParameterStore) {
            let store = ParameterStore(graph, seed: 0)
            let plan = try Plan(
                graph, outputs: [y] + gradients(of: loss, withRespectTo: [x, weight]), store: store, pool: WorkerPool(threads: threads))
            try values.withUnsafeBytes { values in try seeds.withUnsafeBytes { try plan.run(feeding: [values.baseAddress!, $0.baseAddress!]) } }
            return ((0..<3).map(plan.output), store)
        }
        let (alone, store) = try found(threads: 1), (together, _) = try found(threads: 3)
        #expect(alone.map(\.floats) == together.map(\.floats))
        var expected = (y: [Double](repeating: 0, count: count), dx: [Double](repeating: 0, count: count), scale: [Double](), variance: [Double]())
        for channel in 0..<channels {
            let places = stride(from: channel, to: count, by: channels)
            let normalized = Normalized(places.map { Double(values[$0]) }, gradients: places.map { 1.5 * Double(seeds[$0]) }, epsilon: 1e-12)
            for (index, place) in places.enumerated() {
                expected.y[place] = 1.5 * normalized.standard[index]
                expected.dx[place] = normalized.dx[index]
            }
            expected.scale.append(zip(places, normalized.standard).reduce(0) { $0 + Double(seeds[$1.0]) * $1.1 })
            let samples = Double(batch * positions)
            expected.variance.append(normalized.variance * samples / (samples - 1))
        }
        assertClose(alone[0], tensor(whole, expected.y), tolerance: 1e-6, "y")
        assertClose(alone[1], tensor(whole, expected.dx), tolerance: 2e-6, "dx")
        assertClose(alone[2], tensor([channels], expected.scale), tolerance: 2e-6, "gradient of the scale")
        assertClose(try #require(store.tensor(named: "variance")), tensor([channels], expected.variance), tolerance: 1e-6, "running variance")
    }

    /// A first number far from all others, and one channel that does not vary.
    @Test func batchNormOfOutliersAndConstants() throws {
        let rows = 512, graph = Graph(mode: .training)
        let x = graph.input("x", [rows, 2])
        func small(_ index: Int) -> Double { 3 + Double(index * 37 % 101) / 101_000 }
        let column = [1e4] + (1..<rows).map(small)
        let one = graph.constant(HostTensor([2], repeating: Float(1))), zero = graph.constant(HostTensor([2], repeating: Float(0)))
        let y = x.batchNorm(
            scale: one, offset: zero, runningMean: graph.root.buffer("mean", [2], initialValue: 0),
            runningVariance: graph.root.buffer("variance", [2], initialValue: 0), momentum: 1)
        let store = ParameterStore(graph, seed: 0)
        let values: [Float] = column.flatMap { [Float($0), 1000.1] }
        let plan = try Plan(graph, outputs: [y], store: store, pool: WorkerPool(threads: 1))
        try values.withUnsafeBytes { try plan.run(feeding: [$0.baseAddress!]) }
        let normalized = Normalized(column.map { Double(Float($0)) }, gradients: column, epsilon: 1e-5)
        let found = plan.output(0).floats
        assertClose(
            HostTensor([rows], stride(from: 0, to: 2 * rows, by: 2).map { found[$0] }), tensor([rows], normalized.standard), tolerance: 1e-6)
        #expect(stride(from: 1, to: 2 * rows, by: 2).allSatisfy { found[$0] == 0 })
        #expect(try #require(store.tensor(named: "variance")).floats[1] == 0)
        #expect(try #require(store.tensor(named: "mean")).floats[1] == 1000.1)
    }

    /// With fixed statistics too the mean may be large.
    @Test func batchNormWithFixedStatistics() throws {
        let graph = Graph()
        let x = graph.input("x", [64, 1]), values = draws(64, mean: 1e6)
        let y = x.batchNorm(
            scale: graph.constant(HostTensor([1], [2] as [Float])), offset: graph.constant(HostTensor([1], [0.5] as [Float])),
            runningMean: graph.root.buffer("mean", [1], initialValue: 1e6), runningVariance: graph.root.buffer("variance", [1], initialValue: 0.81))
        let found = try evaluate([y], feeding: [(x, HostTensor([64, 1], values))], store: ParameterStore(graph, seed: 0))[0]
        let rstd = 1 / (Double(Float(0.81)) + Double(Float(1e-5))).squareRoot()
        assertClose(found, tensor([64, 1], values.map { 2 * (Double($0) - 1e6) * rstd + 0.5 }), tolerance: 1e-6)
    }

    @Test(arguments: scales, [1, 2, 6]) func groupNormOfAnyMean(scale: (mean: Double, deviation: Double), groups: Int) throws {
        let (images, positions, channels) = (3, 35, 6), graph = Graph()
        let shape = Shape([images, positions, channels]), x = graph.input("x", shape), count = shape.elementCount
        let weights = draws(channels, mean: 1, name: "weights"), seeds = draws(count, name: "seeds").map(Double.init)
        // Channels of one group lie apart.
        let values = draws(count, mean: scale.mean, deviation: scale.deviation).enumerated().map { $1 + Float(20 * scale.deviation) * Float($0 % 3) }
        let weight = graph.root.parameter("weight", [channels], ConstantInitializer(0)), bias = graph.root.parameter("bias", [channels], ConstantInitializer(0))
        let y = x.groupNorm(groups: groups, scale: weight, offset: bias, epsilon: 1e-12)
        let loss = (y * graph.constant(tensor(shape, seeds))).sum(axes: [0, 1, 2]).shardSum()
        let store = ParameterStore(graph, seed: 0)
        store.set(HostTensor([channels], weights), named: "weight")
        let found = try evaluate(
            [y] + gradients(of: loss, withRespectTo: [x, weight]), feeding: [(x, HostTensor(shape, values))], store: store)
        var expected = (y: [Double](repeating: 0, count: count), dx: [Double](repeating: 0, count: count), scale: [Double](repeating: 0, count: channels))
        for image in 0..<images {
            for group in 0..<groups {
                let places = (0..<positions).flatMap { position in
                    (group * channels / groups..<(group + 1) * channels / groups).map { (image * positions + position) * channels + $0 }
                }
                let normalized = Normalized(
                    places.map { Double(values[$0]) }, gradients: places.map { seeds[$0] * Double(weights[$0 % channels]) }, epsilon: 1e-12)
                for (index, place) in places.enumerated() {
                    expected.y[place] = normalized.standard[index] * Double(weights[place % channels])
                    expected.dx[place] = normalized.dx[index]
                    expected.scale[place % channels] += seeds[place] * normalized.standard[index]
                }
            }
        }
        assertClose(found[0], tensor(shape, expected.y), tolerance: 1e-6, "y")
        assertClose(found[1], tensor(shape, expected.dx), tolerance: 2e-6, "dx")
        assertClose(found[2], tensor([channels], expected.scale), tolerance: 2e-6, "gradient of the scale")
    }

    // MARK: Sums

    /// Terms that are all alike are rounded alike: nothing averages out.
    @Test func longSumsKeepTheirDigits() throws {
        let graph = Graph()
        let columns = graph.input("columns", [401_408, 3]), row = graph.input("row", [10_000_000]), table = graph.input("table", [2, 1])
        let indices = graph.constant(HostTensor([401_408], repeating: Int32(1)))
        let columnSums = columns.sum(axes: [0]), total = row.sum(axes: [0])
        let dtable = gradients(of: (table.gathered(indices) * 0.1).sum(axes: [0, 1]).shardSum(), withRespectTo: [table])[0]
        let found = try evaluate(
            [columnSums, total, dtable],
            feeding: [
                (columns, HostTensor([401_408, 3], repeating: Float(0.1))), (row, HostTensor([10_000_000], repeating: Float(0.1))),
                (table, HostTensor([2, 1], repeating: Float(0))),
            ])
        for (sum, count) in [(found[0].floats[0], 401_408), (found[0].floats[2], 401_408), (found[1].floats[0], 10_000_000), (found[2].floats[1], 401_408)] {
            assertClose(Double(sum), Double(count) * Double(Float(0.1)), tolerance: 0x1p-24)
        }
        #expect(found[2].floats[0] == 0)
    }

    /// As many rows as a batch of images has positions.
    @Test func layerNormSumsItsParametersGradientsOverManyRows() throws {
        let rows = 401_408, graph = Graph()
        let x = graph.input("x", [rows, 2])
        let weight = graph.root.parameter("weight", [2], ConstantInitializer(1)), bias = graph.root.parameter("bias", [2], ConstantInitializer(0))
        let loss = (x.layerNorm(scale: weight, offset: bias, epsilon: 0) * 0.1).sum(axes: [0, 1]).shardSum()
        let found = try evaluate(
            gradients(of: loss, withRespectTo: [weight, bias]),
            feeding: [(x, HostTensor([rows, 2], (0..<rows).flatMap { _ in [1, 2] as [Float] }))], store: ParameterStore(graph, seed: 0))
        assertClose(found[0], tensor([2], [-Double(rows) * Double(Float(0.1)), Double(rows) * Double(Float(0.1))]), tolerance: 2e-7)
        assertClose(found[1], tensor([2], Array(repeating: Double(rows) * Double(Float(0.1)), count: 2)), tolerance: 2e-7)
    }

    // MARK: Infinities

    /// PyTorch's values: without smoothing a class of probability 0 costs nothing, with it everything.
    @Test func crossEntropyOfImpossibleClasses() throws {
        let graph = Graph()
        let x = graph.input("x", [2, 3]), labels = graph.input("labels", [2], .int32)
        let losses = [0, 0.1].map { x.softmaxCrossEntropy(labels: labels, smoothing: $0) }
        let slopes = losses.map { gradients(of: $0.sum(axes: [0]).shardSum(), withRespectTo: [x])[0] }
        let found = try evaluate(
            losses + slopes,
            feeding: [(x, HostTensor([2, 3], [0, -.infinity, 1, 0, -.infinity, 1] as [Float])), (labels, HostTensor([2], [0, 1] as [Int32]))])
        #expect(abs(found[0].floats[0] - 1.3132616875182228) < 2e-7)
        #expect(found[0].floats[1] == .infinity && found[1].floats == [.infinity, .infinity])
        let share = 0.2689414213699951
        assertClose(found[2], tensor([2, 3], [share - 1, 0, 1 - share, share, -1, 1 - share]), tolerance: 1e-6)
        assertClose(
            found[3], tensor([2, 3], [
                share - 0.9 - 0.1 / 3, -0.1 / 3, 1 - share - 0.1 / 3, share - 0.1 / 3, -0.9 - 0.1 / 3, 1 - share - 0.1 / 3,
            ]), tolerance: 1e-6)
    }

    /// What is closed stops a gradient, whatever it is.
    @Test(arguments: ["relu", "batch norm", "batch norm and residual", "maximum", "minimum", "max", "max pool"], [Float.infinity, .nan])
    func closedUnitsStopEveryGradient(unit: String, gradient: Float) throws {
        func slope(closed: Float) throws -> [Float] {
            let graph = Graph(mode: .training)
            let x = graph.input("x", [2, 2, 2, 1]), values: [Float] = [1, -2, 3, -4, 5, -6, 7, -8]
            func normalized(_ residual: Tensor?) -> Tensor {
                x.batchNorm(
                    scale: graph.constant(HostTensor([1], [1] as [Float])), offset: graph.constant(HostTensor([1], [0] as [Float])),
                    runningMean: graph.root.buffer("mean", [1], initialValue: 0),
                    runningVariance: graph.root.buffer("variance", [1], initialValue: 1), residual: residual, relu: true)
            }
            var seeds: [Float] = [0.5, closed, 2, closed, 0.25, closed, 1, closed]
            let zero = graph.constant(HostTensor([2, 2, 2, 1], repeating: Float(0)))
            let y: Tensor
            switch unit {
            case "relu": y = x.relu()
            case "batch norm": y = normalized(nil)
            case "batch norm and residual": y = normalized(x * 0)
            case "maximum": y = x.maximum(zero)
            case "minimum":
                y = x.minimum(zero)
                seeds = [closed, 0.5, closed, 2, closed, 0.25, closed, 1]
            case "max":
                // Each largest number gets its own gradient; the infinite one goes to 7 alone.
                y = x.max(axes: [1, 2, 3])
                seeds = [0.5, closed == 0 ? 0 : gradient]
            default:
                y = x.maxPool(window: 2)
                seeds = [0.5, closed == 0 ? 0 : gradient]
            }
            let seed = graph.constant(HostTensor(y.shape, seeds)), loss = (y * seed).sum(axes: Array(y.shape.indices)).shardSum()
            return try evaluate(
                gradients(of: loss, withRespectTo: [x]), feeding: [(x, HostTensor([2, 2, 2, 1], values))], store: ParameterStore(graph, seed: 0)
            )[0].floats
        }
        let found = try slope(closed: gradient), expected = try slope(closed: 0)
        let isOpen = unit.hasPrefix("max ") || unit == "max" ? 6 : -1
        for index in found.indices where index != isOpen {
            #expect(found[index] == expected[index] && found[index].isFinite, "\(index): \(found)")
        }
    }

    /// x⁰ has no slope, not even at 0.
    @Test func theZerothPowerHasNoSlope() throws {
        let graph = Graph()
        let x = graph.input("x", [3])
        let dx = gradients(of: x.power(0).sum(axes: [0]).shardSum(), withRespectTo: [x])[0]
        #expect(try evaluate([dx], feeding: [(x, HostTensor([3], [0, -1, 2] as [Float]))])[0].floats == [0, 0, 0])
    }
}
