import CKernels
import Testing

/// Loops that treat the ends of rows, the number of terms or the place of their result specially, against plain ones.
struct KernelTests {
    /// Distinct numbers of both signs.
    private func numbers(_ count: Int, scale: Float = 1) -> [Float] { (0..<count).map { scale * (Float(($0 * 37 + 11) % 101) / 50 - 1) } }

    /// Pairs of neighbours, pairs of those, and what is left over from the right.
    private func tree(_ terms: [Float]) -> Float {
        guard terms.count > 1 else { return terms[0] }
        let half = terms.count - 1, largest = 1 << (Int.bitWidth - 1 - half.leadingZeroBitCount)
        return tree(Array(terms[..<largest])) + tree(Array(terms[largest...]))
    }

    /// Few numbers, and so many that they are written past the caches, with an end that fills no line.
    @Test(arguments: Array(1...9) + [15, 16, 17], [700, 32781]) func termsAreAddedAsATree(count: Int, length: Int) {
        var terms: [UnsafeMutablePointer<Float>] = []
        for term in 0..<count {
            let values = numbers(length, scale: Float(1 + term * term * 1000))
            terms.append(.allocate(capacity: length))
            for i in 0..<length { terms[term][i] = values[i] + Float(term) / 3 }
        }
        defer { for term in terms { term.deallocate() } }
        let expected: [UInt32] = (0..<length).map { i in tree(terms.map { $0[i] }).bitPattern }
        let sources: [UnsafeRawPointer?] = terms.map { UnsafeRawPointer($0) }
        let sum = UnsafeMutableRawPointer.allocate(byteCount: length * 4, alignment: 64).bindMemory(to: Float.self, capacity: length)
        defer { sum.deallocate() }
        sum.update(repeating: .nan, count: length)
        kernel_tree_sum_f32(sources, Int64(count), sum, Int64(length))
        #expect((0..<length).map { sum[$0].bitPattern } == expected)
        // In place of its last term, as the second shard of a pair does.
        kernel_tree_sum_f32(sources, Int64(count), terms[count - 1], Int64(length))
        #expect((0..<length).map { terms[count - 1][$0].bitPattern } == expected)
    }

