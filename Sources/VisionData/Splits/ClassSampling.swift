import TensorCore

/// How an epoch draws training images.
public enum ClassSampling: String, CaseIterable, Sendable {
    /// Each once, in a random order.
    case shuffled
    /// Each class equally often: images of small classes several times, images of large ones not all. The epoch has as many steps as without.
    case balanced
}

/// In which order an epoch goes through training samples, a function of the seed and the epoch alone; or the given order, in an evaluation.
///
/// With groups, each of `count` draws is one of a group: every group has ⌊count / groups⌋ draws or one more, and which have one more is drawn anew for
/// each epoch. A group's draws are its samples in a random order, again from the beginning when all were drawn; then all draws are shuffled.
///
/// Used by one thread. Nothing is allocated after it was made.
final class EpochOrder {
    /// How many samples an epoch has.
    let count: Int
    private let indices: [Int32]
    private let groups: [[Int32]]
    private let streams: Streams?
    private let packing: SequencePacking?
    private let samples: UnsafeMutableBufferPointer<Int32>
    /// How often a draw's sample was drawn before in the epoch; empty without groups.
    private let repetitions: UnsafeMutableBufferPointer<Int32>
    /// Room for the numbers of the groups, and behind it for the samples of one.
    private let scratch: UnsafeMutableBufferPointer<Int32>
    private var epoch = 0
    private var isOrdered = false

    /// Of random numbers.
    private struct Streams {
        let shuffle, choice, members: PhiloxStream

        init(_ seed: UInt64) {
            shuffle = PhiloxStream(seed: seed, name: "shuffle")
            choice = PhiloxStream(seed: seed, name: "balanced groups")
            members = PhiloxStream(seed: seed, name: "balanced samples")
        }
    }

    /// - Parameters:
    ///   - indices: global ones.
    ///   - seed: nil: the order stays as it is.
    init(_ indices: [Int32], seed: UInt64?) {
        (self.indices, groups, count, streams, packing) = (indices, [], indices.count, seed.map { Streams($0) }, nil)
        (samples, repetitions, scratch) = (.allocate(capacity: indices.count), .allocate(capacity: 0), .allocate(capacity: 0))
        _ = samples.initialize(from: indices)
    }

    /// - Parameters:
    ///   - groups: of global indices, none of them empty.
    ///   - count: how many draws an epoch has.
    init(balancing groups: [[Int32]], count: Int, seed: UInt64) {
        precondition(!groups.isEmpty && groups.allSatisfy { !$0.isEmpty }, "each group of a balanced order has a sample")
        (indices, self.groups, self.count, streams, packing) = ([], groups, count, Streams(seed), nil)
        (samples, repetitions) = (.allocate(capacity: count), .allocate(capacity: count))
        scratch = .allocate(capacity: groups.count + groups.map(\.count).max()!)
        for buffer in [samples, repetitions, scratch] { buffer.initialize(repeating: 0) }
    }

    /// Samples that share sequences, shuffled and packed anew for each epoch; where that takes fewer places than there are, the epoch goes on with the next
    /// shuffle, and where it takes more, the last sequences are left out.
    ///
    /// - Parameter count: how many places an epoch has, −1 being one that stays free.
    init(packing indices: [Int32], _ packing: SequencePacking, count: Int, seed: UInt64) {
        (self.indices, groups, self.count, streams, self.packing) = (indices, [], count, Streams(seed), packing)
        (samples, repetitions, scratch) = (.allocate(capacity: count), .allocate(capacity: 0), .allocate(capacity: indices.count))
        samples.initialize(repeating: -1)
        _ = scratch.initialize(from: indices)
    }

    deinit { for buffer in [samples, repetitions, scratch] { buffer.deallocate() } }

    /// Brings the samples into the order of an epoch.
    func enter(epoch: Int) {
        guard let streams, !isOrdered || self.epoch != epoch else { return }
        (self.epoch, isOrdered) = (epoch, true)
        if let packing {
            pack(packing, streams, epoch)
        } else if groups.isEmpty {
            _ = samples.update(from: indices)
            shuffle(samples, stream: streams.shuffle, time: epoch)
        } else {
            draw(streams, epoch)
        }
    }

    private func pack(_ packing: SequencePacking, _ streams: Streams, _ epoch: Int) {
        var place = 0, round = 0
        while place < count {
            _ = scratch.update(from: indices)
            shuffle(scratch, stream: streams.shuffle, time: epoch, sample: round)
            var next = scratch.makeIterator()
            let start = place
            packing.pack(take: { next.next() }) { index, sample in
                guard start + index < count else { return false }
                samples[start + index] = sample
                place = start + index + 1
                return true
            }
            round += 1
        }
    }

    private func draw(_ streams: Streams, _ epoch: Int) {
        let (least, extra) = count.quotientAndRemainder(dividingBy: groups.count)
        let numbers = UnsafeMutableBufferPointer(rebasing: scratch[..<groups.count])
        for group in groups.indices { numbers[group] = Int32(group) }
        shuffle(numbers, stream: streams.choice, time: epoch)
        var place = 0
        for (position, number) in numbers.enumerated() {
            let members = groups[Int(number)], room = UnsafeMutableBufferPointer(rebasing: scratch[groups.count..<groups.count + members.count])
            _ = room.update(from: members)
            shuffle(room, stream: streams.members, time: epoch, sample: Int(number))
            for draw in 0..<least + (position < extra ? 1 : 0) {
                samples[place] = room[draw % members.count]
                repetitions[place] = Int32(draw / members.count)
                place += 1
            }
        }
        shuffle(count, stream: streams.shuffle, time: epoch) { first, second in
            samples.swapAt(first, second)
            repetitions.swapAt(first, second)
        }
    }

    /// A sample of the epoch, and as in which epoch it is augmented: one that is drawn again looks otherwise.
    func draw(_ place: Int) -> (sample: Int32, epoch: Int) {
        (samples[place], repetitions.isEmpty ? epoch : epoch + Int(repetitions[place]) * Self.epochLimit)
    }

    /// No training has as many epochs, and random numbers count them in 32 bits.
    private static let epochLimit = 1 << 20
}
