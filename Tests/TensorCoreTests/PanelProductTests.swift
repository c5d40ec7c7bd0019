import CKernels
import TensorCore
import TestSupport
import Testing

/// Products of rows with a matrix in panels against plain sums in float64, and the panels against what they say they are.
struct PanelProductTests {
    /// y [rows, outputs] = x [rows, inputs] wᵀ + b, in float64, and the gradients of all for dy.
    private struct Sums {
        let rows, inputs, outputs: Int
        let x, w, b, dy: [Float]
        private(set) var y, dx, dw, db: [Double]

        init(rows: Int, inputs: Int, outputs: Int) {
            (self.rows, self.inputs, self.outputs) = (rows, inputs, outputs)
            x = normalNumbers(rows * inputs, "x")
            w = normalNumbers(outputs * inputs, "w")
            b = normalNumbers(outputs, "b")
            dy = normalNumbers(rows * outputs, "dy")
            (y, dx, dw, db) = (dy.map { _ in 0 }, x.map { _ in 0 }, w.map { _ in 0 }, b.map { _ in 0 })
            let (wideX, wideW) = (x.map(Double.init), w.map(Double.init))
            for row in 0..<rows {
                for output in 0..<outputs {
                    let gradient = Double(dy[row * outputs + output])
                    var sum = Double(b[output])
                    for input in 0..<inputs {
                        sum += wideX[row * inputs + input] * wideW[output * inputs + input]
                        dx[row * inputs + input] += gradient * wideW[output * inputs + input]
                        dw[output * inputs + input] += gradient * wideX[row * inputs + input]
                    }
                    y[row * outputs + output] = sum
                    db[output] += gradient
                }
            }
        }
    }

    private func expectClose(_ found: some Collection<Float>, _ expected: [Double], _ what: String) {
        let largest = expected.map(abs).max() ?? 0, errors = zip(found, expected).map { abs(Double($0) - $1) / largest }
        #expect(found.count == expected.count && errors.allSatisfy { $0 <= 3e-6 }, "\(what): \(errors.max() ?? 0)")
    }

    /// Memory that begins at a multiple of 64 bytes, full of what must not matter.
    private func withMemory<Result>(_ count: Int, _ body: (UnsafeMutablePointer<Float>) -> Result) -> Result {
        let memory = UnsafeMutableRawPointer.allocate(byteCount: count * 4, alignment: 64).bindMemory(to: Float.self, capacity: count)
        defer { memory.deallocate() }
        memory.update(repeating: .nan, count: count)
        return body(memory)
    }

