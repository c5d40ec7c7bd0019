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
    public private(set) var notes: [String] = []
    /// How images of another size than `shape` come to it.
    let resize: ResizeKind
    private let train: [Int32]
    private let validation: [Int32]
    private let test: [Int32]

    /// The data set's name in messages and run files.
    public var name: String { images.name }
    /// One image's size as models get it.
    public let shape: ImageShape
    /// The number of classes.
    public var classCount: Int { images.classCount }
    /// The classes' names in order, where the data say them.
    public var classNames: [String]? { images.classNames }

    /// Global indices of the split's images, ascending.
    public func indices(of split: Split) -> [Int32] {
        switch split {
        case .train: train
        case .validation: validation
        case .test: test
        }
    }

    /// Finds and reads the data set that `configuration` describes.
    ///
    /// - Parameter dataDirectory: the folder of `--data-dir`, which goes before the configuration's; nil when not given.
    /// - Throws: `UserError`: `.noInput` when a file is missing, `.data` when one is damaged, `.usage` when the configuration asks for
    ///   more than the data set has.
    public static func load(_ configuration: DataConfiguration, dataDirectory: String? = nil) throws -> ImageDataset {
        let images: LabeledImages, location: String?
        var note: String?
        switch configuration.source {
        case .named(let dataset) where dataset.load != nil:
            (images, location) = (try dataset.load!(dataDirectory ?? configuration.findDirectory()?.path), nil)
        case .named(let dataset):
            let directory = configuration.findDirectory()
            let found = try IDXDataset(
                finding: dataset, directory: dataDirectory ?? directory?.path, recordedIn: dataDirectory == nil ? configuration.places.found : nil)
            (images, location) = (try found.load(), found.directory)
            if dataDirectory == nil { note = directory?.note }
        case .hdf5(let source):
            let found = try configuration.find(source)
            (images, location) = (try loadHDF5Images(source, at: found.path, isRecorded: configuration.places.isRecorded), found.path)
            note = found.note
        }
        if !configuration.places.isRecorded { try images.requireSeveralClasses(at: location ?? images.name) }
        var dataset = try ImageDataset(images, configuration)
        dataset.location = location.map { URL(filePath: $0).standardizedFileURL.path }
        dataset.notes = (note.map { [$0] } ?? []) + dataset.doubts
        return dataset
    }

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

    /// Splits `images`.
    ///
    /// The official training images are shuffled with the stream `split` of the configuration's seed. The first ones are held out for
    /// validation (unless the data set brings its own validation images), the next ones are the training split; so the training
    /// split's size changes neither the validation split nor the order, and a smaller one lies within a larger one.
    init(_ images: LabeledImages, _ configuration: DataConfiguration) throws {
        func order(_ range: Range<Int>, stream: String) -> [Int32] {
            shuffled(range.map(Int32.init), stream: PhiloxStream(seed: configuration.splitSeed, name: stream), time: 0)
        }
        if images.validation != nil, configuration.validation != nil {
            throw UserError(at: "data.validation", "\(images.name) brings its own validation images; leave this key out")
        }
        let shuffledTrain = order(images.train, stream: "split")
        let heldOut = images.validation == nil ? (configuration.validation ?? .default).count(of: images.train.count) : 0
        guard heldOut < images.train.count else {
            throw UserError(at: "data.validation", "\(heldOut) images held out, but \(images.name) has only \(images.train.count) training images")
        }
        let trainCount = configuration.trainExamples ?? (images.train.count - heldOut)
        guard heldOut + trainCount <= images.train.count else {
            throw UserError(at: "data.train_examples", """
                \(trainCount) images asked for, but \(images.name) has \(images.train.count - heldOut) \
                training images after \(heldOut) were held out
                """)
        }
        let testCount = configuration.testExamples ?? images.test.count
        guard testCount <= images.test.count else {
            throw UserError(at: "data.test_examples", "\(testCount) images asked for, but \(images.name) has \(images.test.count) test images")
        }
        for case .shift(let pixels) in configuration.augment where pixels >= min(images.shape.height, images.shape.width) {
            throw UserError(at: "data.augment", "a shift of \(pixels) pixels leaves nothing of images of \(images.shape)")
        }

        let own = images.shape
        let shape = configuration.size.map { ImageShape(height: $0.height, width: $0.width, channels: own.channels) } ?? own
        if configuration.resize == .pad, shape.height < own.height || shape.width < own.width {
            throw UserError(at: "data.size", "\(shape.height)×\(shape.width) pixels are less than the \(own.height)×\(own.width) of the images, to which pad only adds")
        }
        self.images = images
        self.shape = shape
        resize = configuration.resize
        train = shuffledTrain[heldOut..<heldOut + trainCount].sorted()
        validation = images.validation.map { $0.map(Int32.init) } ?? shuffledTrain[..<heldOut].sorted()
        test = order(images.test, stream: "test subset")[..<testCount].sorted()

        let channels = images.shape.channels
        switch configuration.normalization {
        case .training:
            normalization = ChannelStatistics(of: images, at: train)
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
