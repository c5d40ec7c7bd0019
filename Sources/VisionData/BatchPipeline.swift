import Configuration
import Foundation
import Synchronization
import TensorCore

/// One batch; its memory belongs to the pipeline and is valid until the next call of `next()`.
public struct Batch {
    /// The memory of each of the pipeline's fields, `[batchSize, …]`. Places from `count` on are 0; leave them out of losses and counts.
    public let fields: [UnsafeRawPointer]
    /// Global indices of the samples, `[count]`; −1 for places of sequences that stay free.
    public let sampleIndices: UnsafeBufferPointer<Int32>
    /// How many places hold samples: the batch size, except in the last batch of an evaluation.
    public let count: Int
    /// From 0.
    public let epoch: Int
    /// The batch's number in its epoch, from 0.
    public let indexInEpoch: Int
}

/// The batches of a split in order, prepared on a thread of their own while the consumer works on those before.
///
///     let pipeline = try BatchPipeline(training: dataset, batchSize: 128, seed: 0, augmentations: [.shift(pixels: 2)], epochs: 0..<4)
///     while let batch = pipeline.next() { … }
///
/// In training each epoch goes through the training split in an order of its own, the shuffle of the stream `shuffle` at (seed, epoch); the
/// samples left over when a batch is not full are dropped in that epoch. Of a source with groups (`SampleSource.balancedGroups`) each is drawn
/// equally often in as many batches, and of one with sets (`SampleSource.sets`) an epoch has as many places as there are
/// views of its samples (`EpochOrder`). In evaluation the order is that of the indices, nothing is
/// augmented, and the last batch is padded. What a batch holds depends on nothing but the arguments, the epoch and its
/// index: a pipeline that starts in the middle gives what one from the start gives there, without going through what is before.
///
/// Used from one thread. After the first batches nothing is allocated. A pipeline that is dropped early stops its thread after the batch at hand.
public final class BatchPipeline {
    /// How many images a batch has.
    public let batchSize: Int
    /// What a batch holds, in the order of `Batch.fields`.
    public let fields: [Field]
    /// Full batches in training; in evaluation the last one may be padded.
    public let batchesPerEpoch: Int
    let producer: BatchProducer
    /// How many batches are in memory: one with the consumer, one ready, one in preparation.
    public static let slotCount = 3

    /// Training batches of `epochs`, from batch `startingAt.batch` of epoch `startingAt.epoch`.
    ///
    /// - Parameters:
    ///   - fields: some of the source's; nil: all.
    ///   - startingAt: within `epochs`; a batch equal to `batchesPerEpoch` means the next epoch. nil: the beginning.
    /// - Throws: `UserError(.usage)` when the training split has fewer samples than a batch.
    public init(
        training source: some SampleSource, fields: [Field]? = nil, batchSize: Int, seed: UInt64, augmentations: [Augmentation],
        epochs: Range<Int>, startingAt: (epoch: Int, batch: Int)? = nil
    ) throws {
        precondition(batchSize > 0, "the batch size must be positive")
        let indices = source.indices(of: .train)
        // A view is a place of its own.
        let sets = source.sets, views = sets?.views ?? 1
        guard indices.count * views >= batchSize else {
            throw UserError(at: "train.batch_size", "\(batchSize) is larger than the training split of \(source.name), which has \(indices.count) images")
        }
        self.batchSize = batchSize
        self.fields = fields ?? source.fields
        let placeCount = source.packing.map { $0.packed(indices).count } ?? indices.count * views
        guard placeCount >= batchSize else {
            throw UserError(at: "train.batch_size", "\(batchSize) is more than the \(placeCount) places of the sequences that the training images of \(source.name) fill")
        }
        let batchesPerEpoch = placeCount / batchSize
        self.batchesPerEpoch = batchesPerEpoch
        let start = startingAt ?? (epochs.lowerBound, 0)
        precondition(
            start.epoch >= epochs.lowerBound && start.epoch <= epochs.upperBound && (0...batchesPerEpoch).contains(start.batch),
            "the start (epoch \(start.epoch), batch \(start.batch)) lies outside epochs \(epochs) of \(batchesPerEpoch) batches")
        let order = source.packing.map { EpochOrder(packing: indices, $0, count: batchesPerEpoch * batchSize, seed: seed) }
            ?? sets.map { EpochOrder(drawing: $0, count: batchesPerEpoch * batchSize, seed: seed) }
            ?? source.balancedGroups.map { EpochOrder(balancing: $0, count: batchesPerEpoch * batchSize, seed: seed) } ?? EpochOrder(indices, seed: seed)
        producer = BatchProducer(
            source, self.fields, order: order, batchSize: batchSize, seed: seed, augmentations: augmentations,
            first: start.epoch * batchesPerEpoch + start.batch, end: epochs.upperBound * batchesPerEpoch, batchesPerEpoch: batchesPerEpoch)
        producer.start()
    }

