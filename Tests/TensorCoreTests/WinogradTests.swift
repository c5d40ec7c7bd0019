import CKernels
import TensorCore
import TestSupport
import Testing

/// Winograd's convolutions and their gradients against plain sums in float64.
///
/// Errors are relative to the largest number of an array. The largest of the cases below is 3·10⁻⁶, of a direct convolution in float32 2·10⁻⁶.
struct WinogradTests {
    static let tolerance = 5e-6

    /// A convolution of `[batch, height, width, inputs]` with 3×3 weights and `padding` zeros around, or fewer at the end.
    struct Case: CustomTestStringConvertible {
        var batch, height, width, inputs, outputs, padding: Int
        var end: Int? = nil

        var outHeight: Int { height + padding + (end ?? padding) - 2 }
        var outWidth: Int { width + padding + (end ?? padding) - 2 }
        var source: Shape { [batch, height, width, inputs] }
        var weight: Shape { [outputs, inputs, 3, 3] }
        var destination: Shape { [batch, outHeight, outWidth, outputs] }
        var testDescription: String { "\(source) to \(destination), padding \(padding)" }
    }

    /// Images, weights, bias and the output's gradient; what a convolution makes of them, in float64.
    private struct Sums {
        let x, w, b, dy: [Float]
        private(set) var y, dx, dw, db: [Double]

        init(_ c: Case) {
            x = normalNumbers(c.source.elementCount, "x")
            w = normalNumbers(c.weight.elementCount, "w", deviation: 0.1)
            b = normalNumbers(c.outputs, "b")
            dy = normalNumbers(c.destination.elementCount, "dy")
            y = dy.map { _ in 0 }
            (dx, dw, db) = (x.map { _ in 0 }, w.map { _ in 0 }, b.map { _ in 0 })
            let (wide, weights) = (x.map(Double.init), w.map(Double.init))
            for (at, gradient) in dy.enumerated() {
                let o = at % c.outputs, place = at / c.outputs, column = place % c.outWidth, row = place / c.outWidth % c.outHeight
                let image = place / c.outWidth / c.outHeight, g = Double(gradient)
                var sum = Double(b[o])
                db[o] += g
                for k in 0..<9 {
                    let i = row + k / 3 - c.padding, j = column + k % 3 - c.padding
                    guard 0..<c.height ~= i, 0..<c.width ~= j else { continue }
                    let first = ((image * c.height + i) * c.width + j) * c.inputs
                    for input in 0..<c.inputs {
                        let weight = (o * c.inputs + input) * 9 + k
                        sum += wide[first + input] * weights[weight]
                        dx[first + input] += g * weights[weight]
                        dw[weight] += g * wide[first + input]
                    }
                }
                y[at] = sum
            }
        }
    }

    private func expectClose(_ found: [Float], _ expected: [Double], _ what: String) {
        let largest = expected.map(abs).max() ?? 0, errors = zip(found, expected).map { abs(Double($0) - $1) / largest }
        #expect(found.count == expected.count && errors.allSatisfy { $0 <= Self.tolerance }, "\(what): \(errors.max() ?? 0)")
    }

