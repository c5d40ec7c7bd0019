import TensorCore

/// Finds centres of points so that the squared distances of the points to their nearest centres are small: Lloyd's passes from the start of k-means++.
///
/// From the same start it finds what scikit-learn's `KMeans` finds; on one thread, so that the bits depend on the points and the stream alone. A centre without points moves to the point that
/// is farthest from its own centre.
///
/// Lloyd, IEEE Transactions on Information Theory 28, 1982; Arthur and Vassilvitskii, "k-means++: The Advantages of Careful Seeding", SODA 2007.
public struct KMeans: Sendable {
    /// How many centres there are.
    public let clusters: Int
    /// How many passes over the points there are at most; fewer where no point changes its centre any more.
    public let iterations: Int
    /// Draws the start.
    public let stream: PhiloxStream

    /// So many centres in so many passes.
    public init(clusters: Int, iterations: Int, stream: PhiloxStream) { (self.clusters, self.iterations, self.stream) = (clusters, iterations, stream) }

    /// The centres `[clusters, length]` of points `[points, length]`, of which there are at least as many.
    ///
    /// - Parameter given: where the centres are at first; nil: at points that are drawn.
    public func centres(of points: [Float], length: Int, startingAt given: [Float]? = nil) -> [Float] {
        let count = points.count / length
        precondition(count >= clusters && clusters > 0, "\(count) points for \(clusters) centres")
        return points.withUnsafeBufferPointer { points in
            let points = Points(values: points, length: length)
            var centres = given ?? start(points), owners = [Int](repeating: -1, count: count), distances = [Float](repeating: 0, count: count)
            for _ in 0..<iterations {
                var hasChanged = false
                for point in 0..<count {
                    let (owner, distance) = points.nearest(to: point, among: centres)
                    if owner != owners[point] { hasChanged = true }
                    (owners[point], distances[point]) = (owner, distance)
                }
                if !hasChanged { break }
                centres = means(points, owners, &distances)
            }
            return centres
        }
    }

    /// The first centre is a point drawn evenly, each further one a point drawn by its squared distance to those that there are.
    private func start(_ points: Points) -> [Float] {
        var draws = stream.draws(time: 0, sample: 0), centres: [Float] = [], distances = [Float](repeating: .infinity, count: points.count)
        var next = draws.integer(below: points.count)
        for number in 0..<clusters {
            let row = Array(points.row(next))
            centres += row
            guard number < clusters - 1 else { break }
            var total = 0.0
            for point in 0..<points.count {
                distances[point] = row.withUnsafeBufferPointer { min(distances[point], points.distance(of: point, to: $0)) }
                total += Double(distances[point])
            }
            var left = Double(draws.uniform()) * total
            // Where all points are centres already, or rounding leaves something, it is the last one.
            next = points.count - 1
            for point in 0..<points.count {
                left -= Double(distances[point])
                if left < 0 {
                    next = point
                    break
                }
            }
        }
        return centres
    }

    private func means(_ points: Points, _ owners: [Int], _ distances: inout [Float]) -> [Float] {
        let length = points.length
        var sums = [Double](repeating: 0, count: clusters * length), counts = [Int](repeating: 0, count: clusters)
        for point in 0..<points.count {
            counts[owners[point]] += 1
            for (place, value) in points.row(point).enumerated() { sums[owners[point] * length + place] += Double(value) }
        }
        var centres = (0..<clusters * length).map { counts[$0 / length] > 0 ? Float(sums[$0] / Double(counts[$0 / length])) : 0 }
        for cluster in 0..<clusters where counts[cluster] == 0 {
            let farthest = distances.indices.max { (distances[$0], $1) < (distances[$1], $0) } ?? 0
            distances[farthest] = 0
            for (place, value) in points.row(farthest).enumerated() { centres[cluster * length + place] = value }
        }
        return centres
    }
}

/// Points where they lie, row after row.
private struct Points {
    let values: UnsafeBufferPointer<Float>
    let length: Int
    var count: Int { values.count / length }

    func row(_ point: Int) -> Slice<UnsafeBufferPointer<Float>> { values[point * length..<(point + 1) * length] }

    /// The squared distance, in the order of eight sums.
    func distance(of point: Int, to centre: UnsafeBufferPointer<Float>) -> Float {
        let first = values.baseAddress! + point * length, second = centre.baseAddress!
        var sums = SIMD8<Float>(repeating: 0), place = 0
        while place + 8 <= length {
            let difference = UnsafeRawPointer(first + place).loadUnaligned(as: SIMD8<Float>.self) - UnsafeRawPointer(second + place).loadUnaligned(as: SIMD8<Float>.self)
            sums += difference * difference
            place += 8
        }
        var sum = sums.sum()
        while place < length {
            sum += (first[place] - second[place]) * (first[place] - second[place])
            place += 1
        }
        return sum
    }

    /// Of equally near centres the first.
    func nearest(to point: Int, among centres: [Float]) -> (centre: Int, distance: Float) {
        centres.withUnsafeBufferPointer { centres in
            var best = (centre: 0, distance: Float.infinity)
            for centre in 0..<centres.count / length {
                let distance = distance(of: point, to: UnsafeBufferPointer(rebasing: centres[centre * length..<(centre + 1) * length]))
                if distance < best.distance { best = (centre, distance) }
            }
            return best
        }
    }
}
