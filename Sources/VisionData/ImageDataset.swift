import Configuration
import Foundation
import TensorCore

/// The parts that a data set is used in.
public enum Split: String, CaseIterable, Sendable {
    case train, validation, test
}

/// A data set ready for training: images, labels, the three splits and the normalization.
public struct ImageDataset: Sendable {
    /// Pixels and labels of all splits.
    public let images: LabeledImages
    /// What is applied to pixels before a model sees them.
    public let normalization: ChannelStatistics
    /// Where the images were found: the absolute path of a file, or of a folder; nil for what is part of the program.
    public private(set) var location: String?
    /// Sentences about what may be wrong with the data, though they can be used.
    public var notes: [String] { foundNotes + tokenNote + classDoubts + duplicates }
    /// The same about where the images were found.
    private var foundNotes: [String] = []
    /// The same about images that are in two of the data set's own parts; nil where nobody has looked.
    private var knownDuplicates: [String]?
    /// How images of another size than `shape` come to it.
    let resize: ResizeKind
    /// What a mask has in the border of an image.
    let borderLabel: UInt8
    private let parts: DataSplit
    /// How an epoch draws training images.
    public let sampling: ClassSampling
    /// Whether the training images were chosen by their classes: so many of each, or unequally many.
    public let choosesByClass: Bool
    /// Whether the split is other than a data set's own with some images held out, so that there is something to say of it in numbers.
    public let isTreated: Bool
    /// Whether the test images are a fold of the training images.
    public let testIsFold: Bool

    /// The classes that have no training and validation images, for they are to be new in the test; ascending.
    public var unseenClasses: [Int] { parts.unseen }
    /// Whether training images are changed at random.
    public let isAugmented: Bool
    /// Whether samples say which places of a batch hold one.
    public private(set) var marksPlaces = false

    /// The data set's name in messages and run files.
    public var name: String { images.name }
    /// One image's size as models get it; of images that share sequences its share of one, `[tokens, 1, numbers of a token]`.
    public let shape: ImageShape
    /// How images of several sizes share sequences, once it is known how many a shard has.
    public private(set) var packing: SequencePacking?
    /// Of images that share sequences.
    let native: NativeSize?
    private let tokenCounts: [Int32]
    /// Whether images of several sizes share sequences.
    public var sharesSequences: Bool { native != nil }
    /// The number of classes that are used.
    public var classCount: Int { parts.classCount }
    /// The classes' names in order, where the data say them.
    public var classNames: [String]? { parts.classNames }
    /// What the classes are numbered in the data set; nil where all of them are used.
    public var classNumbers: [Int]? { parts.classNumbers }
    /// One class index an image, by global index: of a training image as the training sees it, −1 for images of classes that are not used.
    public var labels: [Int32] { parts.labels }
    /// Global indices of the training images whose labels noise has replaced, ascending.
    public var relabeledImages: [Int32] { parts.relabeled }

    /// How many training images each class has, by the labels that the training sees.
    public var trainingCounts: [Int] { ClassQuotas(parts.train, labels: labels, classCount: classCount).counts }

    /// Global indices of the split's images, ascending.
    public func indices(of split: Split) -> [Int32] {
        switch split {
        case .train: parts.train
        case .validation: parts.validation
        case .test: parts.test
        }
    }

    /// Finds and reads the data set that `configuration` describes.
    ///
    /// - Parameter dataDirectory: the folder of `--data-dir`, which goes before the configuration's; nil when not given.
    /// - Throws: `UserError`: `.noInput` when a file is missing, `.data` when one is damaged, `.usage` when the configuration asks for
    ///   more than the data set has.
    public static func load(_ configuration: DataConfiguration, dataDirectory: String? = nil) throws -> ImageDataset {
        let found = try FoundImages(configuration, dataDirectory: dataDirectory)
        // Masks say more than the class of an image, which may be one for all.
        if !configuration.places.isRecorded, !found.images.saysMoreThanLabels { try found.images.requireSeveralClasses(at: found.location ?? found.images.name) }
        var dataset = try ImageDataset(found.images, configuration)
        dataset.location = found.location.map { URL(filePath: $0).standardizedFileURL.path }
        dataset.foundNotes = found.notes
        dataset.lookForDuplicates(configuration)
        return dataset
    }

    /// The same images, split as another configuration of the same source says.
    ///
    /// - Throws: `UserError(.usage)` when it asks for more than the data set has.
    public func split(as configuration: DataConfiguration) throws -> ImageDataset {
        var dataset = try ImageDataset(images, configuration)
        (dataset.location, dataset.foundNotes, dataset.knownDuplicates) = (location, foundNotes, knownDuplicates)
        dataset.lookForDuplicates(configuration)
        return dataset
    }

    /// Finds images that are in two of the data set's own parts, where these count.
    private mutating func lookForDuplicates(_ configuration: DataConfiguration) {
        if configuration.folds == nil, knownDuplicates == nil { knownDuplicates = duplicateDoubts }
    }

