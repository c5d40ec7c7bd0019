import Configuration
import TensorCore

/// The `data:` part of a definition.
///
///     data:
///       name: fashion-mnist           # or mnist, kmnist, digits; or instead of it  hdf5: {path: FILE, classes: 10}
///       directory: ~/mnist            # where the files lie, when not in the usual places (--data-dir goes before it)
///                                     # it and hdf5.path are relative to the file in which they are written
///       validation: 0.1               # held out from the training images: a part below 1, or a number of images
///       split_seed: 0                 # seeds the choice of the held-out images and of the subsets
///       train_examples: 5000          # how many training images to use; default all that are left
///       test_examples: 1000           # how many test images to use; default all
///       normalization: training       # by mean and sd of the training split; or none; or {mean: [0.286], std: [0.353]}
///       size: 224                     # the size that models get, or [height, width]; default that of the images
///       resize: exact                 # how they come to it: stretched, or with black around them (pad)
///       augment: [{shift: 2}, horizontal_flip]
public struct DataConfiguration: Configurable {
    /// Where images come from.
    public enum Source: Sendable, Equatable {
        /// One that is known by name.
        case named(NamedDataset)
        /// A file of one's own.
        case hdf5(HDF5Source)
    }

    /// Where images come from.
    public var source = Source.named(.fashionMNIST)
    /// The folder with the four IDX files, or with a subfolder named after the data set. Relative to the file that says it.
    public var directory: String?
    /// How much of the official training set is held out; nil: the validation images of an HDF5 file, or 0.1 when it has none.
    public var validation: HeldOut?
    /// The seed by which validation images are drawn.
    public var splitSeed: UInt64 = 0
    /// The size of the training split after the validation split was held out; nil: all. Smaller subsets lie within larger ones.
    public var trainExamples: Int?
    /// The size of the test split; nil: all.
    public var testExamples: Int?
    /// What is subtracted from pixels, and what they are divided by.
    public var normalization = NormalizationConfiguration.training
    /// The height and width in which models get the images; nil: those of the images.
    public var size: Size2D?
    /// How images come to `size`.
    public var resize = ResizeKind.exact
    /// What is done to training images, in order, in their own size.
    public var augment: [Augmentation] = []
    /// Where to look for the data; no part of what the definition says of them.
    public var places = DataPlaces()

    /// Every key at its default.
    public init() { self.init(.named(.fashionMNIST)) }

    /// A source, with the defaults that it has.
    public init(_ source: Source) {
        self.source = source
        if case .named = source { validation = .default }
    }

    /// A data set that the program knows, everything else at its default.
    public init(_ name: NamedDataset) { self.init(.named(name)) }

    /// The data set that is known by name; nil with a file.
    var name: NamedDataset? {
        get { if case .named(let name) = source { name } else { nil } }
        set { if let newValue { source = .named(newValue) } }
    }

    /// The file of a data set of one's own; nil with a name.
    var hdf5: HDF5Source? {
        get { if case .hdf5(let file) = source { file } else { nil } }
        set { if let newValue { source = .hdf5(newValue) } }
    }

    public static let options: [Key<DataConfiguration>] = [
        // What the data are, `identity` says by what they hold.
        Key("name", \.name, .dataset, decidesDefaults: true, use: .clarity, "A data set that is known by name; or hdf5 in its place."),
        Key("hdf5", \.hdf5, .map, decidesDefaults: true, use: .clarity, "A data set of one's own in an HDF5 file."),
        Key("directory", \.directory, .text, use: .clarity, "Where the files lie, when not in the usual places; relative to the file that says it."),
        Key("validation", \.validation, .heldOut, "How much of the training images is held out for validation."),
        Key("split_seed", \.splitSeed, .seed, "Seeds the choice of the held-out images and of the subsets."),
        Key("train_examples", \.trainExamples, .integer(in: 1...1_000_000_000), "How many training images are used; absent: all that are left."),
        Key("test_examples", \.testExamples, .integer(in: 1...1_000_000_000), "How many test images are used; absent: all."),
        Key("normalization", \.normalization, .normalization, "How pixel values become inputs."),
        Key("size", \.size, .imageSize, "The size in which models get the images; absent: that of the images."),
        Key("resize", \.resize, .choice, writesDefault: false, "How images come to size: stretched, bilinear and antialiased (exact), or with black around them (pad)."),
        Key("augment", \.augment, .list(of: Augmentation.kind), "Random changes of the training images, in their own size."),
    ]

    public mutating func setDependentDefaults() { validation = if case .named = source { .default } else { nil } }

    public mutating func check(_ fields: inout FieldReader) {
        places.pathFolder = fields.node["hdf5"]?["path"]?.mark.folder
        places.directoryFolder = fields.node["directory"]?.mark.folder
        switch (fields.has("name"), fields.has("hdf5")) {
        case (false, false): fields.errors.report("expected a data set: name, or hdf5", at: fields.node.mark, path: fields.path)
        case (true, true): fields.report("found beside 'name', expected one of the two", at: "hdf5")
        default: break
        }
        if size == nil, resize != .exact { fields.report("there is no size to which images are brought; add one, such as size: 224", at: "resize") }
    }

    /// What the result depends on: the name of a data set or what a file holds, never where it lies.
    public var identity: ConfigurationNode {
        var entries = difference.entries?.map { (key: $0.key, node: $0.node) } ?? []
        switch source {
        case .named(let dataset): entries.append(("name", .text(dataset.name)))
        case .hdf5(let file):
            // A file that nobody has read yet is known by its path alone.
            entries += places.content.map { [("sha256", .text($0.digest)), ("classes", .scalar($0.classes))] } ?? [("path", .text(file.path))]
        }
        return .map(entries)
    }
}