    /// All samples of a split once, in order and not augmented.
    ///
    /// - Parameter fields: some of the source's; nil: all.
    public convenience init(evaluating source: some SampleSource, fields: [Field]? = nil, split: Split, batchSize: Int) {
        self.init(evaluating: source, fields: fields, indices: source.indices(of: split), batchSize: batchSize)
    }

    /// Some samples once, in the order of their indices and not augmented.
    ///
    /// - Parameters:
    ///   - fields: some of the source's; nil: all.
    ///   - indices: global ones of the source.
    public init(evaluating source: some SampleSource, fields: [Field]? = nil, indices: [Int32], batchSize: Int) {
        precondition(batchSize > 0, "the batch size must be positive")
        self.batchSize = batchSize
        self.fields = fields ?? source.fields
        let places = source.packing?.packed(indices) ?? indices
        batchesPerEpoch = (places.count + batchSize - 1) / batchSize
        producer = BatchProducer(
            source, self.fields, order: EpochOrder(places, seed: nil), batchSize: batchSize, seed: 0, augmentations: [],
            first: 0, end: batchesPerEpoch, batchesPerEpoch: batchesPerEpoch)
        producer.start()
    }

    deinit { producer.stop() }

    /// How long the calls of `next()` took so far, all together: next to nothing while batches are ready in time.
    public private(set) var secondsWaited = 0.0

    /// The next batch, or nil after the last one. Gives the memory of the batch before back to the pipeline.
    ///
    /// - Throws: what is wrong with a sample that cannot be read any more.
    public func next() throws -> Batch? {
        let start = ContinuousClock.now
        defer { secondsWaited += (.now - start) / .seconds(1) }
        return try producer.take()
    }
}

/// The thread behind a pipeline and the ring of batches between the two.
///
/// Unchecked: what both threads touch (`produced`, `taken`, `isHolding`, `isStopped`, `failure`) is touched only under `condition`. The ring's
/// memory, `order` and `writers` need no lock: a slot belongs to the producing thread until it is counted in `produced`, then to the
/// consumer until it is given back in `take`, and the others are the producing thread's alone. The memory is freed in `deinit`, and the
/// thread holds a reference until it ends.
final class BatchProducer: @unchecked Sendable {
    private struct Slot {
        let fields: [UnsafeMutableRawPointer]
        let indices: UnsafeMutablePointer<Int32>
        /// `fields`, for the consumer.
        let pointers: [UnsafeRawPointer]
    }

    /// The bytes of each field of a sample.
    private let byteCounts: [Int]
    private let batchSize: Int
    private let first: Int
    private let end: Int
    private let batchesPerEpoch: Int
    /// One for each thread that writes samples.
    private let writers: [any SampleWriter]
    /// The threads that share a batch; nil where one is quick enough.
    private let pool: WorkerPool?
    private let slots: [Slot]
    private let order: EpochOrder
    /// False where the system refused one: the consumer makes each batch when he takes it. Written once, before any batch is taken.
    private var hasThread = false

    private let condition = NSCondition()
    private var produced = 0
    private var taken = 0
    private var isHolding = false
    private var isStopped = false
    /// What ended the production.
    private var failure: (any Error)?

