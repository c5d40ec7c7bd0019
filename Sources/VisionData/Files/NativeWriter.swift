import Configuration
import TensorCore

/// Writes the tokens of images into the sequences of a batch. Used by one thread.
final class NativeWriter {
    private let files: ImageFiles
    private let native: NativeSize
    private let packing: SequencePacking
    private let interpolation: ImageInterpolation
    private let seesParts: Bool
    private let flip: Augmentation?
    private let cropStream, augmentStream: PhiloxStream
    private let factors, offsets: [Float]
    /// The samples of the batch at hand.
    private var samples: [Int32] = []

    init(_ dataset: ImageDataset, _ files: ImageFiles, _ native: NativeSize, _ packing: SequencePacking, augmentations: [Augmentation], seed: UInt64) {
        (self.files, self.native, self.packing, interpolation) = (files, native, packing, files.sizing.interpolation)
        seesParts = augmentations.contains(.randomResizedCrop)
        flip = augmentations.first(where: \.isFlip)
        cropStream = PhiloxStream(seed: seed, name: "crop")
        augmentStream = PhiloxStream(seed: seed, name: "augment")
        let statistics = dataset.normalization
        factors = statistics.std.map { Float(1 / 255 / $0) }
        offsets = zip(statistics.mean, statistics.std).map { Float(-$0 / $1) }
    }

    /// Takes note of the samples of all places of the next batch.
    func begin(_ samples: UnsafeBufferPointer<Int32>) { self.samples = Array(samples) }

    /// Writes the tokens of the sample at a place; the last place of a sequence also what is left of it.
    ///
    /// - Parameter field: the batch's memory, `[places, share, token]`.
    func write(epoch: Int, place: Int, to field: UnsafeMutablePointer<Float>) throws {
        let places = packing.places, width = native.tokenWidth(channels: files.decoding.channels), first = place / places * places, sequence = field + first * packing.share * width
        var start = (first..<place).reduce(0) { $0 + count(samples[$1]) }
        if samples[place] >= 0 {
            try write(Int(samples[place]), epoch: epoch, number: place - first, to: sequence + start * width)
            start += count(samples[place])
        }
        guard place - first == places - 1 else { return }
        for token in start..<packing.share * places {
            (sequence + token * width).update(repeating: 0, count: width - 1)
            sequence[token * width + width - 1] = -1
        }
    }

    private func count(_ sample: Int32) -> Int { sample < 0 ? 0 : Int(packing.tokens[Int(sample)]) }

    private func write(_ index: Int, epoch: Int, number: Int, to output: UnsafeMutablePointer<Float>) throws {
        let image = try files.decoded(index), grid = native.grid(of: image.size), patch = native.patch, channels = image.channels
        var part = Rectangle(width: image.size.width, height: image.size.height), isFlipped = false
        if seesParts {
            var draws = cropStream.draws(time: UInt64(epoch), sample: UInt64(index))
            part = ImageCrop.randomPart(of: image.size, draws: &draws)
        }
        if let flip {
            var draws = augmentStream.draws(time: UInt64(epoch), sample: UInt64(index))
            isFlipped = flip.drawMap(from: &draws)?.exactMove?.isFlipped ?? false
        }
        let size = Size2D(grid.height * patch, grid.width * patch), rowLength = size.width * channels
        let width = native.tokenWidth(channels: channels), area = patch * patch
        try withUnsafeTemporaryAllocation(of: Float.self, capacity: size.height * rowLength) { pixels in
            try image.write(
                part, resampledTo: size, interpolation, window: Rectangle(width: size.width, height: size.height), to: pixels.baseAddress!, stride: rowLength)
            for row in 0..<grid.height {
                for column in 0..<grid.width {
                    let token = output + (row * grid.width + column) * width
                    for y in 0..<patch {
                        for x in 0..<patch {
                            let seen = column * patch + x, source = isFlipped ? size.width - 1 - seen : seen
                            let pixel = (row * patch + y) * rowLength + source * channels
                            for channel in 0..<channels {
                                token[channel * area + y * patch + x] = pixels[pixel + channel] * factors[channel] + offsets[channel]
                            }
                        }
                    }
                    let centre = (x: Float(2 * column + 1) / Float(grid.width) - 1, y: Float(2 * row + 1) / Float(grid.height) - 1)
                    for (place, value) in [Float(row), Float(column), centre.x, centre.y, Float(number)].enumerated() {
                        token[channels * area + place] = value
                    }
                }
            }
        }
    }
}

extension Augmentation {
    /// Whether it is a horizontal flip.
    var isFlip: Bool { if case .horizontalFlip = self { true } else { false } }
}