    private var duplicates: [String] { testIsFold ? [] : knownDuplicates ?? [] }

    /// Splits images in memory.
    ///
    /// - Parameters:
    ///   - validation: how many of the training images are held out; nil: a tenth, or none where the images have some for validation.
    ///   - splitSeed: draws which.
    /// - Throws: `UserError(.usage)` when there are too few for it, or the normalization is for other channels.
    public init(
        _ images: LabeledImages, validation: HeldOut? = nil, splitSeed: UInt64 = 0, normalization: NormalizationConfiguration = .training
    ) throws {
        var configuration = DataConfiguration()
        (configuration.validation, configuration.splitSeed, configuration.normalization) = (validation, splitSeed, normalization)
        try self.init(images, configuration)
    }

    /// The same images in sequences of as many places as a shard has samples; as they are where they have one size.
    ///
    /// - Throws: `UserError(.usage)` when an image does not fit a sequence.
    public func packed(places: Int) throws -> ImageDataset {
        guard let native else { return self }
        let length = shape.height * places
        if let longest = tokenCounts.max(), Int(longest) > length {
            throw UserError(at: "data.size", """
                an image of \(name) has \(grouped(Int(longest))) tokens of \(native.patch)×\(native.patch) pixels, more than the \(grouped(length)) of a sequence, \
                \(grouped(shape.height)) for each of the \(grouped(places)) images of a shard; raise train.batch_size or average, or lower tokens
                """)
        }
        var dataset = self
        dataset.packing = SequencePacking(tokens: tokenCounts, share: shape.height, places: places)
        return dataset
    }

    /// The same images with a field that says which places of a batch hold one (`Field.present`).
    public func markingPlaces() -> ImageDataset {
        var dataset = self
        dataset.marksPlaces = true
        return dataset
    }

    /// What is to be said about sequences: how many tokens images have.
    private var tokenNote: [String] {
        guard let native, let least = tokenCounts.min(), let most = tokenCounts.max() else { return [] }
        let mean = parts.train.reduce(0) { $0 + Int(tokenCounts[Int($1)]) } / max(parts.train.count, 1)
        return ["""
            \(name): an image has \(grouped(Int(least))) to \(grouped(Int(most))) tokens of \(native.patch)×\(native.patch) pixels, training images \
            \(grouped(mean)) on average; a sequence has \(grouped(shape.height)) for each image
            """]
    }

    /// Splits `images` (`DataSplit`).
    init(_ images: LabeledImages, _ configuration: DataConfiguration) throws {
        let split = try DataSplit(images, configuration)
        for case .shift(let pixels) in configuration.augment where pixels >= min(images.shape.height, images.shape.width) {
            throw UserError(at: "data.augment", "a shift of \(pixels) pixels leaves nothing of images of \(images.shape)")
        }

        let own = images.shape
        native = configuration.native
        let tokens = native.flatMap { native in images.files?.entries.map { entry in Int32(native.tokenCount(of: entry.size)) } } ?? []
        tokenCounts = tokens
        let trainedTokens = split.train.reduce(0) { $0 + Int(tokens.isEmpty ? 0 : tokens[Int($1)]) }
        let shape = native.map { native in
            // A tenth more than the mean, so that few places stay free.
            let average = (11 * trainedTokens + 10 * split.train.count - 1) / (10 * max(split.train.count, 1))
            return ImageShape(height: native.average ?? max(1, average), width: 1, channels: native.tokenWidth(channels: own.channels))
        } ?? configuration.size.map { ImageShape(height: $0.height, width: $0.width, channels: own.channels) } ?? configuration.padded(own)
        if native == nil, configuration.resize == .pad, own != shape, shape.height < own.height || shape.width < own.width {
            throw UserError(at: "data.size", "\(shape.height)×\(shape.width) pixels are less than the \(own.height)×\(own.width) of the images, to which pad only adds")
        }
        self.images = images
        self.shape = shape
        resize = configuration.sizing
        borderLabel = configuration.padTo == nil ? 0 : LabeledImages.ignored
        parts = split
        sampling = configuration.sampling
        choosesByClass = configuration.imagesPerClass != nil || configuration.imbalance != 1
        isAugmented = !configuration.augmentations.isEmpty
        isTreated = DataSplit.isTreated(configuration)
        testIsFold = configuration.folds != nil

        let channels = images.shape.channels
        switch configuration.normalization {
        case .training:
            normalization = ChannelStatistics(of: images, at: split.train)
        case .none:
            normalization = ChannelStatistics(mean: .init(repeating: 0, count: channels), std: .init(repeating: 1, count: channels))
        case .given(let mean, let std):
            guard mean.count == channels, std.count == channels else {
                throw UserError(at: "data.normalization", """
                    mean has \(mean.count) and std \(std.count) values, expected \(channels), one for each channel of \(images.name)
                    """)
            }
            normalization = ChannelStatistics(mean: mean, std: std)
        }
    }
}
