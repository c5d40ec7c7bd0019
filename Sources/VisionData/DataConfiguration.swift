import Configuration

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
///       augment: [{shift: 2}, horizontal_flip]
public struct DataConfiguration: Sendable, Equatable {
    public enum Source: Sendable, Equatable {
        case named(DatasetName)
        case hdf5(HDF5Source)
    }

    public var source = Source.named(.fashionMNIST)
    /// The folder with the four IDX files, or with a subfolder named after the data set. Relative to the file that says it.
    public var directory: String?
    /// How much of the official training set is held out; nil: the validation images of an HDF5 file, or 0.1 when it has none.
    public var validation: HeldOut?
    public var splitSeed: UInt64 = 0
    /// The size of the training split after the validation split was held out; nil: all. Smaller subsets lie within larger ones.
    public var trainExamples: Int?
    /// The size of the test split; nil: all.
    public var testExamples: Int?
    public var normalization = NormalizationConfiguration.training
    public var augment: [Augmentation] = []
    /// Where to look for the data; no part of what the definition says of them.
    public var places = DataPlaces()

    public init(_ source: Source = .named(.fashionMNIST)) {
        self.source = source
        if case .named = source { validation = .default }
    }

    public init(_ name: DatasetName) { self.init(.named(name)) }

    /// Reads the map, reporting what is wrong in it to the reader's errors.
    public init(from fields: inout FieldReader) {
        let name = fields.string("name")
        var hdf5 = fields.fields("hdf5")
        let hdf5Folder = hdf5?.node["path"]?.mark.folder
        var source = Source.named(.fashionMNIST)
        switch (name, hdf5 != nil) {
        case (nil, false):
            if !fields.has("name") {
                fields.errors.report("expected a data set: name, or hdf5", at: fields.node.mark, path: fields.path)
            }
        case (_?, true):
            fields.report("found beside 'name', expected one of the two", at: "hdf5")
        case (let name?, false):
            if let name = DatasetName(rawValue: name) {
                source = .named(name)
            } else {
                let known = DatasetName.allCases.map(\.rawValue)
                fields.report("unknown data set '\(name)'\(suggestion(for: name, among: known))", at: "name")
            }
        case (nil, true):
            break
        }
        if hdf5 != nil {
            let described = HDF5Source(from: &hdf5!)
            if name == nil { source = .hdf5(described) }
            hdf5!.finish()
        }
        self.init(source)
        places.pathFolder = hdf5Folder
        places.directoryFolder = fields.node["directory"]?.mark.folder

        directory = fields.string("directory")
        validation = HeldOut("validation", from: &fields) ?? validation
        splitSeed = UInt64(fields.integer("split_seed", default: 0, in: 0...))
        trainExamples = fields.integer("train_examples", in: 1...1_000_000_000)
        testExamples = fields.integer("test_examples", in: 1...1_000_000_000)
        normalization = NormalizationConfiguration("normalization", from: &fields)
        augment = Augmentation.list("augment", from: &fields)
        fields.finish()
    }
}

/// `hdf5: {path: FILE, classes: 10}`: a data set of one's own; `loadHDF5Images` says what the file holds.
public struct HDF5Source: Codable, Sendable, Equatable {
    /// The order of an image's axes in the file.
    public enum Layout: String, Codable, CaseIterable, Sendable {
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

    public init(path: String, classes: Int? = nil, layout: Layout? = nil) {
        self.path = path
        self.classes = classes
        self.layout = layout
    }

    init(from fields: inout FieldReader) {
        if !fields.has("path") { fields.errors.report("expected a path", at: fields.node.mark, path: fields.path(of: "path")) }
        self.init(
            path: fields.string("path") ?? "", classes: fields.integer("classes", in: 1...Self.largestClassCount),
            layout: fields.has("layout") ? fields.choice("layout", default: Layout.nchw) : nil)
    }
}

/// How many of the training images are held out for validation.
public enum HeldOut: Codable, Sendable, Equatable {
    /// A part from 0 up to but not 1, rounded to the nearest number of images.
    case fraction(Double)
    case count(Int)

    public static let `default` = HeldOut.fraction(0.1)

    /// The number held out of `total`.
    public func count(of total: Int) -> Int {
        switch self {
        case .fraction(let fraction): Int((fraction * Double(total)).rounded())
        case .count(let count): count
        }
    }

    init?(_ key: String, from fields: inout FieldReader) {
        guard let number = fields.number(key, in: 0...) else { return nil }
        if number < 1 {
            self = .fraction(number)
        } else if let count = Int(exactly: number) {
            self = .count(count)
        } else {
            fields.report("expected a part below 1 or a whole number of images, found \(number)", at: key)
            return nil
        }
    }

