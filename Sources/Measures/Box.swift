/// A rectangle with its edges, in pixels or as shares of an image.
public struct Box: Sendable, Hashable {
    /// The left and the upper edge.
    public var x0, y0: Double
    /// The right and the lower edge.
    public var x1, y1: Double

    /// A rectangle between two corners.
    public init(x0: Double, y0: Double, x1: Double, y1: Double) { (self.x0, self.y0, self.x1, self.y1) = (x0, y0, x1, y1) }

    /// The same from its centre and its size.
    public init(x: Double, y: Double, width: Double, height: Double) {
        self.init(x0: x - width / 2, y0: y - height / 2, x1: x + width / 2, y1: y + height / 2)
    }

    /// 0 where an edge does not lie before the opposite one.
    public var area: Double { max(0, x1 - x0) * max(0, y1 - y0) }

    /// The area of the intersection over that of the union, 0 where they do not meet.
    public func overlap(with other: Box) -> Double {
        let shared = Box(x0: max(x0, other.x0), y0: max(y0, other.y0), x1: min(x1, other.x1), y1: min(y1, other.y1)).area
        return shared > 0 ? shared / (area + other.area - shared) : 0
    }

    /// The part of it within a rectangle.
    public func clipped(to other: Box) -> Box {
        func clip(_ value: Double, _ least: Double, _ most: Double) -> Double { min(max(value, least), most) }
        return Box(
            x0: clip(x0, other.x0, other.x1), y0: clip(y0, other.y0, other.y1), x1: clip(x1, other.x0, other.x1), y1: clip(y1, other.y0, other.y1))
    }
}

/// A predicted object.
public struct Detection: Sendable, Hashable {
    /// The index of its class.
    public var label: Int
    /// How sure the model is of it; larger is surer.
    public var score: Double
    /// Where it is.
    public var box: Box

    /// A box of a class with a score.
    public init(label: Int, score: Double, box: Box) { (self.label, self.score, self.box) = (label, score, box) }
}

extension [Detection] {
    /// In the order in which detections count: by falling score, of equal ones the earlier first.
    public var byScore: [Detection] {
        indices.sorted { self[$0].score != self[$1].score ? self[$0].score > self[$1].score : $0 < $1 }.map { self[$0] }
    }

    /// Non-maximum suppression: by falling score, of equal ones the earlier first, each detection is kept unless its box overlaps that of one of its class that was kept by more than `threshold`.
    ///
    /// - Parameter most: how many are kept at most, of all classes together.
    /// - Returns: those that are kept, in this order.
    public func withoutDuplicates(overlapping threshold: Double, atMost most: Int = .max) -> [Detection] {
        var kept: [Detection] = []
        for detection in byScore where kept.count < most {
            if !kept.contains(where: { $0.label == detection.label && $0.box.overlap(with: detection.box) > threshold }) { kept.append(detection) }
        }
        return kept
    }
}
