import Configuration
import TensorCore
import VisionData

/// What the frozen part of a model makes of each sample, computed once: `train.cache_features`.
///
/// It exists where nothing between the images and the first parameter that is trained changes from step to step: parameters are frozen to the end,
/// norms have fixed statistics, and there is neither dropout, drop path nor augmentation. What is trained takes the features in the place of the
/// images. They come from the same kernels on shards of the same size, so the training is the same to the bit. That rests on kernels that give a
/// sample the same bits wherever it lies in a batch: a batch is computed twice, the second time in another order and as of another step, and where a
/// bit differs there are no features.
final class CachedFeatures {
    /// Those of one sample, as fields of a batch.
    let fields: [Field]
    /// The samples whose features are kept.
    private let indices: [Int32]
    private let plan: Plan
    private let inputCount: Int
    private let keeps: (_ name: String) -> Bool
    private let batchSize: Int
    private let shardLength: Int
    private let images: any SampleSource
    private let image: Field
    /// The features of all samples in the order of `indices`; nil until they are computed.
    private var memory: FeatureMemory?
    /// The place of each sample among those that are kept, by its index.
    private let places: [Int32]

    /// - Parameters:
    ///   - recordings: the model with its task, as it is recorded in the epochs from which on other parameters are frozen.
    ///   - fields: what the recordings are fed, the image first.
    ///   - split: the samples whose features are kept.
    ///   - budget: the memory that they may take.
    ///   - store: with the weights of the model.
    /// - Returns: nil where there are no such features.
    init?(
        _ recordings: [RecordedModel], of source: any SampleSource, fields: [Field], split: Split, configuration: TrainConfiguration, budget: Int,
        store: ParameterStore, pool: WorkerPool
    ) throws {
        keeps = configuration.parameters.freezes
        let found = recordings.compactMap { $0.features(keeping: configuration.parameters.freezes) }
        guard let first = recordings.first, let features = found.first, found.count == recordings.count else { return nil }
        let count = configuration.batchSize / configuration.shards, own = Self.fields(of: features, count: count)
        guard found.allSatisfy({ Self.fields(of: $0, count: count) == own }) else { return nil }
        let indices = source.indices(of: split)
        guard !indices.isEmpty, own.reduce(0, { $0 + $1.byteCount }) <= budget / indices.count else { return nil }
        var places = [Int32](repeating: -1, count: Int(indices.max() ?? -1) + 1)
        for (place, index) in indices.enumerated() { places[Int(index)] = Int32(place) }
        (self.fields, self.indices, self.places) = (own, indices, places)
        images = source
        image = fields[0]
        (batchSize, shardLength) = (configuration.batchSize, count)
        inputCount = fields.count
        plan = try Plan(first.graph, outputs: features, store: store, pool: pool, updatesBuffers: false)
        guard try isIndependentOfPlaces() else { return nil }
    }

    private static func fields(of features: [Tensor], count: Int) -> [Field] {
        features.enumerated().map { Field("features.\($0)", [$1.shape.elementCount / count], $1.dtype) }
    }

    /// The plan, and the features of all samples.
    var byteCount: Int { plan.byteCount + indices.count * fields.reduce(0) { $0 + $1.byteCount } }

    /// Of how many samples features are kept.
    var sampleCount: Int { indices.count }

    /// Whether the features are known.
    var isFilled: Bool { memory != nil }

    /// What a batch holds for a model that takes features in the place of images: features before and behind the task's targets.
    func batchFields(_ targets: some Sequence<Field>) -> [Field] { [fields[0]] + targets + fields.dropFirst() }

    /// Lets a model take the features in the place of the images; before its backward pass is recorded.
    func feed(_ recorded: RecordedModel) {
        guard let features = recorded.features(keeping: keeps) else { preconditionFailure("a recording has no features that it had before") }
        recorded.graph.feed(features, inPlaceOf: recorded.inputs[0])
    }

    // MARK: Computing

    /// Computes the features of a batch.
    ///
    /// - Parameter image: the batch's images.
    /// - Returns: the memory of each field, valid until the next call.
    private func compute(_ image: UnsafeRawPointer, step: UInt64 = 0) throws -> [UnsafeRawPointer] {
        try plan.run(feeding: Array(repeating: image, count: inputCount), step: step)
        return fields.indices.map(plan.outputPointer)
    }

    /// A batch of images and targets with the features in the place of the images, in the order of `batchFields`.
    func computed(_ batch: Batch) throws -> [UnsafeRawPointer] {
        let features = try compute(batch.fields[0])
        return [features[0]] + batch.fields.dropFirst() + features.dropFirst()
    }

    /// Calls `body` with the features of samples, a batch after another.
    private func forEachBatch(
        of samples: [Int32], step: UInt64 = 0, shouldStop: () -> Bool = { false }, _ body: (_ features: [UnsafeRawPointer], _ count: Int) -> Void
    ) throws -> Bool {
        let pipeline = BatchPipeline(evaluating: images, fields: [image], indices: samples, batchSize: batchSize)
        while let batch = try pipeline.next() {
            if shouldStop() { return false }
            body(try compute(batch.fields[0], step: step), batch.count)
        }
        return true
    }

