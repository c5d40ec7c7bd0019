/// How far estimates of a number are from the true ones.
public struct EstimateErrors: Sendable, Equatable {
    /// The mean of estimate − target, of its magnitude, and the square root of the mean of its square, all in the target's unit.
    public let bias, meanAbsolute, rootMeanSquare: Double
    /// The share of the targets' variance that the estimates explain; NaN where all targets are one.
    public let determination: Double

    /// The errors of one of the numbers of each image.
    ///
    /// - Parameters:
    ///   - estimates: `[images, count]`.
    ///   - targets: of the same shape.
    ///   - number: which of the `count` numbers.
    public init(estimates: [Float], targets: [Float], number: Int, of count: Int) {
        let places = stride(from: number, to: min(estimates.count, targets.count), by: count), known = Array(places)
        let differences = known.map { Double(estimates[$0]) - Double(targets[$0]) }
        func mean(_ value: (Double) -> Double) -> Double { differences.isEmpty ? .nan : differences.reduce(0) { $0 + value($1) } / Double(differences.count) }
        (bias, meanAbsolute, rootMeanSquare) = (mean { $0 }, mean(abs), mean { $0 * $0 }.squareRoot())
        determination = Measures.determination(estimates: known.map { estimates[$0] }, targets: known.map { targets[$0] }, count: 1)
    }
}
