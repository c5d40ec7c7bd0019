import TensorCore

/// The triplets of a shard, an anchor a, a positive p of its class and a negative n of another, and those of them that count.
///
/// With the squared distances d `[B, B]`, labels `[B]`, and 1 where a place holds an image `[B]`, the loss of an anchor Σ max(0, d(a, p) − d(a, n) + α) is
/// Σⱼ w(a, j) d(a, j) + c(a): w counts how often j is the positive less how often it is the negative of a triplet that counts and has a loss, c is α times the
/// number of these. That has the loss's gradient too, without a number for each triplet.
///
/// Gives w `[B, B]`, c, the number of triplets that count, of easy, semi-hard and hard ones, and of all, each `[B]`.
struct TripletMining: SampleFunction {
    let mining: MetricLearningOptions.Mining
    let margin: Float
    /// B.
    let count: Int

    var name: String { "mined triplets" }
    var outputCount: Int { 7 }

    func outputShapes(_ inputs: [Shape]) throws(ShapeError) -> [Shape] {
        guard inputs == [[count, count], [count], [count]] else {
            throw ShapeError("of \(inputs.map(\.description).joined(separator: ", ")): expected distances of \(count) images, and two vectors")
        }
        return [[count, count]] + [Shape](repeating: [count], count: 6)
    }

    func compute(_ inputs: [UnsafePointer<Float>], _ outputs: [UnsafeMutablePointer<Float>]) {
        let labels = inputs[1], present = inputs[2]
        outputs[0].update(repeating: 0, count: count * count)
        for output in outputs.dropFirst() { output.update(repeating: 0, count: count) }
        for anchor in 0..<count where present[anchor] != 0 {
            let row = inputs[0] + anchor * count, weights = outputs[0] + anchor * count
            var farthest = -1, nearest = -1
            var counts = SIMD4<Float>()
            func take(_ positive: Int, _ negative: Int) {
                outputs[2][anchor] += 1
                guard row[positive] - row[negative] + margin > 0 else { return }
                weights[positive] += 1
                weights[negative] -= 1
                outputs[1][anchor] += margin
            }
            for positive in 0..<count where positive != anchor && present[positive] != 0 && labels[positive] == labels[anchor] {
                if farthest < 0 || row[positive] > row[farthest] { farthest = positive }
                for negative in 0..<count where present[negative] != 0 && labels[negative] != labels[anchor] {
                    if nearest < 0 || row[negative] < row[nearest] { nearest = negative }
                    let isHard = row[negative] <= row[positive], isEasy = !isHard && row[positive] - row[negative] + margin <= 0
                    counts += isEasy ? SIMD4(1, 0, 0, 1) : isHard ? SIMD4(0, 0, 1, 1) : SIMD4(0, 1, 0, 1)
                    let counted =
                        switch mining {
                        case .all: true
                        case .easy: isEasy
                        case .semiHard: !isEasy && !isHard
                        case .hard: isHard
                        case .batchHard: false
                        }
                    if counted { take(positive, negative) }
                }
            }
            if mining == .batchHard, farthest >= 0, nearest >= 0 { take(farthest, nearest) }
            for part in 0..<4 { outputs[3 + part][anchor] = counts[part] }
        }
    }
}
