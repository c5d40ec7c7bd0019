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

    /// The class of each pixel, 255 where it does not count.
    public static func mask(_ shape: ImageShape, classes count: Int) -> Field {
        Field("mask", [shape.height, shape.width], .int32, meaning: .classes(count))
    }

    /// Class, left, upper, right and lower edge of each object, in pixels; rows of the class −1 hold none.
    public static func boxes(atMost maximum: Int) -> Field { Field("boxes", [maximum, BoxPreparer.length]) }

    /// 1 for each class that an image has, else 0.
    public static func labelSet(classes count: Int) -> Field { Field("label_set", [count]) }

    /// The numbers that belong to an image.
    public static func target(count: Int) -> Field { Field("target", [count]) }

    /// 1 where a place holds a sample, 0 where it stays free.
    public static let present = Field("present", [])

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

    /// Whether a sample takes so long to write that several threads share a batch.
    var isSlow: Bool { get }

    /// Groups of training samples, none of them empty, of which every epoch draws each equally often; nil: every sample is drawn once.
    var balancedGroups: [[Int32]]? { get }

    /// Training samples that stand side by side; nil: in any order. They go before `balancedGroups`.
    var sets: SampleSets? { get }

    /// How samples share sequences; nil: each has its place.
    var packing: SequencePacking? { get }
}

extension SampleSource {
    public var isSlow: Bool { false }
    public var balancedGroups: [[Int32]]? { nil }
    public var sets: SampleSets? { nil }
    public var packing: SequencePacking? { nil }
}

/// Writes samples into the memory of batches; used by one thread.
public protocol SampleWriter {
    /// Is told the samples of all places of the next batch, before any is written; −1 for places of sequences that stay free.
    func begin(_ samples: UnsafeBufferPointer<Int32>)

    /// Writes the fields of sample number `sample` as it looks in `epoch`, a function of nothing but these, the source and the seed.
    ///
    /// - Parameters:
    ///   - place: of the sample in the batch.
    ///   - batch: the batch's memory for each field, sample after sample; valid during the call.
    /// - Throws: what is wrong with a sample that cannot be read any more.
    func write(_ sample: Int, epoch: Int, place: Int, in batch: [UnsafeMutableRawPointer]) throws
}

extension SampleWriter {
    public func begin(_ samples: UnsafeBufferPointer<Int32>) {}
}

extension SampleSource {
    /// nil where the samples have no such field.
    public func field(named name: String) -> Field? { fields.first { $0.name == name } }
}

// MARK: Images with labels

extension ImageDataset: SampleSource {
    public var fields: [Field] {
        [.image(shape), .label(classes: classCount)] + (images.masks == nil ? [] : [.mask(shape, classes: classCount)])
            + (images.boxes.map { [.boxes(atMost: $0.maximum)] } ?? []) + (images.labelSets.map { [.labelSet(classes: $0.classCount)] } ?? [])
            + (images.targets.map { [.target(count: $0.count)] } ?? []) + (packing == nil && !marksPlaces ? [] : [.present])
    }
    public var byteCount: Int { images.byteCount }

    public func makeWriter(of fields: [Field], augmentations: [Augmentation], seed: UInt64) -> any SampleWriter {
        ImageWriter(self, fields: fields, augmentations: augmentations, seed: seed)
    }

    public var isSlow: Bool { if case .files = images.pixels { true } else { false } }

    public var balancedGroups: [[Int32]]? {
        sampling == .balanced ? trainingGroups : nil
    }

    public var sets: SampleSets? {
        guard case .sets(let sets) = sampling else { return nil }
        let groups = sets.drawsClasses ? trainingGroups : [indices(of: .train)]
        return SampleSets(groups: groups, groupCount: sets.classes ?? 1, sampleCount: sets.images ?? 1, views: sets.views)
    }

    /// The training images of each class that has some to train on.
    private var trainingGroups: [[Int32]] {
        var groups = [[Int32]](repeating: [], count: classCount)
        for image in indices(of: .train) { groups[Int(labels[Int(image)])].append(image) }
        return unseenClasses.isEmpty ? groups : groups.filter { !$0.isEmpty }
    }
}