    public init(from decoder: any Decoder) throws {
        let number = try decoder.singleValueContainer().decode(Double.self)
        self = number < 1 ? .fraction(number) : .count(Int(number))
    }

    public func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        switch self {
        case .fraction(let fraction): try container.encode(fraction)
        case .count(let count): try container.encode(count)
        }
    }
}

/// How pixel values become inputs: `(value − mean) / sd` per channel, where bytes are first divided by their maximum.
public enum NormalizationConfiguration: Codable, Sendable, Equatable {
    /// By mean and standard deviation of the training split.
    case training
    /// Bytes become 0 to 1, floats stay.
    case none
    /// One value a channel.
    case given(mean: [Double], std: [Double])

    private enum Word: String, CaseIterable { case training, none }
    private enum CodingKeys: String, CodingKey { case mean, std }

    init(_ key: String, from fields: inout FieldReader) {
        self = .training
        guard let node = fields.node(key) else { return }
        guard node.entries != nil else {
            self = fields.choice(key, default: Word.training) == .none ? .none : .training
            return
        }
        guard var given = fields.fields(key) else { return }
        let mean = given.numbers("mean"), std = given.numbers("std", in: 0...)
        given.finish()
        guard let mean, let std, !mean.isEmpty, mean.count == std.count, !std.contains(0) else {
            fields.report("expected mean and std with one number a channel each, std above 0", at: key)
            return
        }
        self = .given(mean: mean, std: std)
    }

    public init(from decoder: any Decoder) throws {
        if let container = try? decoder.container(keyedBy: CodingKeys.self) {
            self = .given(
                mean: try container.decode([Double].self, forKey: .mean), std: try container.decode([Double].self, forKey: .std))
        } else {
            self = try decoder.singleValueContainer().decode(String.self) == Word.none.rawValue ? .none : .training
        }
    }

    public func encode(to encoder: any Encoder) throws {
        switch self {
        case .training, .none:
            var container = encoder.singleValueContainer()
            try container.encode((self == .none ? Word.none : .training).rawValue)
        case .given(let mean, let std):
            var container = encoder.container(keyedBy: CodingKeys.self)
            try container.encode(mean, forKey: .mean)
            try container.encode(std, forKey: .std)
        }
    }
}

extension DataConfiguration {
    /// The configuration without what only insists on the default: what the identity of a trial is made of.
    public var identity: DataConfiguration {
        guard case .hdf5(var source) = source, source.layout == .nchw else { return self }
        source.layout = nil
        var copy = self
        copy.source = .hdf5(source)
        return copy
    }
}

// MARK: Codable, in the form of a definition

extension DataConfiguration: Codable {
    private enum CodingKeys: String, CodingKey {
        case name, hdf5, directory, validation, normalization, augment
        case splitSeed = "split_seed"
        case trainExamples = "train_examples"
        case testExamples = "test_examples"
    }

    public init(from decoder: any Decoder) throws {
        let container = try decoder.container(keyedBy: CodingKeys.self)
        if let hdf5 = try container.decodeIfPresent(HDF5Source.self, forKey: .hdf5) {
            source = .hdf5(hdf5)
        } else {
            source = .named(try container.decode(DatasetName.self, forKey: .name))
        }
        directory = try container.decodeIfPresent(String.self, forKey: .directory)
        validation = try container.decodeIfPresent(HeldOut.self, forKey: .validation)
        splitSeed = try container.decode(UInt64.self, forKey: .splitSeed)
        trainExamples = try container.decodeIfPresent(Int.self, forKey: .trainExamples)
        testExamples = try container.decodeIfPresent(Int.self, forKey: .testExamples)
        normalization = try container.decode(NormalizationConfiguration.self, forKey: .normalization)
        augment = try container.decode([Augmentation].self, forKey: .augment)
    }

    public func encode(to encoder: any Encoder) throws {
        var container = encoder.container(keyedBy: CodingKeys.self)
        switch source {
        case .named(let name): try container.encode(name, forKey: .name)
        case .hdf5(let hdf5): try container.encode(hdf5, forKey: .hdf5)
        }
        try container.encodeIfPresent(directory, forKey: .directory)
        try container.encodeIfPresent(validation, forKey: .validation)
        try container.encode(splitSeed, forKey: .splitSeed)
        try container.encodeIfPresent(trainExamples, forKey: .trainExamples)
        try container.encodeIfPresent(testExamples, forKey: .testExamples)
        try container.encode(normalization, forKey: .normalization)
        try container.encode(augment, forKey: .augment)
    }
}
