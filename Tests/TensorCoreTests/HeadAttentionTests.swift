import CKernels
import Foundation
import Testing

/// The kernel of attention over few keys, and its gradients, against plain sums in float64.
struct HeadAttentionTests {
    struct Case: CustomTestStringConvertible {
        var queries, keys, width, valueWidth: Int
        var heads = 1
        /// The groups of each bias.
        var biases: [Int] = []

        var testDescription: String { "\(queries) × \(keys), \(width) and \(valueWidth) wide, \(heads) heads, biases \(biases)" }
    }

    /// Panels of 14 or 6 queries and of 32 or 16 keys, their ends and single ones; rows of 16 numbers and the ends of those; the most keys.
    static let cases = [
        Case(queries: 1, keys: 1, width: 1, valueWidth: 1), Case(queries: 6, keys: 4, width: 4, valueWidth: 4, heads: 2, biases: [1]), Case(queries: 3, keys: 17, width: 5, valueWidth: 9, heads: 2),
        Case(queries: 14, keys: 16, width: 16, valueWidth: 16), Case(queries: 15, keys: 33, width: 31, valueWidth: 33, heads: 3, biases: [1]),
        Case(queries: 49, keys: 49, width: 32, valueWidth: 32, heads: 3, biases: [1, 2]), Case(queries: 50, keys: 50, width: 64, valueWidth: 64, heads: 2),
        Case(queries: 29, keys: 512, width: 20, valueWidth: 36), Case(queries: 197, keys: 197, width: 24, valueWidth: 24, biases: [2]),
    ]

    /// So many numbers, and others behind them that nothing may write.
    private final class Numbers {
        let values: UnsafeMutablePointer<Float>
        let count: Int

        init(_ count: Int, _ number: (Int) -> Float) {
            self.count = count
            values = .allocate(capacity: count + 64)
            for i in 0..<count { values[i] = number(i) }
            for i in count..<count + 64 { values[i] = 7e30 }
        }

        deinit { values.deallocate() }

        /// Whether nothing behind the last number was written.
        var isWhole: Bool { (count..<count + 64).allSatisfy { values[$0] == 7e30 } }
        subscript(i: Int) -> Double { Double(values[i]) }
    }

    private static func number(_ i: Int, _ salt: Int) -> Float { Float((i * 7919 + salt * 104_729) % 2003) / 1001 - 1 }

