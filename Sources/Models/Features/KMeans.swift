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
    /// - Throws: `RecordingError` when there is too little memory.
    public func centres(of points: [Float], length: Int, startingAt given: [Float]? = nil) throws -> [Float] {
        let count = points.count / length
        precondition(count >= clusters && clusters > 0, "\(count) points for \(clusters) centres")
        return try points.withUnsafeBufferPointer { values in
            let points = Points(values: values, length: length), nearest = try NearestCentres(points, clusters: clusters)
            var centres = try given ?? start(points), owners: [Int32] = []
            for _ in 0..<iterations {
                let found = try nearest.find(among: centres)
                if found.owners == owners { break }
                owners = found.owners
                centres = means(points, owners, found.distances)
            }
            return centres
        }
    }

    /// The first centre is a point drawn evenly, each further one a point drawn by its squared distance to those that there are.
    private func start(_ points: Points) throws -> [Float] {
        let nearest = try NearestCentres(points, clusters: 1)
        var draws = stream.draws(time: 0, sample: 0), centres: [Float] = [], distances = [Float](repeating: .infinity, count: points.count)
        var next = draws.integer(below: points.count)
        for number in 0..<clusters {
            let row = points.row(next)
            centres += row
            guard number < clusters - 1 else { break }
            let added = try nearest.find(among: row).distances
            var total = 0.0
            for point in 0..<points.count {
                distances[point] = min(distances[point], added[point])
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

    private func means(_ points: Points, _ owners: [Int32], _ distances: [Float]) -> [Float] {
        let length = points.length
        var sums = [Double](repeating: 0, count: clusters * length), counts = [Int](repeating: 0, count: clusters), distances = distances
        sums.withUnsafeMutableBufferPointer { sums in
            for point in 0..<points.count {
                let owner = Int(owners[point])
                counts[owner] += 1
                for place in 0..<length { sums[owner * length + place] += Double(points.values[point * length + place]) }
            }
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

extension Tensor {
    /// p · c − |c|² / 2 of points `[B, N, D]` and centres `[1, K, D]` or `[K, D]`, largest for the centre that is nearest, in the points' own precision: `[B, N, K]`.
    func nearness(to centres: Tensor) -> Tensor {
        guard isValid, centres.isValid else { return self }
        let (count, length) = (centres.shape[-2], centres.shape[-1]), rows = centres.reshaped([1, count, length])
        return matmul(rows.broadcast(to: [shape[0], count, length]), transposeB: true) - (rows.square().sum(axes: [2]) * 0.5).reshaped([1, 1, count])
    }
}

/// Points where they lie, row after row.
private struct Points {
    let values: UnsafeBufferPointer<Float>
    let length: Int
    var count: Int { values.count / length }

    func row(_ point: Int) -> [Float] { Array(values[point * length..<(point + 1) * length]) }
}

/// The nearest centre of each of some points, and its squared distance: |p − c|² = |p|² − 2 (p · c − |c|² / 2), a matrix product for each block of points.
private struct NearestCentres {
    private static let largestBlock = 4_096

    private let points: Points
    private let block: Int
    private let plan: Plan

    init(_ points: Points, clusters: Int) throws {
        self.points = points
        block = min(points.count, Self.largestBlock)
        let graph = Graph(), rows = graph.input("points", [1, block, points.length]), centres = graph.input("centres", [1, clusters, points.length])
        let scores = rows.nearness(to: centres)
        plan = try Plan(graph, outputs: [scores.indexOfLargest(), scores.max(axes: [2]), rows.square().sum(axes: [2])], pool: WorkerPool(threads: 1))
    }

    /// The last block ends with the last point, and has some of the points before it again.
    private func forEachBlock(_ centres: [Float], _ body: (_ start: Int, _ plan: Plan) -> Void) throws {
        try centres.withUnsafeBytes { centres in
            for first in stride(from: 0, to: points.count, by: block) {
                let start = min(first, points.count - block)
                try plan.run(feeding: [UnsafeRawPointer(points.values.baseAddress! + start * points.length), centres.baseAddress!])
                body(start, plan)
            }
        }
    }

    /// Of equally near centres the first.
    func find(among centres: [Float]) throws -> (owners: [Int32], distances: [Float]) {
        var owners = [Int32](repeating: 0, count: points.count), distances = [Float](repeating: 0, count: points.count)
        try forEachBlock(centres) { start, plan in
            let nearest = plan.outputPointer(0).assumingMemoryBound(to: Int32.self), scores = plan.outputPointer(1).assumingMemoryBound(to: Float.self)
            let squares = plan.outputPointer(2).assumingMemoryBound(to: Float.self)
            for place in 0..<block {
                owners[start + place] = nearest[place]
                distances[start + place] = max(squares[place] - 2 * scores[place], 0)
            }
        }
        return (owners, distances)
    }
}
