import TensorCore

/// How an epoch draws training images.
public enum ClassSampling: Sendable, Equatable {
    /// Each once, in a random order.
    case shuffled
    /// Each class equally often: images of small classes several times, images of large ones not all. The epoch has as many steps as without.
    case balanced
    /// Some images of some classes, or several views of each image, side by side.
    case sets(SetSampling)
}

/// In which order an epoch goes through training samples, a function of the seed and the epoch alone; or the given order, in an evaluation.
///
/// With sets, each is `groupCount` groups drawn at random, and of each the next `sampleCount` of its samples in a random order; where fewer are left, a new
/// order of all begins. Each sample stands there `views` times.
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
    private let sets: SampleSets?
    private let samples: UnsafeMutableBufferPointer<Int32>
    /// How often a draw's sample was drawn before in the epoch; empty without groups.
    private let repetitions: UnsafeMutableBufferPointer<Int32>
    /// Room for the numbers of the groups, and behind it for the samples of one.
    private let scratch: UnsafeMutableBufferPointer<Int32>
    private var epoch = 0
    private var isOrdered = false

    /// Of random numbers.
    private struct Streams {
        let shuffle, choice, members, setChoice, setMembers: PhiloxStream

        init(_ seed: UInt64) {
            shuffle = PhiloxStream(seed: seed, name: "shuffle")
            choice = PhiloxStream(seed: seed, name: "balanced groups")
            members = PhiloxStream(seed: seed, name: "balanced samples")
            setChoice = PhiloxStream(seed: seed, name: "classes of sets")
            setMembers = PhiloxStream(seed: seed, name: "samples of sets")
        }
    }

    /// - Parameters:
    ///   - indices: global ones.
    ///   - seed: nil: the order stays as it is.
    init(_ indices: [Int32], seed: UInt64?) {
        (self.indices, groups, count, streams, packing, sets) = (indices, [], indices.count, seed.map { Streams($0) }, nil, nil)
        (samples, repetitions, scratch) = (.allocate(capacity: indices.count), .allocate(capacity: 0), .allocate(capacity: 0))
        _ = samples.initialize(from: indices)
    }

    /// - Parameters:
    ///   - groups: of global indices, none of them empty.
    ///   - count: how many draws an epoch has.
    init(balancing groups: [[Int32]], count: Int, seed: UInt64) {
        precondition(!groups.isEmpty && groups.allSatisfy { !$0.isEmpty }, "each group of a balanced order has a sample")
        (indices, self.groups, self.count, streams, packing, sets) = ([], groups, count, Streams(seed), nil, nil)
        (samples, repetitions) = (.allocate(capacity: count), .allocate(capacity: count))
        scratch = .allocate(capacity: groups.count + groups.map(\.count).max()!)
        for buffer in [samples, repetitions, scratch] { buffer.initialize(repeating: 0) }
    }

    /// Samples that share sequences, shuffled and packed anew for each epoch; where that takes fewer places than there are, the epoch goes on with the next
    /// shuffle, and where it takes more, the last sequences are left out.
    ///
    /// - Parameter count: how many places an epoch has, −1 being one that stays free.
    init(packing indices: [Int32], _ packing: SequencePacking, count: Int, seed: UInt64) {
        (self.indices, groups, self.count, streams, self.packing, sets) = (indices, [], count, Streams(seed), packing, nil)
        (samples, repetitions, scratch) = (.allocate(capacity: count), .allocate(capacity: 0), .allocate(capacity: indices.count))
        samples.initialize(repeating: -1)
        _ = scratch.initialize(from: indices)
    }

    /// Samples side by side in sets, each of some samples of some groups.
    ///
    /// - Parameter count: how many draws an epoch has.
    init(drawing sets: SampleSets, count: Int, seed: UInt64) {
        (indices, groups, self.count, streams, packing, self.sets) = ([], sets.groups, count, Streams(seed), nil, sets)
        (samples, repetitions) = (.allocate(capacity: count), .allocate(capacity: count))
        scratch = .allocate(capacity: sets.groups.count + sets.groups.reduce(0) { $0 + $1.count })
        for buffer in [samples, repetitions, scratch] { buffer.initialize(repeating: 0) }
    }

    deinit { for buffer in [samples, repetitions, scratch] { buffer.deallocate() } }

    /// Brings the samples into the order of an epoch.
    func enter(epoch: Int) {
        guard let streams, !isOrdered || self.epoch != epoch else { return }
        (self.epoch, isOrdered) = (epoch, true)
        if let packing {
            pack(packing, streams, epoch)
        } else if let sets {
            draw(sets, streams, epoch)
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

    private func draw(_ sets: SampleSets, _ streams: Streams, _ epoch: Int) {
        let numbers = UnsafeMutableBufferPointer(rebasing: scratch[..<groups.count])
        var starts = [Int](repeating: 0, count: groups.count), taken = starts, rounds = starts, end = groups.count
        func room(_ group: Int) -> UnsafeMutableBufferPointer<Int32> {
            UnsafeMutableBufferPointer(rebasing: scratch[starts[group]..<starts[group] + groups[group].count])
        }
        func begin(_ group: Int) {
            _ = room(group).update(from: groups[group])
            shuffle(room(group), stream: streams.setMembers, time: epoch, sample: rounds[group] * groups.count + group)
            taken[group] = 0
        }
        for group in groups.indices {
            (starts[group], end) = (end, end + groups[group].count)
            numbers[group] = Int32(group)
            begin(group)
        }
        var place = 0, number = 0
        while place < count {
            shuffle(numbers, stream: streams.setChoice, time: epoch, sample: number)
            number += 1
            for group in numbers.prefix(sets.groupCount).map({ Int($0) }) {
                if taken[group] + sets.sampleCount > groups[group].count {
                    rounds[group] += 1
                    begin(group)
                }
                for _ in 0..<sets.sampleCount {
                    for view in 0..<sets.views where place < count {
                        (samples[place], repetitions[place]) = (room(group)[taken[group]], Int32(rounds[group] * sets.views + view))
                        place += 1
                    }
                    taken[group] += 1
                }
            }
        }
    }

    /// A sample of the epoch, and as in which epoch it is augmented: one that is drawn again looks otherwise.
    func draw(_ place: Int) -> (sample: Int32, epoch: Int) {
        (samples[place], repetitions.isEmpty ? epoch : epoch + Int(repetitions[place]) * Self.epochLimit)
    }

    /// No training has as many epochs, and random numbers count them in 32 bits.
    private static let epochLimit = 1 << 20
}