    /// Whether a batch's features are the same to the bit at other places, beside other samples and in another step.
    private func isIndependentOfPlaces() throws -> Bool {
        let samples = Array(indices.prefix(batchSize)), count = samples.count
        // Backwards, from the middle of a shard on: no shard has the samples that one of the first order has.
        func other(_ place: Int) -> Int { (count - 1 - place + (shardLength + 1) / 2) % count }
        var passes: [[[UInt8]]] = []
        for (step, order) in [samples, samples.indices.map { samples[other($0)] }].enumerated() {
            _ = try forEachBatch(of: order, step: UInt64(step)) { features, count in
                passes.append(zip(fields, features).map { field, memory in
                    [UInt8](UnsafeRawBufferPointer(start: memory, count: count * field.byteCount))
                })
            }
        }
        return fields.indices.allSatisfy { index in
            let size = fields[index].byteCount
            func bytes(_ pass: Int, _ place: Int) -> ArraySlice<UInt8> { passes[pass][index][place * size..<(place + 1) * size] }
            return samples.indices.allSatisfy { bytes(1, $0).elementsEqual(bytes(0, other($0))) }
        }
    }

    /// Computes the features of all samples.
    ///
    /// - Returns: false when `shouldStop` said so between two batches.
    func fill(shouldStop: () -> Bool) throws -> Bool {
        var start = 0
        let memory = FeatureMemory(fields.map { indices.count * $0.byteCount })
        let isWhole = try forEachBatch(of: indices, shouldStop: shouldStop) { features, count in
            for (index, field) in fields.enumerated() {
                (memory.fields[index] + start * field.byteCount).copyMemory(from: features[index], byteCount: count * field.byteCount)
            }
            start += count
        }
        if isWhole { self.memory = memory }
        return isWhole
    }

    /// Forgets the features, when the weights behind them may have changed.
    func forget() { memory = nil }

    // MARK: Reading

    /// The samples with their features in the place of their images; `fill` comes first.
    var source: any SampleSource {
        guard let memory else { preconditionFailure("features are read before they are computed") }
        return FeatureSource(samples: images, features: fields, memory: memory, places: places)
    }
}

/// The features of all samples, one field after another.
///
/// Unchecked: `CachedFeatures.fill` writes them before anyone else has them, and after that they are only read.
private final class FeatureMemory: @unchecked Sendable {
    /// Valid as long as this lives.
    let fields: [UnsafeMutableRawPointer]

    init(_ byteCounts: [Int]) { fields = byteCounts.map { .allocate(byteCount: $0, alignment: 64) } }

    deinit { fields.forEach { $0.deallocate() } }
}

/// Samples of another source with features in the place of images.
private struct FeatureSource: SampleSource {
    let samples: any SampleSource
    let features: [Field]
    let memory: FeatureMemory
    /// Where in `memory` the features of a sample are, by its index.
    let places: [Int32]

    var name: String { samples.name }
    var fields: [Field] { features + samples.fields.filter { $0.name != "image" } }
    var byteCount: Int { samples.byteCount }
    var balancedGroups: [[Int32]]? { samples.balancedGroups }
    var sets: SampleSets? { samples.sets }

    func indices(of split: Split) -> [Int32] { samples.indices(of: split) }

    func makeWriter(of fields: [Field], augmentations: [Augmentation], seed: UInt64) -> any SampleWriter {
        let isFeature = fields.map(features.contains), targets = zip(fields, isFeature).filter { !$1 }.map(\.0)
        return FeatureWriter(
            source: self, features: fields.indices.filter { isFeature[$0] }.map { ($0, features.firstIndex(of: fields[$0])!) },
            targets: fields.indices.filter { !isFeature[$0] }, targetWriter: samples.makeWriter(of: targets, augmentations: [], seed: seed))
    }
}

private struct FeatureWriter: SampleWriter {
    let source: FeatureSource
    /// Which fields of a batch are features, and which ones.
    let features: [(field: Int, feature: Int)]
    /// The other fields.
    let targets: [Int]
    let targetWriter: any SampleWriter

    func begin(_ samples: UnsafeBufferPointer<Int32>) { targetWriter.begin(samples) }

    func write(_ sample: Int, epoch: Int, place: Int, in batch: [UnsafeMutableRawPointer]) throws {
        for (field, feature) in features {
            let size = source.features[feature].byteCount
            (batch[field] + place * size).copyMemory(from: source.memory.fields[feature] + Int(source.places[sample]) * size, byteCount: size)
        }
        try targetWriter.write(sample, epoch: epoch, place: place, in: targets.map { batch[$0] })
    }
}

extension TrainConfiguration {
    /// Whether features may be kept, as far as that can be said of the samples.
    ///
    /// - Throws: `UserError(.usage)` where they have to be and cannot.
    func mayCacheFeatures(of source: any SampleSource, augmentations: [Augmentation]) throws -> Bool {
        try requireFixedImages(areAugmented: !augmentations.isEmpty, shareSequences: source.packing != nil)
        guard featureCache != .never, augmentations.isEmpty, source.packing == nil else { return false }
        return featureCache == .always || epochs > 1 && parameters.contains(where: \.freeze)
    }

    /// What is said where features have to be kept, and there are none.
    var noFeatures: UserError {
        UserError(at: "train.cache_features", """
            always expects something between the images and the first trained parameter that stays the same to the end and for each image alone; \
            found nothing: freeze the layers next to the images (train.parameters), without dropout
            """)
    }

    /// - Throws: `UserError(.usage)` where features have to be kept, and images are other in every epoch.
    public func requireFixedImages(areAugmented: Bool, shareSequences: Bool) throws {
        guard featureCache == .always else { return }
        if areAugmented {
            throw UserError(at: "train.cache_features", "always does not go with augmentation, which changes the images in every epoch; leave out data.augment, or this key")
        }
        if shareSequences {
            throw UserError(at: "train.cache_features", "always does not go with images in their own sizes, which share sequences; expected auto or never")
        }
    }
}
