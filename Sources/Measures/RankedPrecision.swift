/// The average precision of scores for one class: Σ (R_n − R_{n−1}) P_n over the images in the order of falling scores, with the precision P_n and the recall R_n
/// among all of the scores down to the n-th; images of equal scores count together. scikit-learn's `average_precision_score`.
///
/// - Parameters:
///   - scores: of the images.
///   - isPositive: whether an image has the class.
/// - Returns: NaN where no image has the class, or a score is not finite.
public func rankedPrecision(scores: [Float], isPositive: [Bool]) -> Double {
    let total = isPositive.count { $0 }
    guard total > 0, scores.count == isPositive.count, scores.allSatisfy(\.isFinite) else { return .nan }
    let order = scores.indices.sorted { (scores[$1], $0) < (scores[$0], $1) }
    var found = 0, before = 0, sum = 0.0
    for (place, image) in order.enumerated() {
        if isPositive[image] { found += 1 }
        let isLastOfEquals = place == order.count - 1 || scores[order[place + 1]] != scores[image]
        guard isLastOfEquals else { continue }
        sum += Double(found - before) / Double(total) * (Double(found) / Double(place + 1))
        before = found
    }
    return sum
}

/// The share of the targets' variance that estimates explain: 1 − Σ (t − e)² / Σ (t − mean t)² of each number, averaged alike over the numbers of an image that
/// differ from image to image. scikit-learn's `r2_score`, but for numbers without a spread, which have no part in it.
///
/// - Parameters:
///   - estimates: `[images, count]`.
///   - targets: of the same shape.
/// - Returns: NaN where every number is the same for all images.
public func determination(estimates: [Float], targets: [Float], count: Int) -> Double {
    let images = count > 0 ? targets.count / count : 0
    guard images > 0, estimates.count == targets.count else { return .nan }
    let shares = (0..<count).compactMap { number -> Double? in
        let places = stride(from: number, to: targets.count, by: count), mean = places.reduce(0.0) { $0 + Double(targets[$1]) } / Double(images)
        func squares(_ value: (Int) -> Double) -> Double { places.reduce(0) { $0 + value($1) * value($1) } }
        let spread = squares { Double(targets[$0]) - mean }
        return spread > 0 ? 1 - squares { Double(targets[$0]) - Double(estimates[$0]) } / spread : nil
    }
    return shares.isEmpty ? .nan : shares.reduce(0, +) / Double(shares.count)
}
