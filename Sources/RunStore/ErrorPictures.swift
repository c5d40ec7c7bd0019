import HDF5
import Measures

/// The most confident errors of a test, with small pictures of their images: `/evaluation/test/errors` of a run file.
///
///     image       uint8 [errors, height, width] in gray, [errors, height, width, 3] in colours, at most 64 pixels a side; an HDF5 image to viewers
///     predicted   the class that each was taken for
///     label       the class that it is of
///     confidence  float32, the probability of the predicted class, or its margin (`areMargins`)
///     place       the place of the image in the data set's own list, as in /data/split/test
///
/// The most confident comes first; of equal ones the first image.
public struct ErrorPictures: Sendable, Equatable {
    /// How many errors are kept.
    public static let limit = 64
    /// How many pixels a side of a picture has at most.
    public static let longestSide = 64

    /// The size of each picture in pixels.
    public var height, width: Int
    /// 1 or 3.
    public var channels: Int
    /// `[errors, height, width, channels]`.
    public var pixels: [UInt8]
    /// The class that each image was taken for.
    public var predicted: [Int64]
    /// The class of each image.
    public var labels: [Int64]
    /// The probability of each predicted class, or its margin.
    public var confidences: [Float]
    /// Whether confidences are margins, as of a hinge loss.
    public var areMargins: Bool
    /// The places of the images in the data set's own list, as in `SplitDescription.test`.
    public var places: [Int64]

    /// How many errors there are.
    public var count: Int { labels.count }

    /// Errors with their pictures, at least one.
    public init(
        height: Int, width: Int, channels: Int, pixels: [UInt8], predicted: [Int64], labels: [Int64], confidences: [Float], areMargins: Bool = false, places: [Int64]
    ) {
        precondition(
            !labels.isEmpty && [predicted.count, confidences.count, places.count].allSatisfy { $0 == labels.count }
                && pixels.count == labels.count * height * width * channels && [1, 3].contains(channels), "each error has a picture, two classes, a confidence and a place")
        (self.height, self.width, self.channels, self.pixels) = (height, width, channels, pixels)
        (self.predicted, self.labels, self.confidences, self.areMargins, self.places) = (predicted, labels, confidences, areMargins, places)
    }

    /// What a confidence is.
    public var confidence: String { areMargins ? "margin" : "probability" }

    /// The pixels of one picture, `[height, width, channels]`.
    public func picture(_ index: Int) -> ArraySlice<UInt8> {
        let length = height * width * channels
        return pixels[index * length..<(index + 1) * length]
    }

    // MARK: In a file

    /// What the group is called among the tables of the test.
    static let name = "errors"
    private static let group = "/evaluation/test/\(name)"

    func write(to file: borrowing HDF5Writer) throws {
        let group = Self.group, image = "\(group)/image"
        try file.write(pixels, to: image, shape: [count, height, width] + (channels == 1 ? [] : [channels]))
        try file.write(predicted, to: "\(group)/predicted")
        try file.write(labels, to: "\(group)/label")
        try file.write(confidences, to: "\(group)/confidence")
        try file.write(places, to: "\(group)/place")
        for (name, title, units) in [
            ("image", "images of the most confident errors", "1"), ("predicted", "predicted class", "class"), ("label", "class", "class"),
            ("confidence", "\(confidence) of the predicted class", "1"), ("place", "place of the image in the data set's own list, as in /data/split/test", "1"),
        ] {
            try file.setAttribute("units", of: "\(group)/\(name)", to: units)
            try file.setAttribute("long_name", of: "\(group)/\(name)", to: title)
        }
        // The HDF5 image specification 1.2, for viewers that go by it; NeXus for those that go by that.
        for (name, text) in [("CLASS", "IMAGE"), ("IMAGE_VERSION", "1.2"), ("IMAGE_SUBCLASS", channels == 1 ? "IMAGE_GRAYSCALE" : "IMAGE_TRUECOLOR")] {
            try file.setAttribute(name, of: image, to: text)
        }
        if channels == 3 { try file.setAttribute("INTERLACE_MODE", of: image, to: "INTERLACE_PIXEL") }
        try file.setAttribute("interpretation", of: image, to: channels == 1 ? "image" : "rgb-image")
        try file.setAttribute("NX_class", of: group, to: "NXdata")
        try file.setAttribute("signal", of: group, to: "image")
        try file.write("the most confident errors of the test", to: "\(group)/title")
    }

    /// The errors of a file; nil where it has none.
    init?(from file: HDF5Reader) throws {
        let group = Self.group, image = "\(group)/image"
        guard file.exists(image) else { return nil }
        let shape = try file.shape(of: image)
        func integers(_ name: String) throws -> [Int64] { try file.read("\(group)/\(name)", as: Int64.self) }
        let predicted = try integers("predicted"), labels = try integers("label"), places = try integers("place")
        let confidences = try file.read("\(group)/confidence", as: Float.self)
        guard shape.count == 3 || shape.count == 4 && shape[3] == 3, shape[0] > 0, [predicted.count, labels.count, places.count, confidences.count].allSatisfy({ $0 == shape[0] })
        else { throw file.error("\(group): images of shape \(shape) do not go with \(labels.count) labels") }
        self.init(
            height: shape[1], width: shape[2], channels: shape.count == 4 ? 3 : 1, pixels: try file.read(image, as: UInt8.self), predicted: predicted, labels: labels,
            confidences: confidences, areMargins: try file.attributeStrings("long_name", of: "\(group)/confidence")?.first?.hasPrefix("margin") ?? false, places: places)
    }
}
