import Configuration

/// An object in an image: its class, and the smallest rectangle around what is seen of it.
public struct InstanceBox: Sendable, Equatable {
    /// The index of its class.
    public var label: Int32
    /// The left and the upper edge, in pixels from the image's left upper corner; whole where the data count pixels.
    public var x, y: Float
    /// In pixels, above 0.
    public var width, height: Float

    /// A rectangle around an object of a class.
    public init(label: Int32, x: Float, y: Float, width: Float, height: Float) {
        (self.label, self.x, self.y, self.width, self.height) = (label, x, y, width, height)
    }
}

extension InstanceBox {
    /// x, y, width and height.
    var numbers: [Float] { [x, y, width, height] }

    /// Whether its edges lie between pixels.
    var isWhole: Bool { numbers.allSatisfy { $0 == $0.rounded() } }

    /// Numbers as a sentence has them: whole ones without a point.
    fileprivate static func text(_ number: Float) -> String { number == number.rounded() && abs(number) < 1e9 ? "\(Int(number))" : "\(number)" }
}

/// The objects of every image of a data set.
public struct InstanceBoxes: Sendable, Equatable {
    /// How many an image has at most.
    public let maximum: Int
    /// Those of each image, by global index.
    public let boxes: [[InstanceBox]]

    /// The objects of each image, with the most that an image may have.
    public init(maximum: Int, _ boxes: [[InstanceBox]]) { (self.maximum, self.boxes) = (maximum, boxes) }
}

extension [InstanceBox] {
    /// The one of the largest area, of equal ones the first.
    var largest: InstanceBox? {
        func area(_ place: Int) -> Float { self[place].width * self[place].height }
        return indices.max { (area($0), $1) < (area($1), $0) }.map { self[$0] }
    }
}

extension LabeledImages {
    /// What a pixel of a mask has that counts for nothing.
    public static let ignored: UInt8 = 255

    /// - Parameter describe: says which image a global index is.
    /// - Returns: a sentence on the first thing that is wrong with the masks; nil where they fit the images.
    func complaint(about masks: [UInt8], of describe: (Int) -> String = describe) -> String? {
        let size = shape.height * shape.width
        if files != nil { return "masks go with images in memory, found image files" }
        if classCount > Int(Self.ignored) { return "found \(grouped(classCount)) classes, expected at most \(Self.ignored) with masks of bytes" }
        if masks.count != labels.count * size {
            return "found \(grouped(masks.count)) pixels of masks for \(grouped(labels.count)) images, expected \(grouped(size)) for each image of \(shape)"
        }
        if let place = masks.firstIndex(where: { $0 >= classCount && $0 != Self.ignored }) {
            return "the mask of \(describe(place / size)) has the class \(masks[place]), expected 0 to \(classCount - 1), or \(Self.ignored) for pixels that do not count"
        }
        for image in labels.indices where masks[image * size..<(image + 1) * size].allSatisfy({ $0 == Self.ignored }) {
            return "the mask of \(describe(image)) is \(Self.ignored) everywhere, so that no pixel of it counts"
        }
        return nil
    }

    private static func describe(_ image: Int) -> String { "image \(grouped(image))" }

    /// - Parameter describe: says which image a global index is.
    /// - Returns: a sentence on the first thing that is wrong with the boxes; nil where they fit the images.
    func complaint(about boxes: InstanceBoxes, of describe: (Int) -> String = describe) -> String? {
        if files != nil { return "boxes go with images in memory, found image files" }
        if boxes.boxes.count != labels.count { return "found boxes of \(grouped(boxes.boxes.count)) images, expected those of \(grouped(labels.count))" }
        for (image, all) in boxes.boxes.enumerated() {
            if all.count > boxes.maximum { return "\(describe(image)) has \(grouped(all.count)) boxes, expected at most \(grouped(boxes.maximum))" }
            for box in all {
                let place = "a box of \(describe(image))"
                if box.label < 0 || box.label >= classCount { return "\(place) has the class \(box.label), expected 0 to \(classCount - 1)" }
                let numbers = box.numbers.map(InstanceBox.text)
                guard box.numbers.allSatisfy(\.isFinite) else { return "\(place) has the numbers [\(numbers.joined(separator: ", "))], expected finite ones" }
                guard min(box.width, box.height) > 0 else {
                    return "\(place) is \(numbers[2]) pixels wide and \(numbers[3]) high, expected more than 0"
                }
                // Sums of fractions are rounded.
                let most = (x: Float(shape.width) + 0.01, y: Float(shape.height) + 0.01)
                if min(box.x, box.y) < 0 || box.x + box.width > most.x || box.y + box.height > most.y {
                    return "\(place) begins at (\(numbers[0]), \(numbers[1])) with \(numbers[2])×\(numbers[3]) pixels, which lies outside the image of \(shape)"
                }
            }
        }
        return nil
    }
}
