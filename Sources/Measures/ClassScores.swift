import Foundation

/// What a classifier says of some images beside what they are, from which accuracies, calibration and the like follow.
///
/// What needs probabilities is NaN where logits are the margins of a hinge loss (`areMargins`), by which classes are only ranked.
///
/// Logits z are `[images, classes]` in float32; what follows from them is computed in double precision, image after image: p = softmax(z). The predicted
/// class is that of the largest logit, of equal ones the first. Measures over images are NaN where there are no images or a logit is not finite.
public struct ClassScores: Sendable {
    /// How many classes there are.
    public let classCount: Int
    /// The class of each image.
    public let labels: [Int]
    /// `[images, classes]`.
    public let logits: [Float]
    /// The predicted class of each image.
    public let predictions: [Int]
    /// Whether logits are margins, whose softmax says nothing of probabilities.
    public let areMargins: Bool
    /// log Σ exp(z) of each image.
    private let normalizers: [Double]
    /// Whether there are images, whose logits are all finite.
    public let isMeasurable: Bool

    /// - Parameters:
    ///   - logits: `[images, classes]`, row after row.
    ///   - labels: the class of each image.
    ///   - areMargins: whether logits are margins (`Sequence<Measure>.areOfMargins`).
    /// - Returns: nil where the numbers do not go together: `classCount` logits for each label, and labels from 0 up to but not `classCount`.
    public init?(logits: [Float], labels: [Int64], classCount: Int, areMargins: Bool = false) {
        guard classCount > 0, logits.count == labels.count * classCount, labels.allSatisfy({ (0..<Int64(classCount)).contains($0) }) else { return nil }
        (self.classCount, self.labels, self.logits) = (classCount, labels.map { Int($0) }, logits)
        self.areMargins = areMargins
        isMeasurable = !labels.isEmpty && logits.allSatisfy(\.isFinite)
        var predictions: [Int] = [], normalizers: [Double] = []
        predictions.reserveCapacity(labels.count)
        normalizers.reserveCapacity(labels.count)
        logits.withUnsafeBufferPointer { logits in
            for start in stride(from: 0, to: logits.count, by: classCount) {
                var best = 0
                for place in 1..<max(classCount, 1) where logits[start + place] > logits[start + best] { best = place }
                let largest = Double(logits[start + best])
                var sum = 0.0
                for place in 0..<classCount { sum += exp(Double(logits[start + place]) - largest) }
                predictions.append(best)
                normalizers.append(largest + log(sum))
            }
        }
        (self.predictions, self.normalizers) = (predictions, normalizers)
    }

    /// The mean of several models' probabilities for the same images, as logits log p, rounded to float32.
    ///
    /// - Returns: nil without models, or where they have other images or classes, or margins in the place of probabilities.
    public init?(meanOf members: [ClassScores]) {
        guard let first = members.first, members.allSatisfy({ $0.classCount == first.classCount && $0.labels == first.labels && !$0.areMargins }) else { return nil }
        let count = Double(members.count), classCount = first.classCount
        let logits = (0..<first.logits.count).map { place -> Float in
            let sum = members.reduce(0.0) { $0 + $1.probability(of: place % classCount, image: place / classCount) }
            // A probability that is too small for a number is the least one.
            return Float(log(max(sum / count, .leastNonzeroMagnitude)))
        }
        self.init(logits: logits, labels: first.labels.map(Int64.init), classCount: classCount)
    }

    /// How many images there are.
    public var imageCount: Int { labels.count }

    /// log softmax(z).
    public func logProbability(of class: Int, image: Int) -> Double { Double(logits[image * classCount + `class`]) - normalizers[image] }

    /// softmax(z).
    public func probability(of class: Int, image: Int) -> Double { exp(logProbability(of: `class`, image: image)) }

    /// What a class is ranked by among the images: its probability, or its margin.
    public func score(of class: Int, image: Int) -> Double {
        areMargins ? Double(logits[image * classCount + `class`]) : probability(of: `class`, image: image)
    }

    /// The probability of the predicted class, or its margin.
    public func confidence(image: Int) -> Double { score(of: predictions[image], image: image) }

    /// Whether the predicted class is the image's.
    public func isRight(image: Int) -> Bool { predictions[image] == labels[image] }

    /// The mean of something over the images; NaN where it cannot be measured.
    func mean(_ value: (_ image: Int) -> Double) -> Double {
        isMeasurable ? labels.indices.reduce(0) { $0 + value($1) } / Double(labels.count) : .nan
    }

    // MARK: Measures over images

    /// The share of images whose class is among the `k` largest logits; of equal ones the first classes go before, so that the top-1 accuracy is the accuracy.
    /// 1 where there are no more than `k` classes.
    public func topAccuracy(_ k: Int) -> Double {
        mean { image in
            let start = image * classCount, label = labels[image], own = logits[start + label]
            var rank = 0
            for place in 0..<classCount where logits[start + place] > own || logits[start + place] == own && place < label { rank += 1 }
            return rank < k ? 1 : 0
        }
    }

    /// −log p of the images' classes, in nat: the cross-entropy, Σ over images / images.
    public var negativeLogLikelihood: Double { areMargins ? .nan : mean { -logProbability(of: labels[$0], image: $0) } }

    /// Σ (p − q)² over the classes, q being 1 for the image's class and else 0; the mean over images, from 0 to 2. Brier, Monthly Weather Review 78, 1950.
    /// Of two classes it is twice what is often given for the one that is called positive.
    public var brierScore: Double {
        areMargins ? .nan : mean { image in
            (0..<classCount).reduce(0) { sum, place in
                let difference = probability(of: place, image: image) - (place == labels[image] ? 1 : 0)
                return sum + difference * difference
            }
        }
    }
}
