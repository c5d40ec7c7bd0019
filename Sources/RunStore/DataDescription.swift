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
    /// What is known of image files; nil for data that are no files.
    public var files: FilesDescription?

    /// What a run file says of the data.
    public init(
        imageShape: [Int], mean: [Double], standardDeviation: [Double], classNames: [String] = [], split: SplitDescription? = nil,
        files: FilesDescription? = nil
    ) {
        self.imageShape = imageShape
        self.mean = mean
        self.standardDeviation = standardDeviation
        self.classNames = classNames
        self.split = split
        self.files = files
    }
}

/// The image files of a run.
public struct FilesDescription: Sendable, Equatable {
    /// The files of the images among which the test images have their places (`SplitDescription.test`), below the folder.
    public var test: [String]
    /// How many files were left out, since they could not be decoded.
    public var leftOutCount: Int

    /// The test images' files, and how many files were left out.
    public init(test: [String], leftOutCount: Int) { (self.test, self.leftOutCount) = (test, leftOutCount) }
}

/// Places of images in the data set's own lists of training, validation and test images, from 0 and ascending.
public struct SplitDescription: Sendable, Equatable {
    /// Places among the training images.
    public var training: [Int32]
    /// Places among the training images, of which these were held out, or among the validation images that the data set brings.
    public var validation: [Int32]
    /// Whether `validation` counts the validation images that the data set brings.
    public var bringsValidation: Bool
    /// Places among the test images, or among the training images of which they are a fold.
    public var test: [Int32]
    /// Whether `test` counts the training images.
    public var testIsFold: Bool
    /// What was done to the training images besides; nil where nothing was.
    public var treatment: TreatmentDescription?

    /// The split's sample numbers, each list ascending.
    public init(
        training: [Int32], validation: [Int32], bringsValidation: Bool = false, test: [Int32], testIsFold: Bool = false, treatment: TreatmentDescription? = nil
    ) {
        self.training = training
        self.validation = validation
        self.bringsValidation = bringsValidation
        self.test = test
        self.testIsFold = testIsFold
        self.treatment = treatment
    }
}

/// What was done to a data set's training images on purpose, such as thinning classes out or replacing labels, in numbers.
public struct TreatmentDescription: Sendable, Equatable {
    /// How many training images each class has, by the labels that the training saw.
    public var classCounts: [Int]
    /// What the classes are numbered in the data set; nil where all of them were used.
    public var classNumbers: [Int]?
    /// Places, among the training images, of those whose labels were replaced, ascending.
    public var relabeledImages: [Int32]
    /// The labels that they were given.
    public var givenLabels: [Int32]

    /// The counts by class, and what was chosen and replaced.
    public init(classCounts: [Int], classNumbers: [Int]? = nil, relabeledImages: [Int32] = [], givenLabels: [Int32] = []) {
        precondition(relabeledImages.count == givenLabels.count, "each replaced label has another in its place")
        self.classCounts = classCounts
        self.classNumbers = classNumbers
        self.relabeledImages = relabeledImages
        self.givenLabels = givenLabels
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
                ("training", split.training, "training"), ("validation", split.validation, validation), ("test", split.test, split.testIsFold ? "training" : "test"),
            ] {
                try file.write(places, to: "\(group)/split/\(name)", rowsPerChunk: Self.placesPerChunk)
                try file.setAttribute("images", of: "\(group)/split/\(name)", to: images)
                texts.append(("split/\(name)", "places of the \(name) images among the data set's \(images) images", "1"))
            }
            if let treatment = split.treatment { texts += try treatment.write(to: file, under: group) }
        }
        if let files {
            try file.write(files.test, to: "\(group)/test_files")
            try file.setAttribute("long_name", of: "\(group)/test_files", to: "files of the images among which the test images have their places")
            try file.write(Int64(files.leftOutCount), to: "\(group)/files_left_out")
            texts.append(("files_left_out", "image files that could not be decoded and were left out", "1"))
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
                test: try places("test"), testIsFold: try file.attributeStrings("images", of: "\(group)/split/test")?.first == "training",
                treatment: try TreatmentDescription(from: file, under: group))
            : nil
        self.init(
            imageShape: try file.read("\(group)/image_shape", as: Int64.self).map { Int($0) },
            mean: try file.read("\(group)/mean", as: Double.self),
            standardDeviation: try file.read("\(group)/standard_deviation", as: Double.self),
            classNames: file.exists("\(group)/class_names") ? try file.readStrings("\(group)/class_names") : [], split: split,
            files: try FilesDescription(from: file, group))
    }
}

extension FilesDescription {
    fileprivate init?(from file: HDF5Reader, _ group: String) throws {
        guard file.exists("\(group)/test_files") else { return nil }
        self.init(
            test: try file.readStrings("\(group)/test_files"), leftOutCount: Int(try file.read("\(group)/files_left_out", as: Int64.self).first ?? 0))
    }
}

/// The datasets under `/data/split` that are there only where something was done to the training images.
extension TreatmentDescription {
    private static let counts = "split/class_counts", numbers = "split/class_numbers", images = "split/relabeled_images", labels = "split/given_labels"

    /// - Returns: names, titles and units.
    fileprivate func write(to file: borrowing HDF5Writer, under group: String) throws -> [(String, String, String)] {
        try file.write(classCounts.map(Int64.init), to: "\(group)/\(Self.counts)")
        var texts = [(Self.counts, "training images by class, as the training saw them", "image")]
        if let classNumbers {
            try file.write(classNumbers.map(Int64.init), to: "\(group)/\(Self.numbers)")
            texts.append((Self.numbers, "numbers of the classes in the data set", "class"))
        }
        if !relabeledImages.isEmpty {
            try file.write(relabeledImages, to: "\(group)/\(Self.images)")
            try file.write(givenLabels, to: "\(group)/\(Self.labels)")
            texts += [
                (Self.images, "places of the images whose labels were replaced among the data set's training images", "1"),
                (Self.labels, "the labels that they were given", "class"),
            ]
        }
        return texts
    }

    fileprivate init?(from file: HDF5Reader, under group: String) throws {
        guard file.exists("\(group)/\(Self.counts)") else { return nil }
        func integers(_ name: String) throws -> [Int]? {
            file.exists("\(group)/\(name)") ? try file.read("\(group)/\(name)", as: Int64.self).map { Int($0) } : nil
        }
        let images = try integers(Self.images) ?? [], labels = try integers(Self.labels) ?? []
        guard images.count == labels.count else { throw file.error("\(group)/\(Self.labels) has \(labels.count) rows, expected \(images.count)") }
        self.init(
            classCounts: try integers(Self.counts) ?? [], classNumbers: try integers(Self.numbers), relabeledImages: images.map { Int32(truncatingIfNeeded: $0) },
            givenLabels: labels.map { Int32(truncatingIfNeeded: $0) })
    }
}
