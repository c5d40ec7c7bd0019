import Configuration
import TensorCore

/// `sequences_1d: {motif: "1011", length: 32}`: sequences of zeros and ones, in half of which a motif is hidden, as images of height 1.
///
/// A sequence is a function of the options, its part and its place in the part:
///
/// 1. the label is a random bit. Places are random bits, of which one that would complete the motif is turned over, so that there is none;
/// 2. with label 1 the motif takes the place of what is at a uniform place;
/// 3. a one has the value 255, and noise changes values as it does those of scenes: by ⌊(a + b − 255) · noise / 255⌋ towards 0, a and b random bytes,
///    within 0 to 255.
///
/// The mask has a 1 at the places at which the motif ends and 0 elsewhere: an answer that depends on what comes up to its place alone.
///
/// Streams: `sequences` and `sequence noise`, with the part (0 training, 1 test) in the place of the time.
public struct MotifSequences: Configurable {
    /// By which rules sequences are made; those of a version never change.
    public var version = 1
    /// How many places a sequence has.
    public var length = 32
    /// The zeros and ones that are looked for.
    public var motif = "1011"
    /// The largest change of a value, from 0 to 255.
    public var noise = 64
    /// How many sequences there are for training.
    public var trainCount = 2_000
    /// How many sequences there are for the test.
    public var testCount = 1_000
    /// Draws them.
    public var seed: UInt64 = 0

    /// The sequences of `name: sequences-1d`.
    public init() {}

    public static let options: [Key<MotifSequences>] = [
        Key("version", \.version, .integer(in: 1...1), writesDefault: false, "By which rules sequences are made; those of a version never change."),
        Key("length", \.length, .integer(in: 2...4_096), "How many places a sequence has."),
        Key("motif", \.motif, .text, "The zeros and ones that are looked for, in quotation marks."),
        Key("noise", \.noise, .integer(in: 0...255), "The largest change of a value by noise; a zero has the value 0, a one 255."),
        Key("train_sequences", \.trainCount, .integer(in: 1...10_000_000), "How many sequences there are for training."),
        Key("test_sequences", \.testCount, .integer(in: 1...10_000_000), "How many sequences there are for the test."),
        Key("seed", \.seed, .seed, "Draws the sequences."),
    ]

    public mutating func check(_ fields: inout FieldReader) {
        if motif.count < 2 || !motif.allSatisfy({ "01".contains($0) }) {
            fields.report("expected at least two zeros and ones, such as \"1011\", found '\(motif.shortened())'", at: "motif")
        } else if motif.count > length {
            fields.report("a motif of \(motif.count) places does not fit a sequence of \(length)", at: fields.has("motif") ? "motif" : "length")
        }
    }

    var shape: ImageShape { ImageShape(height: 1, width: length, channels: 1) }

    /// Makes the sequences.
    ///
    /// - Throws: `UserError` when the memory is too small.
    func load() throws -> LabeledImages {
        let count = trainCount + testCount, dataset = NamedDataset.sequences1D
        try requireMemory(forImages: Double(count), byteCount: 2 * Double(count) * Double(length), at: dataset.name)
        let motif = motif.map { $0 == "1" ? 1 : 0 }
        var labels: [Int32] = [], masks: [UInt8] = []
        masks.reserveCapacity(count * length)
        let values = [UInt8](unsafeUninitializedCapacity: count * length) { values, initialized in
            for number in 0..<count {
                let isTest = number >= trainCount, sample = UInt64(isTest ? number - trainCount : number), time: UInt64 = isTest ? 1 : 0
                let made = make(motif, PhiloxStream(seed: seed, name: "sequences").draws(time: time, sample: sample))
                let room = UnsafeMutableBufferPointer(rebasing: values[number * length..<(number + 1) * length])
                for (place, bit) in made.bits.enumerated() {
                    room.initializeElement(at: place, to: UInt8(255 * bit))
                    masks.append(Self.ends(motif, in: made.bits[...place]) ? 1 : 0)
                }
                labels.append(made.label)
                addNoise(noise, to: room, draws: PhiloxStream(seed: seed, name: "sequence noise").draws(time: time, sample: sample))
            }
            initialized = count * length
        }
        return LabeledImages(
            name: dataset.name, shape: shape, pixels: .bytes(values, maximum: 255), labels: labels, classCount: dataset.classNames.count,
            classNames: dataset.classNames, train: 0..<trainCount, validation: nil, test: trainCount..<count, masks: masks)
    }

    private func make(_ motif: [Int], _ draws: PhiloxDraws) -> (bits: [Int], label: Int32) {
        var draws = draws, bits: [Int] = []
        let label = draws.integer(below: 2)
        for _ in 0..<length {
            bits.append(draws.integer(below: 2))
            if Self.ends(motif, in: bits[...]) { bits[bits.count - 1] = 1 - bits[bits.count - 1] }
        }
        guard label == 1 else { return (bits, 0) }
        let start = draws.integer(below: length - motif.count + 1)
        bits.replaceSubrange(start..<start + motif.count, with: motif)
        return (bits, 1)
    }

    private static func ends(_ motif: [Int], in bits: ArraySlice<Int>) -> Bool { bits.suffix(motif.count).elementsEqual(motif) }

    /// A few of the same form, for runs of seconds.
    public var small: MotifSequences {
        var copy = self
        (copy.trainCount, copy.testCount) = (200, 64)
        return copy
    }
}