/// `hdf5: {path: FILE, classes: 10}`: a data set of one's own; `loadHDF5Images` says what the file holds.
public struct HDF5Source: Configurable {
    /// The order of an image's axes in the file.
    public enum Layout: String, CaseIterable, Sendable {
        /// `[n, channels, height, width]`
        case nchw
        /// `[n, height, width, channels]`
        case nhwc
    }

    /// As it is written: relative to the file that says it.
    public var path: String
    /// The number of classes; nil: the file's attribute `classes`, or the largest label + 1.
    public var classes: Int?
    /// nil: `nchw`, unless the shape looks like `nhwc`, which is an error then.
    public var layout: Layout?
    /// More are a mistake in the labels, such as identifiers in the place of class indices; and the confusion matrix has the square of it.
    static let largestClassCount = 10_000

    /// A file, and what it does not say itself.
    public init(path: String, classes: Int? = nil, layout: Layout? = nil) {
        self.path = path
        self.classes = classes
        self.layout = layout
    }

    /// No file yet.
    public init() { self.init(path: "") }

    public static let options: [Key<HDF5Source>] = [
        .required("path", \.path, .text, missing: "expected a path", "The file, relative to the one that says it."),
        Key("classes", \.classes, .integer(in: 1...largestClassCount), "How many classes there are; absent: the file's attribute, or the largest label + 1."),
        Key("layout", \.layout, .choice, "The order of an image's axes, where the shape leaves it open."),
    ]
}

/// How many of the training images are held out for validation.
public enum HeldOut: Sendable, Equatable {
    /// A part from 0 up to but not 1, rounded to the nearest number of images.
    case fraction(Double)
    case count(Int)

    /// A tenth of the training images.
    public static let `default` = HeldOut.fraction(0.1)

    /// The number held out of `total`.
    public func count(of total: Int) -> Int {
        switch self {
        case .fraction(let fraction): Int((fraction * Double(total)).rounded())
        case .count(let count): count
        }
    }
}

extension OptionKind where Value == HeldOut {
    static let heldOut = OptionKind(
        "a part from 0, below 1, or a number of images", schema: .range(from: 0, to: nil, isOpen: false),
        read: { fields, key in
            guard let number = fields.number(key, in: 0...) else { return nil }
            if number < 1 { return .fraction(number) }
            if let count = Int(exactly: number) { return .count(count) }
            fields.report("expected a part below 1 or a whole number of images, found \(number)", at: key)
            return nil
        },
        write: { held in
            switch held {
            case .fraction(let fraction): .scalar(fraction)
            case .count(let count): .scalar(count)
            }
        })
}

extension OptionKind where Value == UInt64 {
    static let seed = OptionKind(
        "an integer from 0", schema: .integer(from: 0, to: nil), read: { $0.integer($1, in: 0...).map { UInt64($0) } }, write: { .scalar(Int($0)) })
}

extension OptionKind where Value == NamedDataset {
    static let dataset = OptionKind(
        "one of \(NamedDataset.standard.map(\.name).joined(separator: ", "))", schema: .names(NamedDataset.standard.map(\.name)),
        read: { fields, key in
            guard let name = fields.string(key) else { return nil }
            let known = fields.additions.all(NamedDataset.self) + NamedDataset.standard
            if let dataset = known.first(where: { $0.name == name }) { return dataset }
            fields.report("unknown data set '\(name)'\(suggestion(for: name, among: known.map(\.name)))", at: key)
            return nil
        }, write: { .text($0.name) })
}

/// How pixel values become inputs: `(value − mean) / sd` per channel, where bytes are first divided by their maximum.
public enum NormalizationConfiguration: Sendable, Equatable {
    /// By mean and standard deviation of the training split.
    case training
    /// Bytes become 0 to 1, floats stay.
    case none
    /// One value a channel.
    case given(mean: [Double], std: [Double])
}

extension OptionKind where Value == NormalizationConfiguration {
    private enum Word: String, CaseIterable { case training, none }

    static let normalization = OptionKind(
        "training, none, or a map of mean and std", schema: .either([.names(["training", "none"]), .map(GivenNormalization.descriptions)]),
        children: { GivenNormalization.descriptions },
        read: { fields, key in
            guard let node = fields.node(key) else { return nil }
            guard node.entries != nil else {
                let word: Word? = fields.choice(key)
                return word.map { $0 == .none ? .none : .training }
            }
            guard var options = fields.fields(key) else { return nil }
            let given = GivenNormalization(from: &options)
            options.finish()
            let (mean, std) = (given.mean, given.std)
            guard !mean.isEmpty, mean.count == std.count, !std.contains(0) else {
                fields.report("expected mean and std with one number a channel each, std above 0", at: key)
                return nil
            }
            return .given(mean: mean, std: std)
        },
        write: { normalization in
            switch normalization {
            case .training: .text(Word.training.rawValue)
            case .none: .text(Word.none.rawValue)
            case .given(let mean, let std): .map([("mean", .list(mean.map { .scalar($0) })), ("std", .list(std.map { .scalar($0) }))])
            }
        })
}

private struct GivenNormalization: Configurable {
    var mean: [Double] = []
    var std: [Double] = []

    static let options: [Key<GivenNormalization>] = [
        Key("mean", \.mean, .numbers("a list of numbers"), "What is subtracted, for each channel."),
        Key("std", \.std, .numbers(in: 0..., "a list of numbers above 0"), "What the difference is divided by, for each channel."),
    ]
}
