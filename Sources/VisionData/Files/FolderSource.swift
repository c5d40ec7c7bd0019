import Configuration

/// `folder: PATH`, or `folder: {path: PATH, test: 0.2, channels: 3}`: image files in one folder a class; `ImageFolder` says how they lie. With
/// `folder: {path: VOC2012, images: JPEGImages, masks: SegmentationClass, lists: ImageSets/Segmentation}` each has a mask of the same name.
public struct FolderSource: Configurable {
    /// What is done with an image file that cannot be decoded.
    public enum OnError: String, CaseIterable, Sendable {
        /// Nothing is trained.
        case stop
        /// It is left out, and the run says how many were.
        case skip
    }

    /// As it is written: relative to the file that says it.
    public var path: String
    /// The part of each class that is held out for the test where there is no folder `test`.
    public var test = 0.2
    /// 1: grayscale, 3: colours.
    public var channels = 3
    /// The colour behind transparent pixels.
    public var background = [255, 255, 255]
    /// How JPEG files are decoded.
    public var decode = ImageDecoding.Precision.exact
    /// What is done with damaged files.
    public var onError = OnError.stop
    /// Whether decoded images are kept on disk for later epochs and runs (`DecodedCache`).
    public var cache = false
    /// Where the masks lie, below `path`: of each image a PNG file of its name; nil: images have none, and classes have folders.
    public var masks: String?
    /// Where the images of masks lie, below `path`.
    public var images = "images"
    /// Where the lists of names lie, below `path`: train.txt, val.txt, test.txt; nil: the splits are folders, or drawn.
    public var lists: String?
    /// The classes' names by their numbers in masks; empty: as many as there are numbers.
    public var classes: [String] = []

    /// A folder.
    public init(path: String) { self.path = path }

    /// No folder yet.
    public init() { self.init(path: "") }

    public static let options: [Key<FolderSource>] = [
        .required("path", \.path, .text, missing: "expected a path", "The folder, relative to the file that says it."),
        Key("test", \.test, .share, "The part of each class that is held out for the test where there is no folder test."),
        Key("channels", \.channels, .one(of: [1, 3]), "1: grayscale; 3: colours."),
        Key("background", \.background, .color, "The colour behind transparent pixels: red, green and blue, 0 to 255."),
        Key("decode", \.decode, .choice, "exact: every pixel; scaled: JPEG files that are much larger than needed to a half, a quarter or an eighth in the DCT, which is faster."),
        Key("on_error", \.onError, .choice, "Whether a file that cannot be decoded ends everything (stop) or is left out (skip)."),
        Key("cache", \.cache, .flag, use: .clarity, "Keep decoded images in an HDF5 file of the user's cache folder (~/.cache/harness), so that they are decoded once; changes no result."),
        Key("masks", \.masks, .text, paper: "Everingham et al., IJCV 88, 2010",
            "Where the masks lie, below path: of each image a PNG file of the same name, whose palette or gray levels number the classes, 255 where a pixel does not count. Absent: there are none."),
        Key("images", \.images, .text, writesDefault: false, "Where the images of masks lie, below path."),
        Key("lists", \.lists, .text, "Of images with masks: where train.txt, val.txt and test.txt lie, below path, with a name in each line. Absent: images and masks lie in folders of these names, or the test is drawn."),
        Key("classes", \.classes, .list(of: .text), writesDefault: false, "Of images with masks: the classes' names by their numbers; more than these are an error. Absent: as many as the masks have."),
    ]

    public mutating func check(_ fields: inout FieldReader) {
        let beside: [(key: String, isSet: Bool)] = [("images", images != FolderSource().images), ("lists", lists != nil), ("classes", !classes.isEmpty)]
        for (key, isSet) in beside where isSet && masks == nil { fields.report("goes with masks", at: key) }
        if let name = Dictionary(grouping: classes, by: \.self).filter({ $1.count > 1 }).keys.min() { fields.report("found '\(name.shortened())' twice", at: "classes") }
        if classes.count > Int(LabeledImages.ignored) { fields.report("found \(classes.count) classes, expected at most 255", at: "classes") }
        if cache, decode == .scaled { fields.report("goes with decode: exact, since whole images are kept", at: "cache") }
    }

    /// Whether all images have the same size, by their headers.
    ///
    /// - Throws: `.noInput` when the folder is not there, `.data` when a file is damaged.
    public var hasOneSize: Bool { get throws { try ImageFolder(path, self).sizes(self).other == nil } }

    var decoding: ImageDecoding {
        ImageDecoding(channels: channels, background: background.map { UInt8($0) }, precision: decode)
    }
}

extension OptionKind where Value == Double {
    /// Above 0 and below 1.
    fileprivate static var share: Self {
        Self(
            "a part above 0 and below 1", schema: .range(from: 0, to: 1, isOpen: true),
            read: { fields, key in
                guard let number = fields.number(key, in: 0...1) else { return nil }
                if number > 0, number < 1 { return number }
                fields.report("expected a part above 0 and below 1, found \(number)", at: key)
                return nil
            }, write: { .scalar($0) })
    }
}

extension OptionKind where Value == [Int] {
    /// Red, green and blue.
    fileprivate static var color: Self {
        Self(
            "three integers from 0 to 255", schema: .list(of: .integer(from: 0, to: 255), orOne: false),
            read: { fields, key in
                guard let values = fields.integers(key, in: 0...255) else { return nil }
                if values.count == 3 { return values }
                fields.report("expected three integers from 0 to 255, found \(values.count)", at: key)
                return nil
            }, write: { .list($0.map { .scalar($0) }) })
    }
}