    init(
        _ source: some SampleSource, _ fields: [Field], order: EpochOrder, batchSize: Int, seed: UInt64, augmentations: [Augmentation],
        first: Int, end: Int, batchesPerEpoch: Int
    ) {
        self.order = order
        self.batchSize = batchSize
        self.first = first
        self.end = end
        self.batchesPerEpoch = batchesPerEpoch
        let byteCounts = fields.map(\.byteCount)
        self.byteCounts = byteCounts
        pool = source.isSlow ? WorkerPool(threads: min(MachineLimits.current.processors, batchSize)) : nil
        writers = (0..<(pool?.threadCount ?? 1)).map { _ in
            source.makeWriter(of: fields, augmentations: augmentations, seed: seed)
        }
        slots = (0..<BatchPipeline.slotCount).map { _ in
            let memory = byteCounts.map { count in
                let memory = UnsafeMutableRawPointer.allocate(byteCount: batchSize * count, alignment: 64)
                memory.initializeMemory(as: UInt8.self, repeating: 0, count: batchSize * count)
                return memory
            }
            let indices = UnsafeMutablePointer<Int32>.allocate(capacity: batchSize)
            indices.initialize(repeating: 0, count: batchSize)
            return Slot(fields: memory, indices: indices, pointers: memory.map { UnsafeRawPointer($0) })
        }
    }

    deinit {
        for slot in slots {
            slot.fields.forEach { $0.deallocate() }
            slot.indices.deallocate()
        }
    }

    func start() {
        hasThread = SystemThread.start(named: "batches") { [self] in produceAll() }
    }

    /// Makes the producing thread end soon.
    func stop() {
        condition.lock()
        isStopped = true
        condition.broadcast()
        condition.unlock()
    }

    // MARK: The consumer's side

    func take() throws -> Batch? {
        condition.lock()
        defer { condition.unlock() }
        if isHolding {
            isHolding = false
            taken += 1
            condition.signal()
        }
        guard first + taken < end else { return nil }
        if !hasThread, produced == taken {
            try produce(first + produced)
            produced += 1
        }
        while produced == taken, failure == nil { condition.wait() }
        if produced == taken, let failure { throw failure }
        isHolding = true

        let slot = slots[taken % slots.count]
        let (epoch, index) = (first + taken).quotientAndRemainder(dividingBy: batchesPerEpoch)
        let count = sampleCount(ofBatch: index)
        return Batch(
            fields: slot.pointers, sampleIndices: UnsafeBufferPointer(start: slot.indices, count: count),
            count: count, epoch: epoch, indexInEpoch: index)
    }

    private func sampleCount(ofBatch index: Int) -> Int { min(batchSize, order.count - index * batchSize) }

    // MARK: The producing thread

    private func produceAll() {
        for number in first..<max(first, end) {
            condition.lock()
            while !isStopped, number - first - taken >= slots.count { condition.wait() }
            let isStopped = isStopped
            condition.unlock()
            if isStopped { return }

            let result = Result { try produce(number) }

            condition.lock()
            if case .failure(let error) = result { failure = error } else { produced += 1 }
            condition.signal()
            condition.unlock()
            if case .failure = result { return }
        }
    }

    private func produce(_ number: Int) throws {
        let (epoch, index) = number.quotientAndRemainder(dividingBy: batchesPerEpoch)
        order.enter(epoch: epoch)
        try fill(slots[(number - first) % slots.count], index: index)
    }

    private func fill(_ slot: Slot, index: Int) throws {
        let count = sampleCount(ofBatch: index)
        for place in 0..<count { slot.indices[place] = order.draw(index * batchSize + place).sample }
        for writer in writers { writer.begin(UnsafeBufferPointer(start: slot.indices, count: count)) }
        func write(_ worker: Int, _ place: Int) throws {
            let (sample, epoch) = order.draw(index * batchSize + place)
            try writers[worker].write(Int(sample), epoch: epoch, place: place, in: slot.fields)
        }
        if let pool {
            let failures = Mutex([Int: any Error]())
            pool.run(count) { worker, place in
                do { try write(worker, place) } catch { failures.withLock { $0[place] = error } }
            }
            // Whichever thread was first: the error of the first sample.
            if let first = failures.withLock({ $0.min { $0.key < $1.key } }) { throw first.value }
        } else {
            for place in 0..<count { try write(0, place) }
        }
        for (memory, byteCount) in zip(slot.fields, byteCounts) {
            (memory + count * byteCount).initializeMemory(as: UInt8.self, repeating: 0, count: (batchSize - count) * byteCount)
        }
    }
}
