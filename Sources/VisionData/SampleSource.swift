import TensorCore

/// A named part of a sample: `image`, `label`, `mask`.
public struct Field: Sendable, Equatable {
    /// What the numbers stand for.
    public enum Meaning: Sendable, Equatable {
        case values
        /// Indices of that many classes, from 0.
        case classes(Int)
    }

    /// As tasks call it.
    public let name: String
    /// The shape for one sample; `[]` for a single number.
    public let shape: Shape
    /// float32 or int32.
    public let dtype: DType
    /// What its numbers stand for.
    public let meaning: Meaning

    /// A field of a name, a shape for one sample, an element type and a meaning.
    public init(_ name: String, _ shape: Shape, _ dtype: DType = .float32, meaning: Meaning = .values) {
        self.name = name
        self.shape = shape
        self.dtype = dtype
        self.meaning = meaning
    }

    /// Normalized pixels `[height, width, channels]`.
    public static func image(_ shape: ImageShape) -> Field { Field("image", [shape.height, shape.width, shape.channels]) }

    /// The index of a sample's class.
    public static func label(classes count: Int) -> Field { Field("label", [], .int32, meaning: .classes(count)) }

    /// The memory of one sample's.
    public var byteCount: Int { shape.elementCount * dtype.byteCount }
}

/// Where samples come from: how many there are, which fields they have, and their numbers.
public protocol SampleSource: Sendable {
    /// As messages call it.
    var name: String { get }
    /// What each sample has.
    var fields: [Field] { get }
    /// The memory that the samples take.
    var byteCount: Int { get }

    /// Global indices of the split's samples, ascending.
    func indices(of split: Split) -> [Int32]

    /// - Parameters:
    ///   - fields: some of the source's, in the order in which they are written.
    ///   - augmentations: act on all fields of a sample together; none in evaluation.
    ///   - seed: of their random numbers.
    func makeWriter(of fields: [Field], augmentations: [Augmentation], seed: UInt64) -> any SampleWriter
}

/// Writes samples into the memory of batches; used by one thread.
public protocol SampleWriter {
    /// Writes the fields of sample number `sample` as it looks in `epoch`, a function of nothing but these, the source and the seed.
    ///
    /// - Parameters:
    ///   - place: of the sample in the batch.
    ///   - batch: the batch's memory for each field, sample after sample; valid during the call.
    func write(_ sample: Int, epoch: Int, place: Int, in batch: [UnsafeMutableRawPointer])
}

extension SampleSource {
    /// nil where the samples have no such field.
    public func field(named name: String) -> Field? { fields.first { $0.name == name } }
}

// MARK: Images with labels

extension ImageDataset: SampleSource {
    public var fields: [Field] { [.image(shape), .label(classes: classCount)] }
    public var byteCount: Int { images.byteCount }

    public func makeWriter(of fields: [Field], augmentations: [Augmentation], seed: UInt64) -> any SampleWriter {
        ImageWriter(self, fields: fields, augmentations: augmentations, seed: seed)
    }
}

private struct ImageWriter: SampleWriter {
    private enum Part { case image, label }

    private let parts: [Part]
    private let labels: [Int32]
    private let imageCount: Int
    private let preparer: ImagePreparer

    init(_ dataset: ImageDataset, fields: [Field], augmentations: [Augmentation], seed: UInt64) {
        parts = fields.map { field in
            switch field {
            case .image(dataset.shape): .image
            case .label(classes: dataset.classCount): .label
            default: preconditionFailure("images with labels have no field \(field.name)")
            }
        }
        labels = dataset.images.labels
        imageCount = dataset.shape.count
        preparer = ImagePreparer(dataset, augmentations: augmentations, seed: seed)
    }

    func write(_ sample: Int, epoch: Int, place: Int, in batch: [UnsafeMutableRawPointer]) {
        for (part, memory) in zip(parts, batch) {
            switch part {
            case .image: preparer.write(sample, epoch: epoch, to: memory.assumingMemoryBound(to: Float.self) + place * imageCount)
            case .label: memory.assumingMemoryBound(to: Int32.self)[place] = labels[sample]
            }
        }
    }
}