    @Test(arguments: [1, 2, 15, 16, 17, 31, 32, 33, 50, 197]) func softmaxReachesTheEndOfARow(width: Int) {
        let rows = 3, x = numbers(rows * width, scale: 4)
        var y = [Float](repeating: 0, count: rows * width)
        kernel_softmax(x, &y, Int64(rows), Int64(width), 0.5)
        for row in 0..<rows {
            let exponentials = x[row * width..<(row + 1) * width].map { exponential(0.5 * Double($0)) }, total = exponentials.reduce(0, +)
            for column in 0..<width { #expect(abs(Double(y[row * width + column]) - exponentials[column] / total) < 1e-6) }
        }
        let inPlace = UnsafeMutablePointer<Float>.allocate(capacity: x.count)
        defer { inPlace.deallocate() }
        inPlace.initialize(from: x, count: x.count)
        kernel_softmax(inPlace, inPlace, Int64(rows), Int64(width), 0.5)
        #expect(y.indices.allSatisfy { inPlace[$0].bitPattern == y[$0].bitPattern })
        // The largest number is found wherever it is: without it, the exponential would be infinite.
        for column in 0..<width {
            var row = [Float](repeating: -1000, count: width), result = row
            row[column] = 1000
            kernel_softmax(row, &result, 1, Int64(width), 1)
            #expect(result[column] == 1)
        }
    }

    private func exponential(_ x: Double) -> Double {
        var term = 1.0, sum = 1.0
        for k in 1..<40 {
            term *= x / Double(k)
            sum += term
        }
        return sum
    }

    /// The value beside a slope has the bits of the value alone; x may give its place to the slope.
    @Test(arguments: [KERNEL_SWISH, KERNEL_GELU, KERNEL_GELU_TANH], [KERNEL_FLOAT32, KERNEL_BFLOAT16])
    func slopesComeWithTheSameValues(function: kernel_unary_op, type: kernel_type) {
        let count = 2 * 1024 + 37
        let x = type == KERNEL_BFLOAT16 ? numbers(count, scale: 4).map { Float(bitPattern: $0.bitPattern & 0xffff_0000) } : numbers(count, scale: 4)
        func stored(_ values: [Float]) -> [UInt16] {
            values.flatMap { type == KERNEL_BFLOAT16 ? [UInt16($0.bitPattern >> 16)] : [UInt16($0.bitPattern & 0xffff), UInt16($0.bitPattern >> 16)] }
        }
        var alone = stored(x), y = alone, slope = alone, place = alone
        kernel_unary(function, stored(x), &alone, Int64(count), 1.3, type)
        kernel_unary_with_slope(function, stored(x), &y, &slope, Int64(count), 1.3, type)
        #expect(y == alone)
        place.withUnsafeMutableBytes { place in
            kernel_unary_with_slope(function, place.baseAddress!, &y, place.baseAddress!, Int64(count), 1.3, type)
        }
        #expect(y == alone)
        #expect(place == slope)
    }

    /// More channels than are taken at once, and numbers of rows that four does not divide.
    @Test(arguments: [1, 4, 7, 9], [3, 64, 513, 1030]) func batchNormSumsTakeAllRowsAndChannels(rows: Int, channels: Int) {
        let x = numbers(rows * channels, scale: 2), dy = numbers(rows * channels).reversed() as [Float]
        let mean = numbers(channels).map { Double($0) + 1e-9 }, offset = numbers(channels, scale: 0.3), scale = numbers(channels).map { 1 + $0 / 4 }
        let rstd = numbers(channels).map { 1.5 + $0 }
        var moments = [Double](repeating: 0, count: 3 * channels), sums = [Double](repeating: 0, count: 2 * channels)
        kernel_channel_moments(x, &moments, Int64(rows), Int64(channels), KERNEL_FLOAT32)
        kernel_batch_norm_gradient_sums(x, mean, rstd, scale, offset, dy, &sums, Int64(rows), Int64(channels), 1, KERNEL_FLOAT32)
        var y = [Float](repeating: 0, count: rows * channels), dx = y
        kernel_batch_norm(x, mean, rstd, scale, offset, nil, &y, Int64(rows), Int64(channels), 1, KERNEL_FLOAT32)
        kernel_batch_norm_gradient(
            x, mean, rstd, scale, offset, dy, sums, Double(rows), &dx, Int64(rows), Int64(channels), 1, KERNEL_FLOAT32)
        for c in 0..<channels {
            let column = (0..<rows).map { $0 * channels + c }
            let normalized = column.map { (Double(x[$0]) - mean[c]) * Double(rstd[c]) }
            let active = normalized.map { $0 * Double(scale[c]) + Double(offset[c]) }
            let g = column.indices.map { active[$0] > 0 ? Double(dy[column[$0]]) : 0 }
            let columnMean = column.reduce(0) { $0 + Double(x[$1]) } / Double(rows)
            #expect(moments[c] == Double(rows))
            #expect(abs(moments[channels + c] - columnMean) < 1e-6)
            #expect(abs(moments[2 * channels + c] - column.reduce(0) { $0 + (Double(x[$1]) - columnMean) * (Double(x[$1]) - columnMean) }) < 1e-5)
            let total = g.reduce(0, +), dot = zip(g, normalized).reduce(0) { $0 + $1.0 * $1.1 }
            #expect(abs(sums[c] - total) < 1e-5)
            #expect(abs(sums[channels + c] - dot) < 1e-4)
            for (row, index) in column.enumerated() {
                #expect(abs(Double(y[index]) - max(active[row], 0)) < 1e-5)
                let expected = Double(scale[c] * rstd[c]) * (g[row] - total / Double(rows) - normalized[row] * dot / Double(rows))
                #expect(abs(Double(dx[index]) - expected) < 1e-4)
            }
        }
    }
}