    /// The last one is so large that it is written past the caches.
    @Test(.enabled(if: kernel_linear_is_fast() != 0, "this machine has no AVX-512"), arguments: [(16, 32), (48, 96), (80, 64), (144, 256)])
    func panelsHoldTheirMatrix(inputs: Int, outputs: Int) {
        let matrix = (0..<inputs * outputs).map(Float.init), width = Int(KERNEL_LINEAR_PANEL)
        for isTransposed in [false, true] {
            withMemory(matrix.count) { panels in
                kernel_linear_panels(matrix, isTransposed ? 1 : 0, panels, Int64(inputs), Int64(outputs))
                #expect((0..<matrix.count).allSatisfy { place in
                    let output = place / width / inputs * width + place % width, input = place / width % inputs
                    return panels[place] == matrix[isTransposed ? output * inputs + input : input * outputs + output]
                })
            }
        }
    }

    /// All heights of panels, one block of columns that fits the second cache, and several.
    @Test(
        .enabled(if: kernel_linear_is_fast() != 0, "this machine has no AVX-512"),
        arguments: (1...15).map { ($0, 48, 96) } + [(29, 80, 32), (55, 1040, 288), (3, 3184, 64)])
    func productsAreExact(rows: Int, inputs: Int, outputs: Int) {
        let sums = Sums(rows: rows, inputs: inputs, outputs: outputs), (r, i, o) = (Int64(rows), Int64(inputs), Int64(outputs))
        withMemory(sums.w.count) { panels in
            kernel_linear_panels(sums.w, 1, panels, i, o)
            // Nothing behind the product is written.
            withMemory(sums.y.count + 1) { y in
                kernel_linear(sums.x, panels, sums.b, y, r, i, o)
                expectClose(UnsafeBufferPointer(start: y, count: sums.y.count), sums.y, "with a bias")
                kernel_linear(sums.x, panels, nil, y, r, i, o)
                let withoutBias = sums.y.indices.map { sums.y[$0] - Double(sums.b[$0 % outputs]) }
                expectClose(UnsafeBufferPointer(start: y, count: sums.y.count), withoutBias, "without")
                #expect(y[sums.y.count].isNaN)
            }
        }
    }

    /// Whether a graph uses them.
    private static let areUsed = kernel_linear_is_fast() != 0 && OneDNN.instructionSet.hasPrefix("avx512")

    /// A graph of two shards with a linear layer, another with doubled weights, and the gradients of the first.
    private func run(_ sums: Sums, rows: Int, _ body: (_ outputs: [[Float]], _ reorders: Int) -> Void) throws {
        let shards = 2, (inputs, outputs) = (sums.inputs, sums.outputs)
        let graph = Graph(mode: .training, shardCount: shards, seed: 0), scope = graph.root
        let x = graph.input("x", [rows / shards, inputs]), dy = graph.input("dy", [rows / shards, outputs])
        let weight = scope.parameter("weight", [outputs, inputs], GivenValues(sums.w)), bias = scope.parameter("bias", [outputs], GivenValues(sums.b))
        let y = x.linear(weight: weight, bias: bias), doubled = x.linear(weight: weight + weight), again = x.linear(weight: weight)
        let loss = (y * dy).sum(axes: [1]).batchMean() * Float(rows)
        let plan = try Plan(
            graph, outputs: [y, doubled, again] + gradients(of: loss, withRespectTo: [x, weight, bias]), store: ParameterStore(graph, seed: 1),
            pool: WorkerPool(threads: 2))
        let profile = PlanProfile(of: plan)
        plan.profile = profile
        try sums.x.withUnsafeBytes { x in try sums.dy.withUnsafeBytes { try plan.run(feeding: [x.baseAddress!, $0.baseAddress!]) } }
        body((0..<6).map { plan.output($0).floats }, profile.rows.filter { $0.operation == "reorder" }.reduce(0) { $0 + $1.runCount })
    }

    /// Sizes that have panels, a square matrix among them, whose two kinds of panels are different numbers, and sizes that have none. Weights that
    /// have two readers are brought into panels once; so are those that are themselves computed.
    @Test(arguments: [(1040, 48, 96, true), (1000, 64, 64, true), (998, 64, 64, false), (1040, 40, 96, false), (1040, 48, 80, false)])
    func layersInAGraph(rows: Int, inputs: Int, outputs: Int, havePanels: Bool) throws {
        let sums = Sums(rows: rows, inputs: inputs, outputs: outputs)
        try run(sums, rows: rows) { found, reorders in
            let withoutBias = sums.y.indices.map { sums.y[$0] - Double(sums.b[$0 % outputs]) }
            expectClose(found[0], sums.y, "output")
            expectClose(found[1], withoutBias.map { 2 * $0 }, "output of doubled weights")
            expectClose(found[2], withoutBias, "output without a bias")
            expectClose(found[3], sums.dx, "gradient of x")
            expectClose(found[4], sums.dw, "gradient of weights")
            expectClose(found[5], sums.db, "gradient of the bias")
            if Self.areUsed { #expect(reorders == (!havePanels ? 0 : inputs == outputs ? 3 : 2)) }
        }
    }

    /// Trainings that were made without panels go on with the same bits.
    @Test(
        .enabled(if: areUsed && OneDNN.version.hasPrefix("2.6."), "oneDNN 2.6 does not use AVX-512 here"),
        arguments: [(64, 64), (640, 128), (1040, 64), (128, 1088)])
    func bitsAreThoseOfOneDNN(inputs: Int, outputs: Int) throws {
        let sums = Sums(rows: 1000, inputs: inputs, outputs: outputs)
        var found: [[[UInt32]]] = []
        for rows in [1000, 998] {
            try run(sums, rows: rows) { outputs, reorders in
                #expect((reorders > 0) == (rows == 1000))
                // The first shard's rows.
                found.append([0, 3].map { Array(outputs[$0].prefix(499 * (outputs[$0].count / rows))).map(\.bitPattern) })
            }
        }
        #expect(found[0] == found[1])
    }
}
