import Foundation

extension ClassScores {
    /// Between which temperatures one is looked for.
    private static let temperatures = 0.01...100.0

    /// The temperature T by which all logits are divided so that the negative log-likelihood of these images is least: what a calibrated network would have been
    /// trained with. To be found on validation images and used on others.
    ///
    /// In β = 1 / T the likelihood is convex, with the slope mean(E_p[z] − z_y) and the curvature mean(Var_p[z]), p = softmax(β z): Newton's steps, and halves of
    /// the interval where a step leaves it.
    ///
    /// Guo, Pleiss, Sun and Weinberger, "On Calibration of Modern Neural Networks", ICML 2017.
    ///
    /// - Returns: NaN where nothing can be measured, and where there is no least value between 0.01 and 100: where every image is classified rightly, the smaller T the
    ///   better.
    public var calibratingTemperature: Double {
        guard isMeasurable, !areMargins else { return .nan }
        func slope(_ beta: Double) -> (first: Double, second: Double) {
            var first = 0.0, second = 0.0
            for image in 0..<imageCount {
                let start = image * classCount, largest = (0..<classCount).reduce(-Double.infinity) { max($0, Double(logits[start + $1])) }
                var total = 0.0, mean = 0.0, square = 0.0
                for place in 0..<classCount {
                    // From the largest on, so that squares lose nothing.
                    let z = Double(logits[start + place]) - largest, weight = exp(beta * z)
                    (total, mean, square) = (total + weight, mean + weight * z, square + weight * z * z)
                }
                mean /= total
                first += mean - (Double(logits[start + labels[image]]) - largest)
                second += max(square / total - mean * mean, 0)
            }
            return (first / Double(imageCount), second / Double(imageCount))
        }
        var low = 1 / Self.temperatures.upperBound, high = 1 / Self.temperatures.lowerBound
        guard slope(low).first < 0, slope(high).first > 0 else { return .nan }
        var beta = 1.0
        for _ in 0..<200 {
            let (first, second) = slope(beta)
            if first == 0 { break }
            if first < 0 { low = beta } else { high = beta }
            let step = beta - first / second, next = step > low && step < high ? step : (low + high) / 2
            let isDone = abs(next - beta) <= 1e-12 * beta
            beta = next
            if isDone { break }
        }
        return 1 / beta
    }

    /// The same images with logits divided by a temperature; nil where it is no number above 0.
    public func scaled(by temperature: Double) -> ClassScores? {
        guard temperature > 0, temperature.isFinite else { return nil }
        return ClassScores(logits: logits.map { Float(Double($0) / temperature) }, labels: labels.map(Int64.init), classCount: classCount, areMargins: areMargins)
    }
}
