/// How well images of one class are told from all others.
public struct ClassMeasures: Sendable, Equatable {
    /// Images of the class.
    public let imageCount: Int
    /// Images that were taken for it.
    public let predictedCount: Int
    /// Images of the class that were taken for it.
    public let rightCount: Int
    /// The area under the receiver operating characteristic of the class's probability against all others; NaN where all images, or none, are of the class.
    public let auc: Double

    /// The counts of a class and its area, NaN where that is not known.
    public init(imageCount: Int, predictedCount: Int, rightCount: Int, auc: Double = .nan) {
        (self.imageCount, self.predictedCount, self.rightCount, self.auc) = (imageCount, predictedCount, rightCount, auc)
    }

    /// Right / predicted; NaN of a class that nothing was taken for.
    public var precision: Double { predictedCount == 0 ? .nan : Double(rightCount) / Double(predictedCount) }
    /// Right / images; NaN of a class without images.
    public var recall: Double { imageCount == 0 ? .nan : Double(rightCount) / Double(imageCount) }
    /// The harmonic mean of precision and recall, 2 right / (images + predicted): 0 where one of the two is not defined, NaN where neither is.
    public var f1: Double { imageCount + predictedCount == 0 ? .nan : 2 * Double(rightCount) / Double(imageCount + predictedCount) }
    /// Intersection over union, right / (images + predicted − right); NaN where there are neither.
    public var iou: Double {
        let union = imageCount + predictedCount - rightCount
        return union == 0 ? .nan : Double(rightCount) / Double(union)
    }
}

extension ClassScores {
    /// The measures of each class.
    ///
    /// - Parameter withAUC: whether the areas are computed too, for which the images are sorted once a class; else they are NaN.
    public func classes(withAUC: Bool = true) -> [ClassMeasures] {
        var images = [Int](repeating: 0, count: classCount), predicted = images, right = images
        for image in labels.indices {
            images[labels[image]] += 1
            predicted[predictions[image]] += 1
            if isRight(image: image) { right[labels[image]] += 1 }
        }
        return (0..<classCount).map {
            ClassMeasures(imageCount: images[$0], predictedCount: predicted[$0], rightCount: right[$0], auc: withAUC ? areaUnderCurve(of: $0) : .nan)
        }
    }

    /// The mean of a measure over the classes that have it; NaN where none has.
    private func macro(withAUC: Bool = false, _ value: (ClassMeasures) -> Double) -> Double {
        guard isMeasurable else { return .nan }
        let values = classes(withAUC: withAUC).map(value).filter { !$0.isNaN }
        return values.isEmpty ? .nan : values.reduce(0, +) / Double(values.count)
    }

    /// The mean recall of the classes that have images.
    public var balancedAccuracy: Double { macro(\.recall) }

    /// The mean F1 of the classes that have images or were predicted.
    public var macroF1: Double { macro(\.f1) }

    /// The mean precision of the classes that have images or were predicted; 0 counts for one that was not predicted.
    public var macroPrecision: Double { macro { $0.imageCount + $0.predictedCount == 0 ? .nan : $0.predictedCount == 0 ? 0 : $0.precision } }

    /// The mean over the classes of the area under the curve of each against all others. Hand and Till, Machine Learning 45, 2001, have also the pairs.
    public var macroAUC: Double { macro(withAUC: true, \.auc) }

    /// The area of a class: the share of pairs, of an image of the class and one of another, in which the class's probability, or its margin, is larger for the former, pairs
    /// of equal ones counting half (Mann and Whitney, 1947).
    public func areaUnderCurve(of class: Int) -> Double {
        guard isMeasurable else { return .nan }
        let images = labels.indices.map { (score: score(of: `class`, image: $0), isOwn: labels[$0] == `class`) }.sorted { $0.score < $1.score }
        let ownCount = images.count { $0.isOwn }, otherCount = images.count - ownCount
        guard ownCount > 0, otherCount > 0 else { return .nan }
        // Twice the number of pairs: those of other images below, and those equal.
        var wins = 0, othersBelow = 0, start = 0
        while start < images.count {
            var end = start, own = 0
            while end < images.count, images[end].score == images[start].score {
                own += images[end].isOwn ? 1 : 0
                end += 1
            }
            let others = end - start - own
            wins += own * (2 * othersBelow + others)
            othersBelow += others
            start = end
        }
        return Double(wins) / 2 / (Double(ownCount) * Double(otherCount))
    }
}
