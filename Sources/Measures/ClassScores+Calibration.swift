/// Images of about the same confidence.
public struct ReliabilityBin: Sendable, Equatable {
    /// Confidences from the first number up to but not the second; in the last bin also 1.
    public let range: Range<Double>
    /// How many images there are.
    public let count: Int
    /// Their mean confidence; NaN without images.
    public let confidence: Double
    /// The share of them whose predicted class is right; NaN without images.
    public let accuracy: Double
}

extension ClassScores {
    /// How many bins the calibration error has unless said otherwise.
    public static let usualBinCount = 15

    /// The images in bins of equal width by their confidence: what a reliability diagram draws. All bins are empty where nothing can be measured.
    public func reliability(bins count: Int = usualBinCount) -> [ReliabilityBin] {
        precondition(count > 0, "there is at least one bin")
        let edges = (0...count).map { Double($0) / Double(count) }
        var images = [Int](repeating: 0, count: count), right = images, confidences = [Double](repeating: 0, count: count)
        if isMeasurable, !areMargins {
            for image in labels.indices {
                let confidence = confidence(image: image)
                var bin = min(count - 1, Int(confidence * Double(count)))
                // The product is rounded; what counts is the edge.
                while bin > 0, confidence < edges[bin] { bin -= 1 }
                while bin < count - 1, confidence >= edges[bin + 1] { bin += 1 }
                images[bin] += 1
                confidences[bin] += confidence
                if isRight(image: image) { right[bin] += 1 }
            }
        }
        return (0..<count).map { bin in
            let total = Double(images[bin])
            return ReliabilityBin(
                range: edges[bin]..<edges[bin + 1], count: images[bin], confidence: images[bin] > 0 ? confidences[bin] / total : .nan,
                accuracy: images[bin] > 0 ? Double(right[bin]) / total : .nan)
        }
    }

    /// The expected calibration error: Σ |accuracy − confidence| · images / all images over bins of equal width.
    /// Naeini, Cooper and Hauskrecht, AAAI 2015; Guo et al., ICML 2017.
    public func calibrationError(bins count: Int = usualBinCount) -> Double {
        guard isMeasurable, !areMargins else { return .nan }
        return reliability(bins: count).reduce(0) { sum, bin in
            bin.count == 0 ? sum : sum + abs(bin.accuracy - bin.confidence) * Double(bin.count) / Double(imageCount)
        }
    }
}
