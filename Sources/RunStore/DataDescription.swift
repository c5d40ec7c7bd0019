import HDF5

/// What a model has to know of the data it was trained on, for others to use it: in `run.h5` with the split, in weights files without.
public struct DataDescription: Sendable, Equatable {
    /// The size of an image: height, width, channels.
    public var imageShape: [Int]
    /// The mean of each channel: images are normalized by `(value − mean) / standard deviation`, with bytes taken from 0…255 to 0…1 first.
    public var mean: [Double]
    /// One for each channel, of pixels from 0 to 1.
    public var standardDeviation: [Double]
    /// By class index; empty when the data set does not name its classes.
    public var classNames: [String]
    /// Which images of the data set were used for what; nil in weights files.
    public var split: SplitDescription?

    /// What a run file says of the data.
    public init(
        imageShape: [Int], mean: [Double], standardDeviation: [Double], classNames: [String] = [], split: SplitDescription? = nil
    ) {
        self.imageShape = imageShape
        self.mean = mean
        self.standardDeviation = standardDeviation
        self.classNames = classNames
        self.split = split
    }
}

/// Places of images in the data set's own lists of training, validation and test images, from 0 and ascending.
public struct SplitDescription: Sendable, Equatable {
    /// Places among the training images.
    public var training: [Int32]
    /// Places among the training images, of which these were held out, or among the validation images that the data set brings.
    public var validation: [Int32]
    /// Whether `validation` counts the validation images that the data set brings.
    public var bringsValidation: Bool
    /// Places among the test images.
    public var test: [Int32]

    /// The split's sample numbers, each list ascending.
    public init(training: [Int32], validation: [Int32], bringsValidation: Bool = false, test: [Int32]) {
        self.training = training
        self.validation = validation
        self.bringsValidation = bringsValidation
        self.test = test
    }
}

// MARK: In a file

/// The datasets under `/data`.
extension DataDescription {
    private static let group = "/data"
    /// Up to 256 KiB of places a chunk.
    private static let placesPerChunk = 65_536

    func write(to file: borrowing HDF5Writer) throws {
        let group = Self.group
        precondition(mean.count == standardDeviation.count, "each channel has a mean and a standard deviation")
        try file.write(imageShape.map(Int64.init), to: "\(group)/image_shape")
        try file.write(mean, to: "\(group)/mean")
        try file.write(standardDeviation, to: "\(group)/standard_deviation")
        var texts = [
            ("image_shape", "height, width and channels of an image", "1"),
            ("mean", "mean of each channel, bytes taken as 0…1", "1"),
            ("standard_deviation", "standard deviation of each channel, bytes taken as 0…1", "1"),
        ]
        if !classNames.isEmpty {
            try file.write(classNames, to: "\(group)/class_names")
            try file.setAttribute("long_name", of: "\(group)/class_names", to: "classes by index")
        }
        if let split {
            let validation = split.bringsValidation ? "validation" : "training"
            for (name, places, images) in [
                ("training", split.training, "training"), ("validation", split.validation, validation), ("test", split.test, "test"),
            ] {
                try file.write(places, to: "\(group)/split/\(name)", rowsPerChunk: Self.placesPerChunk)
                try file.setAttribute("images", of: "\(group)/split/\(name)", to: images)
                texts.append(("split/\(name)", "places of the \(name) images among the data set's \(images) images", "1"))
            }
        }
        for (name, title, units) in texts {
            try file.setAttribute("units", of: "\(group)/\(name)", to: units)
            try file.setAttribute("long_name", of: "\(group)/\(name)", to: title)
        }
    }

    /// The description in a file; nil in one of an earlier format.
    init?(from file: HDF5Reader) throws {
        let group = Self.group
        guard file.exists("\(group)/image_shape") else { return nil }
        func places(_ name: String) throws -> [Int32] { try file.read("\(group)/split/\(name)", as: Int32.self) }
        let split = file.exists("\(group)/split")
            ? SplitDescription(
                training: try places("training"), validation: try places("validation"),
                bringsValidation: try file.attributeStrings("images", of: "\(group)/split/validation")?.first == "validation",
                test: try places("test"))
            : nil
        self.init(
            imageShape: try file.read("\(group)/image_shape", as: Int64.self).map { Int($0) },
            mean: try file.read("\(group)/mean", as: Double.self),
            standardDeviation: try file.read("\(group)/standard_deviation", as: Double.self),
            classNames: file.exists("\(group)/class_names") ? try file.readStrings("\(group)/class_names") : [], split: split)
    }
}
