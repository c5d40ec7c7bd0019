/// Average precision of detections as COCO defines it, and its mean over the classes.
///
/// For an IoU threshold, the detections of a class in an image are taken by falling score, at most 100 of them; each takes the object of the class with
/// which it overlaps most, among those that are free and overlap by at least the threshold, of equal ones the last. Over all images, by falling score:
///
///     precision = true / (true + false),   recall = true / objects,   AP = 1/101 Σ_{r = 0, 0.01 … 1} max precision at a recall of at least r
///
/// Detections of equal scores are in the order of the images, and within an image in their own. A class without objects has no average precision and
/// does not count in the mean. Objects of all sizes count; there are no crowds. The figures are those of pycocotools' `COCOeval` for `iouType="bbox"`.
///
/// Lin et al., "Microsoft COCO: Common Objects in Context", ECCV 2014.
public struct AveragePrecision: Sendable {
    /// 0.5, 0.55 … 0.95.
    public static let thresholds = spaced(from: 0.5, to: 0.95, count: 10)
    private static let recalls = spaced(from: 0, to: 1, count: 101)
    /// How many detections of a class count in an image.
    public static let most = 100

    /// As `numpy.linspace` has it, to the last bit.
    private static func spaced(from first: Double, to last: Double, count: Int) -> [Double] {
        let step = (last - first) / Double(count - 1)
        return (0..<count).map { $0 == count - 1 ? last : Double($0) * step + first }
    }

    /// What became of a detection: whether it took an object, for each threshold.
    private struct Outcome {
        let score: Double
        let isTrue: [Bool]
    }

    private var outcomes: [[Outcome]]
    private var objectCounts: [Int]

    /// Of so many classes, of no image yet.
    public init(classCount: Int) {
        outcomes = [[Outcome]](repeating: [], count: classCount)
        objectCounts = [Int](repeating: 0, count: classCount)
    }

    /// Takes note of an image: what was found in it, and what there is.
    public mutating func add(_ detections: [Detection], objects: [(label: Int, box: Box)]) {
        for object in objects { objectCounts[object.label] += 1 }
        let ordered = detections.byScore
        for label in Set(detections.map(\.label)) {
            let found = Array(ordered.lazy.filter { $0.label == label }.prefix(Self.most)), boxes = objects.filter { $0.label == label }.map(\.box)
            let overlaps = found.map { detection in boxes.map { detection.box.overlap(with: $0) } }
            var matches = found.map { _ in [Bool]() }
            for threshold in Self.thresholds {
                var isTaken = boxes.map { _ in false }
                for place in found.indices {
                    var best = min(threshold, 1 - 1e-10), match: Int?
                    for object in boxes.indices where !isTaken[object] && overlaps[place][object] >= best { (best, match) = (overlaps[place][object], object) }
                    if let match { isTaken[match] = true }
                    matches[place].append(match != nil)
                }
            }
            outcomes[label] += zip(found, matches).map { Outcome(score: $0.score, isTrue: $1) }
        }
    }

    /// The average precision of each class at one of `thresholds`, by its place; nil for a class without objects.
    public func ofClasses(at threshold: Int) -> [Double?] {
        outcomes.indices.map { label in
            guard objectCounts[label] > 0 else { return nil }
            let found = outcomes[label], order = found.indices.sorted { found[$0].score != found[$1].score ? found[$0].score > found[$1].score : $0 < $1 }
            var right = 0, recalls: [Double] = [], precisions: [Double] = []
            for (place, outcome) in order.enumerated() {
                if found[outcome].isTrue[threshold] { right += 1 }
                recalls.append(Double(right) / Double(objectCounts[label]))
                precisions.append(Double(right) / Double(place + 1))
            }
            for place in precisions.indices.dropLast().reversed() { precisions[place] = max(precisions[place], precisions[place + 1]) }
            var place = 0, sum = 0.0
            for recall in Self.recalls {
                while place < recalls.count, recalls[place] < recall { place += 1 }
                if place < recalls.count { sum += precisions[place] }
            }
            return sum / Double(Self.recalls.count)
        }
    }

    /// The mean over the classes that have objects, of each of `thresholds`; NaN where there is no object.
    private func means() -> [Double] {
        Self.thresholds.indices.map { threshold in
            let values = ofClasses(at: threshold).compactMap(\.self)
            return values.isEmpty ? .nan : values.reduce(0, +) / Double(values.count)
        }
    }

    /// mAP@.5, and COCO's mAP@[.5:.95], the mean over all thresholds; NaN where there is no object.
    public var values: (at50: Double, overall: Double) {
        let means = means()
        return (means[0], means.reduce(0, +) / Double(means.count))
    }

    /// COCO's average precision of each class, the mean over all thresholds; NaN for a class without objects.
    public var classValues: [Double] {
        let all = Self.thresholds.indices.map { ofClasses(at: $0) }
        return outcomes.indices.map { label in
            objectCounts[label] == 0 ? .nan : all.reduce(0) { $0 + ($1[label] ?? 0) } / Double(all.count)
        }
    }
}