private struct ImageWriter: SampleWriter {
    private enum Part { case image, label, mask, boxes, labelSet, target, present }

    private let parts: [Part]
    private let labels: [Int32]
    private let imageCount: Int
    /// How many pixels an image has.
    private let imageSize: Int
    /// nil for images that share sequences.
    private let preparer: ImagePreparer?
    /// nil where nobody asks for masks.
    private let masks: MaskPreparer?
    /// nil where nobody asks for boxes.
    private let boxes: BoxPreparer?
    /// How many numbers the boxes of an image are.
    private let boxesLength: Int
    private let labelSets: LabelSets?
    private let targets: ImageTargets?
    /// Of images that share sequences.
    private let native: NativeWriter?

    init(_ dataset: ImageDataset, fields: [Field], augmentations: [Augmentation], seed: UInt64) {
        parts = fields.map { field in
            switch field {
            case .image(dataset.shape): .image
            case .label(classes: dataset.classCount): .label
            case .mask(dataset.shape, classes: dataset.classCount): .mask
            case _ where field == dataset.images.boxes.map({ .boxes(atMost: $0.maximum) }): .boxes
            case _ where field == dataset.images.labelSets.map({ .labelSet(classes: $0.classCount) }): .labelSet
            case _ where field == dataset.images.targets.map({ .target(count: $0.count) }): .target
            case .present: .present
            default: preconditionFailure("images with labels have no field \(field.name)")
            }
        }
        labels = dataset.labels
        (labelSets, targets) = (dataset.images.labelSets, dataset.images.targets)
        imageCount = dataset.shape.count
        imageSize = dataset.shape.height * dataset.shape.width
        preparer = dataset.packing == nil ? ImagePreparer(dataset, augmentations: augmentations, seed: seed) : nil
        masks = parts.contains(.mask) ? MaskPreparer(dataset, augmentations: augmentations, seed: seed) : nil
        boxes = parts.contains(.boxes) ? BoxPreparer(dataset, augmentations: augmentations, seed: seed) : nil
        boxesLength = (dataset.images.boxes?.maximum ?? 0) * BoxPreparer.length
        native = dataset.images.files.flatMap { files in
            guard let size = dataset.native, let packing = dataset.packing else { return nil }
            return NativeWriter(dataset, files, size, packing, augmentations: augmentations, seed: seed)
        }
    }

    func begin(_ samples: UnsafeBufferPointer<Int32>) { native?.begin(samples) }

    func write(_ sample: Int, epoch: Int, place: Int, in batch: [UnsafeMutableRawPointer]) throws {
        for (part, memory) in zip(parts, batch) {
            switch part {
            case .image:
                if let native { try native.write(epoch: epoch, place: place, to: memory.assumingMemoryBound(to: Float.self)) } else {
                    try preparer?.write(sample, epoch: epoch, to: memory.assumingMemoryBound(to: Float.self) + place * imageCount)
                }
            case .label: memory.assumingMemoryBound(to: Int32.self)[place] = sample < 0 ? 0 : labels[sample]
            case .mask: masks?.write(sample, epoch: epoch, to: memory.assumingMemoryBound(to: Int32.self) + place * imageSize)
            case .boxes: boxes?.write(sample, epoch: epoch, to: memory.assumingMemoryBound(to: Float.self) + place * boxesLength)
            case .labelSet:
                guard sample >= 0, let labelSets else { continue }
                let count = labelSets.classCount, output = memory.assumingMemoryBound(to: Float.self) + place * count
                for label in 0..<count { output[label] = labelSets.has(label, image: sample) ? 1 : 0 }
            case .target:
                guard sample >= 0, let targets else { continue }
                let output = memory.assumingMemoryBound(to: Float.self) + place * targets.count
                for number in 0..<targets.count { output[number] = targets.values[sample * targets.count + number] }
            case .present: memory.assumingMemoryBound(to: Float.self)[place] = sample < 0 ? 0 : 1
            }
        }
    }
}
