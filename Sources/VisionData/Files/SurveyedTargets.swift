/// What the masks and boxes of a data set have of each class, split by split.
public struct SurveyedTargets: Sendable {
    /// A part of the data set.
    public struct Part: Sendable {
        /// Which one.
        public let split: Split
        /// How many images it has.
        public var images = 0
        /// How many pixels of masks have each number from 0 to 255; nil where there are no masks.
        public var pixels: [Int]?
        /// How many objects each class has; nil where there are no boxes.
        public var objects: [Int]?
        /// How many images have no object.
        public var withoutObject = 0
    }

    /// In the order of the splits.
    public let parts: [Part]

    /// The classes of masks, from 0 to the largest that there is.
    var classCount: Int { parts.compactMap { $0.pixels?[..<255].lastIndex { $0 > 0 } }.max().map { $0 + 1 } ?? 0 }

    /// - Parameter pixels: how many pixels of each mask have each number.
    init(pixels: [(split: Split, counts: [Int])]) {
        parts = Split.allCases.compactMap { split in
            let own = pixels.filter { $0.split == split }
            if own.isEmpty { return nil }
            var part = Part(split: split)
            (part.images, part.pixels) = (own.count, own.reduce([Int](repeating: 0, count: 256)) { zip($0, $1.counts).map(+) })
            return part
        }
    }

    /// nil for images without masks and boxes.
    init?(_ images: LabeledImages) {
        guard images.masks != nil || images.boxes != nil else { return nil }
        let ranges = [(Split.train, images.train), (.validation, images.validation ?? 0..<0), (.test, images.test)], size = images.shape.height * images.shape.width
        parts = ranges.filter { !$1.isEmpty }.map { split, range in
            var part = Part(split: split)
            part.images = range.count
            part.pixels = images.masks.map { Self.counts(of: $0[range.lowerBound * size..<range.upperBound * size]) }
            if let boxes = images.boxes?.boxes[range] {
                part.objects = boxes.joined().reduce(into: [Int](repeating: 0, count: images.classCount)) { $0[Int($1.label)] += 1 }
                part.withoutObject = boxes.count(where: \.isEmpty)
            }
            return part
        }
    }

    /// How many of some pixels have each number.
    static func counts(of pixels: some Sequence<UInt8>) -> [Int] {
        pixels.reduce(into: [Int](repeating: 0, count: 256)) { $0[Int($1)] += 1 }
    }
}