    /// The kernels take images of any size.
    @Test(arguments: [
        Case(batch: 1, height: 7, width: 7, inputs: 32, outputs: 64, padding: 1), Case(batch: 3, height: 5, width: 9, inputs: 64, outputs: 32, padding: 0),
        Case(batch: 3, height: 5, width: 9, inputs: 32, outputs: 32, padding: 2), Case(batch: 1, height: 1, width: 2, inputs: 32, outputs: 32, padding: 1),
        Case(batch: 1, height: 3, width: 3, inputs: 32, outputs: 32, padding: 0), Case(batch: 2, height: 6, width: 13, inputs: 96, outputs: 32, padding: 1),
        Case(batch: 1, height: 8, width: 4, inputs: 32, outputs: 96, padding: 2, end: 0), Case(batch: 1, height: 27, width: 26, inputs: 32, outputs: 32, padding: 1),
        Case(batch: 1, height: 8, width: 9, inputs: 160, outputs: 32, padding: 1),
    ])
    func kernelsAreExact(_ c: Case) {
        let sums = Sums(c), (inputs, outputs) = (Int64(c.inputs), Int64(c.outputs))
        func layout(_ height: Int, _ width: Int, _ inputs: Int64, _ outHeight: Int, _ outWidth: Int, _ outputs: Int64, _ padding: Int) -> kernel_winograd {
            kernel_winograd(
                batch: Int64(c.batch), height: Int64(height), width: Int64(width), inputs: inputs, out_height: Int64(outHeight),
                out_width: Int64(outWidth), outputs: outputs, top: Int64(padding), left: Int64(padding))
        }
        let forward = layout(c.height, c.width, inputs, c.outHeight, c.outWidth, outputs, c.padding)
        let backward = layout(c.outHeight, c.outWidth, outputs, c.height, c.width, inputs, 2 - c.padding)
        // What is left in memory from before must not matter.
        func memory(_ count: Int64) -> [Float] { Array(repeating: .nan, count: Int(count)) }
        var u = memory(36 * inputs * outputs), y = memory(Int64(sums.y.count)), dx = memory(Int64(sums.dx.count))
        var tiledGradient = memory(Int64(sums.dw.count)), db = memory(outputs)
        var scratch = memory(kernel_winograd_memory(forward))
        kernel_winograd_weights(sums.w, &u, outputs, inputs, inputs * 9, 9, 0)
        kernel_winograd_convolution(forward, sums.x, u, sums.b, &y, &scratch)
        expectClose(y, sums.y, "output")
        scratch = memory(kernel_winograd_memory(backward))
        kernel_winograd_weights(sums.w, &u, inputs, outputs, 9, inputs * 9, 1)
        kernel_winograd_convolution(backward, sums.dy, u, nil, &dx, &scratch)
        expectClose(dx, sums.dx, "gradient of images")
        scratch = memory(kernel_winograd_gradient_memory(forward))
        kernel_winograd_gradient(forward, sums.x, sums.dy, &tiledGradient, &db, &scratch)
        let dw = (0..<c.weight.elementCount).map { at in
            let (output, input) = (at / 9 / c.inputs, at / 9 % c.inputs)
            return tiledGradient[((output / 32 * c.inputs + input) * 9 + at % 9) * 32 + output % 32]
        }
        expectClose(dw, sums.dw, "gradient of weights")
        expectClose(db, sums.db, "gradient of the bias")
    }

