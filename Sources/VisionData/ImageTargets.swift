import Configuration

/// Which classes every image of a data set has: any number of them.
public struct LabelSets: Sendable, Equatable {
    /// How many classes there are.
    public let classCount: Int
    /// 1 where an image has a class, else 0, `[images, classes]` by global index.
    public let values: [UInt8]

    /// 1 where an image has a class, else 0, image after image.
    public init(classCount: Int, _ values: [UInt8]) { (self.classCount, self.values) = (classCount, values) }

    /// Whether an image has a class.
    public func has(_ label: Int, image: Int) -> Bool { values[image * classCount + label] != 0 }
}

/// Numbers that belong to every image of a data set, such as an age.
public struct ImageTargets: Sendable, Equatable {
    /// How many numbers an image has.
    public let count: Int
    /// `[images, count]` by global index.
    public let values: [Float]

    /// The numbers of each image, image after image.
    public init(count: Int, _ values: [Float]) { (self.count, self.values) = (count, values) }
}

extension LabeledImages {
    /// Whether something is said of an image beside its class, so that one class for all is enough.
    public var saysMoreThanLabels: Bool { masks != nil || boxes != nil || labelSets != nil || targets != nil }

    /// - Returns: a sentence on the first thing that is wrong with the sets of labels; nil where they fit the images.
    func complaint(about sets: LabelSets) -> String? {
        if sets.classCount != classCount { return "found label sets of \(grouped(sets.classCount)) classes, expected \(grouped(classCount))" }
        if sets.values.count != labels.count * classCount {
            return "found \(grouped(sets.values.count)) numbers of label sets for \(grouped(labels.count)) images, expected \(grouped(classCount)) for each"
        }
        guard let place = sets.values.firstIndex(where: { $0 > 1 }) else { return nil }
        return "the label set of image \(grouped(place / classCount)) has \(sets.values[place]) for class \(place % classCount), expected 0 or 1"
    }

    /// - Returns: a sentence on the first thing that is wrong with the targets; nil where they fit the images.
    func complaint(about targets: ImageTargets) -> String? {
        if targets.count < 1 || targets.values.count != labels.count * targets.count {
            return "found \(grouped(targets.values.count)) targets for \(grouped(labels.count)) images, expected \(grouped(max(targets.count, 1))) for each"
        }
        guard let place = targets.values.firstIndex(where: { !$0.isFinite }) else { return nil }
        return "the target of image \(grouped(place / targets.count)) is not finite"
    }
}
