import Harness

/// Images of 8×8 with noisy stripes along rows or along columns, drawn when they are asked for.
public struct Stripes: SampleSource {
    public let name = "stripes"
    public let fields: [Field] = [Field("image", [8, 8, 1]), .label(classes: 2)]
    public let byteCount = 0

    public init() {}

    public func indices(of split: Split) -> [Int32] {
        switch split {
        case .train: Array(0..<512)
        case .validation: Array(512..<640)
        case .test: Array(640..<800)
        }
    }

    public func makeWriter(of fields: [Field], augmentations: [Augmentation], seed: UInt64) -> any SampleWriter { Writer(names: fields.map(\.name)) }

    public static func label(_ sample: Int) -> Int32 { Int32(sample % 2) }

    /// The 64 values of an image.
    static func pixels(_ sample: Int) -> [Float] {
        var draws = PhiloxStream(seed: 1, name: "stripes").draws(time: 0, sample: UInt64(sample))
        let phase = draws.integer(below: 4), isAlongRows = label(sample) == 0
        return (0..<64).map { place in
            let position = isAlongRows ? place / 8 : place % 8
            return ((position + phase) % 4 < 2 ? 1 : -1) + draws.uniform(-1, 1)
        }
    }

    /// The same images in memory, the last 160 of them for the test.
    public static func images() throws -> LabeledImages {
        try LabeledImages(
            "stripes", shape: ImageShape(height: 8, width: 8, channels: 1), pixels: .floats((0..<800).flatMap(pixels)),
            labels: (0..<800).map(label), classNames: ["rows", "columns"], testCount: 160)
    }

    private struct Writer: SampleWriter {
        let names: [String]

        func write(_ sample: Int, epoch: Int, place: Int, in batch: [UnsafeMutableRawPointer]) {
            for (name, memory) in zip(names, batch) {
                if name == "label" {
                    memory.assumingMemoryBound(to: Int32.self)[place] = Stripes.label(sample)
                } else {
                    (memory.assumingMemoryBound(to: Float.self) + place * 64).update(from: Stripes.pixels(sample), count: 64)
                }
            }
        }
    }
}