    @Test(arguments: cases) func equalsSums(of c: Case) {
        let batch = 2, (n, m, d, e, h) = (c.queries, c.keys, c.width, c.valueWidth, c.heads), scale = 1.5 / Double(d).squareRoot()
        func operand(_ rows: Int, _ width: Int, _ salt: Int) -> Numbers { Numbers(batch * rows * h * width) { Self.number($0, salt) } }
        let (q, k, v, dy) = (operand(n, d, 1), operand(m, d, 2), operand(m, e, 3), operand(n, e, 4))
        let empty = { (like: Numbers) in Numbers(like.count) { _ in .nan } }
        let (y, dq, dk, dv) = (empty(dy), empty(q), empty(k), empty(v)), p = Numbers(batch * h * n * m) { _ in .nan }
        let biases = c.biases.enumerated().map { place, groups in Numbers(groups * h * n * m) { Self.number($0, 5 + place) } }
        let sums = biases.map { UnsafeMutablePointer<Double>.allocate(capacity: $0.count) }
        defer { sums.forEach { $0.deallocate() } }

        var scores = kernel_scores()
        (scores.batch, scores.heads, scores.queries, scores.keys) = (Int64(batch), Int64(h), Int64(n), Int64(m))
        (scores.scale, scores.type, scores.bias_count) = (Float(scale), KERNEL_FLOAT32, Int32(biases.count))
        withUnsafeMutableBytes(of: &scores.biases) { bytes in
            for (place, bias) in biases.enumerated() {
                sums[place].initialize(repeating: 0, count: bias.count)
                bytes.bindMemory(to: kernel_score_bias.self)[place] = kernel_score_bias(
                    values: bias.values, sums: sums[place], groups: Int64(c.biases[place]), heads: Int64(h))
            }
        }
        var head = kernel_head(
            sample: 0, head: 0, queries: Int64(n), keys: Int64(m), width: Int64(d), value_width: Int64(e), q_row: Int64(h * d), k_row: Int64(h * d),
            v_row: Int64(h * e), y_row: Int64(h * e))
        let bytes = Int(kernel_head_memory(&head)) * 4, memory = UnsafeMutableRawPointer.allocate(byteCount: bytes, alignment: 64)
        defer { memory.deallocate() }
        let floats = memory.bindMemory(to: Float.self, capacity: bytes / 4)
        for pass in 0..<2 {
            floats.update(repeating: .nan, count: bytes / 4)
            for number in 0..<batch * h {
                let (sample, place) = (number / h, number % h)
                (head.sample, head.head) = (Int64(sample), Int64(place))
                func at(_ x: Numbers, _ rows: Int, _ width: Int) -> UnsafeMutablePointer<Float> { x.values + (sample * rows * h + place) * width }
                let (qs, ks, vs, ps) = (at(q, n, d), at(k, m, d), at(v, m, e), p.values + number * n * m)
                if pass == 0 {
                    kernel_head_attention(&scores, &head, qs, ks, vs, ps, at(y, n, e), floats)
                } else {
                    kernel_head_attention_gradient(&scores, &head, qs, ks, vs, ps, at(dy, n, e), at(dq, n, d), at(dk, m, d), at(dv, m, e), floats)
                }
            }
        }
        #expect([y, p, dq, dk, dv].allSatisfy { $0.isWhole })

        var errors: [String: Double] = [:], expectedSums = biases.map { [Double](repeating: 0, count: $0.count) }
        func compare(_ name: String, _ found: Double, _ expected: Double) { errors[name] = max(errors[name] ?? 0, abs(found - expected)) }
        for number in 0..<batch * h {
            let (sample, place) = (number / h, number % h)
            func at(_ rows: Int, _ row: Int, _ width: Int, _ i: Int) -> Int { ((sample * rows + row) * h + place) * width + i }
            var (dks, dvs) = ([Double](repeating: 0, count: m * d), [Double](repeating: 0, count: m * e))
            for i in 0..<n {
                let places = c.biases.map { ((sample % $0 * h + place) * n + i) * m }
                var row = (0..<m).map { j in
                    scale * (0..<d).reduce(0) { $0 + q[at(n, i, d, $1)] * k[at(m, j, d, $1)] } + zip(biases, places).reduce(0) { $0 + $1.0[$1.1 + j] }
                }
                let top = row.max()!
                row = row.map { exp($0 - top) }
                let total = row.reduce(0, +)
                row = row.map { $0 / total }
                let dp = (0..<m).map { j in (0..<e).reduce(0) { $0 + dy[at(n, i, e, $1)] * v[at(m, j, e, $1)] } }
                let dot = zip(row, dp).reduce(0) { $0 + $1.0 * $1.1 }, g = zip(row, dp).map { $0 * ($1 - dot) }
                for j in 0..<m {
                    compare("p", p[(number * n + i) * m + j], row[j])
                    for (bias, place) in places.enumerated() { expectedSums[bias][place + j] += g[j] }
                    for t in 0..<d { dks[j * d + t] += scale * g[j] * q[at(n, i, d, t)] }
                    for t in 0..<e { dvs[j * e + t] += row[j] * dy[at(n, i, e, t)] }
                }
                for t in 0..<e { compare("y", y[at(n, i, e, t)], (0..<m).reduce(0) { $0 + row[$1] * v[at(m, $1, e, t)] }) }
                for t in 0..<d { compare("dq", dq[at(n, i, d, t)], scale * (0..<m).reduce(0) { $0 + g[$1] * k[at(m, $1, d, t)] }) }
            }
            for j in 0..<m {
                for t in 0..<d { compare("dk", dk[at(m, j, d, t)], dks[j * d + t]) }
                for t in 0..<e { compare("dv", dv[at(m, j, e, t)], dvs[j * e + t]) }
            }
        }
        for (bias, expected) in expectedSums.enumerated() {
            for (i, sum) in expected.enumerated() { compare("bias \(bias)", sums[bias][i], sum) }
        }
        for (name, error) in errors { #expect(error < 5e-6, "\(name)") }
    }
}
