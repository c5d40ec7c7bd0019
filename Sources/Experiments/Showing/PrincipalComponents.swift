/// Vectors in the plane in which they vary most.
public struct PrincipalComponents: Equatable {
    /// The place of each vector along the first and the second component.
    public let points: [SIMD2<Double>]
    /// The shares of the variance along the two.
    public let shares: SIMD2<Double>

    /// The first two principal components of vectors `[count][width]`, of which there are at least two.
    ///
    /// They are found by orthogonal iteration on the covariance with a few vectors more, whose plane is then diagonalized by Jacobi's rotations. A component's
    /// sign is that with which its largest entry is positive.
    ///
    /// Golub and Van Loan, "Matrix Computations", 4th edition, sections 8.2.4 and 8.5.
    public init(_ vectors: [[Float]]) {
        let count = vectors.count, width = vectors.first?.count ?? 0, basisCount = min(width, 8)
        var mean = [Double](repeating: 0, count: width)
        for vector in vectors { for (index, value) in vector.enumerated() { mean[index] += Double(value) / Double(count) } }
        let centred = vectors.map { vector in vector.indices.map { Double(vector[$0]) - mean[$0] } }
        let total = centred.map { Self.product($0, $0) }.reduce(0, +)
        guard total > 0, basisCount > 0 else {
            (points, shares) = ([SIMD2<Double>](repeating: .zero, count: count), .zero)
            return
        }
        /// XᵀX times each vector.
        func multiplied(_ basis: [[Double]]) -> [[Double]] {
            basis.map { direction in
                var result = [Double](repeating: 0, count: width)
                for vector in centred {
                    let length = Self.product(vector, direction)
                    for index in 0..<width { result[index] += length * vector[index] }
                }
                return result
            }
        }
        // Any start that is not orthogonal to the components.
        var basis = Self.orthonormal((0..<basisCount).map { number in
            (0..<width).map { index -> Double in
                let noise = Double((index * 7919 + number * 104_729) % 1009) / 1009
                return index % basisCount == number ? noise + 4 : noise + 1
            }
        })
        for _ in 0..<200 {
            let next = Self.orthonormal(multiplied(basis))
            // The plane of the first two is found when it no longer turns.
            let turn = next.prefix(2).map { direction -> Double in
                1 - basis.prefix(2).map { Self.product($0, direction) }.reduce(0) { $0 + $1 * $1 }
            }.max() ?? 0
            basis = next
            if turn < 1e-15 { break }
        }
        let images = multiplied(basis)
        let (values, rotations) = Self.eigen(basis.map { row in images.map { Self.product(row, $0) } })
        let order = values.indices.sorted { (values[$1], $0) < (values[$0], $1) }.prefix(2)
        let components = order.map { place -> [Double] in
            var direction = [Double](repeating: 0, count: width)
            for (row, vector) in basis.enumerated() {
                for index in 0..<width { direction[index] += rotations[row][place] * vector[index] }
            }
            let largest = direction.max { abs($0) < abs($1) } ?? 1
            return largest < 0 ? direction.map { -$0 } : direction
        }
        func share(_ number: Int) -> Double { order.count > number ? max(0, values[order[order.startIndex + number]]) / total : 0 }
        points = centred.map { vector in
            SIMD2(Self.product(vector, components[0]), components.count > 1 ? Self.product(vector, components[1]) : 0)
        }
        shares = SIMD2(share(0), share(1))
    }

    private static func product(_ a: [Double], _ b: [Double]) -> Double {
        var sum = 0.0
        for index in a.indices { sum += a[index] * b[index] }
        return sum
    }

    /// Gram and Schmidt, twice; directions that depend on the others become 0.
    private static func orthonormal(_ vectors: [[Double]]) -> [[Double]] {
        var result: [[Double]] = []
        for vector in vectors {
            let size = product(vector, vector).squareRoot()
            var rest = vector
            for _ in 0..<2 {
                for other in result {
                    let share = product(rest, other)
                    for index in rest.indices { rest[index] -= share * other[index] }
                }
            }
            let length = product(rest, rest).squareRoot()
            result.append(rest.map { length > size * 1e-12 && length > 0 ? $0 / length : 0 })
        }
        return result
    }

    /// The eigenvalues of a small symmetric matrix, and the eigenvectors in columns.
    private static func eigen(_ matrix: [[Double]]) -> (values: [Double], vectors: [[Double]]) {
        var a = matrix, v = matrix.indices.map { row in matrix.indices.map { $0 == row ? 1.0 : 0 } }
        let n = matrix.count
        for _ in 0..<60 {
            var rest = 0.0
            for p in 0..<n { for q in 0..<n where q != p { rest += a[p][q] * a[p][q] } }
            if rest == 0 { break }
            for p in 0..<n {
                for q in p + 1..<max(n, p + 1) where a[p][q] != 0 {
                    let theta = (a[q][q] - a[p][p]) / (2 * a[p][q])
                    let t = (theta < 0 ? -1 : 1) / (abs(theta) + (theta * theta + 1).squareRoot()), c = 1 / (t * t + 1).squareRoot(), s = t * c
                    for k in 0..<n { (a[k][p], a[k][q]) = (c * a[k][p] - s * a[k][q], s * a[k][p] + c * a[k][q]) }
                    for k in 0..<n { (a[p][k], a[q][k]) = (c * a[p][k] - s * a[q][k], s * a[p][k] + c * a[q][k]) }
                    for k in 0..<n { (v[k][p], v[k][q]) = (c * v[k][p] - s * v[k][q], s * v[k][p] + c * v[k][q]) }
                    (a[p][q], a[q][p]) = (0, 0)
                }
            }
        }
        return (a.indices.map { a[$0][$0] }, v)
    }
}