    /// Convolutions in a graph of two shards, with channels and sizes that Winograd's algorithm takes and such that it leaves to oneDNN. Weights that
    /// have two readers are transformed once; so are those that are themselves computed.
    @Test(arguments: [
        (Case(batch: 8, height: 7, width: 7, inputs: 32, outputs: 64, padding: 1), true),
        (Case(batch: 4, height: 14, width: 15, inputs: 64, outputs: 32, padding: 0), true),
        (Case(batch: 4, height: 14, width: 10, inputs: 32, outputs: 32, padding: 2, end: 1), true),
        (Case(batch: 6, height: 7, width: 7, inputs: 32, outputs: 32, padding: 1), false),
        (Case(batch: 8, height: 9, width: 9, inputs: 32, outputs: 32, padding: 1), false),
        (Case(batch: 8, height: 8, width: 8, inputs: 16, outputs: 32, padding: 1), false),
        (Case(batch: 8, height: 8, width: 8, inputs: 32, outputs: 48, padding: 1), false),
    ])
    func convolutionsInAGraph(_ c: Case, isWinograd: Bool) throws {
        let sums = Sums(c), shards = 2
        func shape(_ whole: Shape) -> Shape { Shape([c.batch / shards] + whole.dimensions.dropFirst()) }
        let graph = Graph(mode: .training, shardCount: shards, seed: 0), scope = graph.root
        let x = graph.input("x", shape(c.source)), dy = graph.input("dy", shape(c.destination))
        let weight = scope.parameter("weight", c.weight, GivenValues(sums.w)), bias = scope.parameter("bias", [c.outputs], GivenValues(sums.b))
        let end = c.end ?? c.padding, padding = Padding2D.explicit(top: c.padding, bottom: end, left: c.padding, right: end)
        let y = x.convolution2D(weight: weight, bias: bias, padding: padding), doubled = x.convolution2D(weight: weight + weight, padding: padding)
        let again = x.convolution2D(weight: weight, padding: padding)
        let loss = (y * dy).sum(axes: [1, 2, 3]).batchMean() * Float(c.batch)
        let store = ParameterStore(graph, seed: 1)
        let plan = try Plan(
            graph, outputs: [y, doubled, again] + gradients(of: loss, withRespectTo: [x, weight, bias]), store: store, pool: WorkerPool(threads: 2))
        let profile = PlanProfile(of: plan)
        plan.profile = profile
        try sums.x.withUnsafeBytes { x in try sums.dy.withUnsafeBytes { try plan.run(feeding: [x.baseAddress!, $0.baseAddress!]) } }

        let offsets = (0..<sums.y.count).map { Double(sums.b[$0 % c.outputs]) }
        expectClose(plan.output(0).floats, sums.y, "output")
        expectClose(plan.output(1).floats, zip(sums.y, offsets).map { 2 * ($0 - $1) }, "output of doubled weights")
        expectClose(plan.output(2).floats, zip(sums.y, offsets).map(-), "output without a bias")
        expectClose(plan.output(3).floats, sums.dx, "gradient of images")
        expectClose(plan.output(4).floats, sums.dw, "gradient of weights")
        expectClose(plan.output(5).floats, sums.db, "gradient of the bias")

        // The weights, doubled, and for the gradient; multiply-adds are those of the direct convolution.
        let rows = profile.rows
        #expect(rows.filter { $0.operation == "weight transform" }.reduce(0) { $0 + $1.runCount } == (isWinograd ? 3 : 0))
        let direct = c.destination.elementCount * c.inputs * 9
        for (name, count) in [("convolution", 3), ("convolution gradient (weights)", 1)] {
            #expect(rows.filter { $0.operation == name }.reduce(0) { $0 + $1.multiplyAdds } == count * direct)
        }
    }

    /// A gradient of weights, in the layout of its kernel, is read by shards and transformed for what all shards share: it is brought into its order before.
    @Test func gradientsOfWeightsAreWeights() throws {
        let c = Case(batch: 8, height: 8, width: 8, inputs: 32, outputs: 32, padding: 1), sums = Sums(c), shards = 2
        func shape(_ whole: Shape) -> Shape { Shape([c.batch / shards] + whole.dimensions.dropFirst()) }
        let graph = Graph(mode: .training, shardCount: shards, seed: 0), padding = Padding2D.symmetric(1)
        let x = graph.input("x", shape(c.source)), dy = graph.input("dy", shape(c.destination))
        let weight = graph.root.parameter("weight", c.weight, GivenValues(sums.w)), images = graph.root.parameter("images", c.source, GivenValues(sums.x))
        let loss = (x.convolution2D(weight: weight, padding: padding) * dy).sum(axes: [1, 2, 3]).batchMean() * Float(c.batch)
        let dw = gradients(of: loss, withRespectTo: [weight])[0]
        // Read in a later phase than that in which it is made, so that the copy that brings it into its order waits for its readers.
        func mean(_ x: Tensor) -> Tensor { x.mean(axes: [1, 2, 3]).batchMean() }
        let shift = mean(x + mean(x)), shifted = x + shift
        let ofShards = shifted.sum(axes: [1, 2, 3]) + (dw * shifted.sum(axes: [0, 1, 2, 3])).sum(axes: [0, 1, 2, 3])
        let ofAll = (images + shift).convolution2D(weight: dw, padding: padding), store = ParameterStore(graph, seed: 1), pool = WorkerPool(threads: 2)
        let found = try [[ofAll], [ofShards, ofAll]].map { outputs in
            let plan = try Plan(graph, outputs: outputs, store: store, pool: pool)
            try sums.x.withUnsafeBytes { x in try sums.dy.withUnsafeBytes { try plan.run(feeding: [x.baseAddress!, $0.baseAddress!]) } }
            return plan.output(outputs.count - 1).floats
        }
        #expect(found[0].contains { $0 != 0 })
        expectClose(found[1], found[0].map(Double.init), "images that all shards share")
    }
}
