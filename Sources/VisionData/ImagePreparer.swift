import TensorCore

/// Turns stored images into inputs: augmented, normalized floats in `[height, width, channels]`, and in another size where one is asked for.
///
/// An image's augmentation is a function of (seed, epoch, global index) alone, from the stream `augment`: one block of draws for
/// all geometric augmentations in their order, then for the others. Not thread-safe: each thread has its own.
final class ImagePreparer {
    private let images: LabeledImages
    private let augmentations: [Augmentation]
    private let stream: PhiloxStream
    /// What chooses random parts of files.
    private let cropStream: PhiloxStream
    /// Whether random parts of files are seen.
    private let seesParts: Bool
    /// The image that was read from a file last; nil where images are in memory.
    private let decoded: UnsafeMutablePointer<Float>?

    private let rowLength: Int
    /// A stored value `v` at position `i` of a row becomes `v · factors[i] + offsets[i]`; both repeat every `channels`.
    private let factors: UnsafeMutablePointer<Float>
    private let offsets: UnsafeMutablePointer<Float>
    /// One value of a byte image on the scale of 0 to 1 becomes `value · unitFactors[channel] + offsets[channel]`.
    private let unitFactors: [Float]
    /// By which images are normalized, of each channel.
    private let means, deviations: [Float]
    /// The normalized image with one black pixel before and two after each row and column, for resampling.
    private let padded: UnsafeMutablePointer<Float>
    /// What brings images to another size, and an image in its own; nil where that is the size.
    private let resizing: (resizer: ImageResizer, image: UnsafeMutablePointer<Float>)?

    init(_ dataset: ImageDataset, augmentations: [Augmentation], seed: UInt64) {
        images = dataset.images
        seesParts = augmentations.contains(.randomResizedCrop)
        cropStream = PhiloxStream(seed: seed, name: "crop")
        if case .files = images.pixels { decoded = .allocate(capacity: images.shape.count) } else { decoded = nil }
        self.augmentations = augmentations.filter { $0 != .randomResizedCrop }
        stream = Self.stream(seed: seed)
        let shape = images.shape, channels = shape.channels
        rowLength = shape.width * channels
        var scale = 1.0
        switch images.pixels {
        case .bytes(_, let maximum): scale = 1 / Double(maximum)
        case .files: scale = 1 / 255
        case .floats: break
        }

        let statistics = dataset.normalization
        unitFactors = statistics.std.map { Float(1 / $0) }
        (means, deviations) = (statistics.mean.map { Float($0) }, statistics.std.map { Float($0) })
        factors = .allocate(capacity: rowLength)
        offsets = .allocate(capacity: rowLength)
        for position in 0..<rowLength {
            let channel = position % channels
            (factors + position).initialize(to: Float(scale / statistics.std[channel]))
            (offsets + position).initialize(to: Float(-statistics.mean[channel] / statistics.std[channel]))
        }
        let paddedCount = (shape.height + 3) * (shape.width + 3) * channels
        padded = .allocate(capacity: paddedCount)
        for position in 0..<paddedCount { (padded + position).initialize(to: offsets[position % channels]) }
        let black = Array(UnsafeBufferPointer(start: offsets, count: channels))
        resizing =
            dataset.shape == shape
            ? nil : (ImageResizer(from: shape, to: dataset.shape, dataset.resize, black: black), .allocate(capacity: shape.count))
    }

    /// What augments images, and their masks with them.
    static func stream(seed: UInt64) -> PhiloxStream { PhiloxStream(seed: seed, name: "augment") }

    deinit {
        factors.deallocate()
        offsets.deallocate()
        padded.deallocate()
        decoded?.deallocate()
        resizing?.image.deallocate()
    }

    /// Writes image `index` as it looks in `epoch` to `output`, as many values as the data set's `shape` has.
    ///
    /// - Throws: when the image's file can no longer be read.
    func write(_ index: Int, epoch: Int, to output: UnsafeMutablePointer<Float>) throws {
        guard let resizing else { return try writeInOwnSize(index, epoch: epoch, to: output) }
        try writeInOwnSize(index, epoch: epoch, to: resizing.image)
        resizing.resizer.write(resizing.image, to: output)
    }

    private func writeInOwnSize(_ index: Int, epoch: Int, to output: UnsafeMutablePointer<Float>) throws {
        if let decoded, case .files(let files) = images.pixels {
            var draws = seesParts ? cropStream.draws(time: UInt64(epoch), sample: UInt64(index)) : nil
            try files.write(index, draws: &draws, to: decoded)
        }
        guard !augmentations.isEmpty else { return write(index, map: .identity, to: output) }
        var draws = stream.draws(time: UInt64(epoch), sample: UInt64(index))
        write(index, map: .drawn(by: augmentations, from: &draws), to: output)
        for augmentation in augmentations {
            switch augmentation {
            case .randomErasing(let erasing): erase(erasing, draws: &draws, in: output)
            case .colorJitter(let jitter): colored(output).apply(jitter.drawn(from: &draws))
            case .grayscale(let probability): if draws.bernoulli(Float(probability)) { colored(output).becomeGray() }
            case .blur(let blur):
                let happens = draws.bernoulli(Float(blur.probability)), share = Double(draws.uniform())
                if happens { colored(output).blur(sigma: Float(blur.sigma[0] + (blur.sigma[1] - blur.sigma[0]) * share)) }
            case .added(let added):
                added.augmentation.apply(
                    to: UnsafeMutableBufferPointer(start: output, count: images.shape.count), shape: images.shape, draws: &draws)
            case .shift, .horizontalFlip, .rotation, .shear, .zoom, .randomResizedCrop: break
            }
        }
    }

    /// Writes image `index` seen through `map`; one in a file is the one that was decoded last.
    func write(_ index: Int, map: AffineMap, to output: UnsafeMutablePointer<Float>) {
        let start = index * images.shape.count
        switch images.pixels {
        case .bytes(let pixels, _):
            pixels.withUnsafeBufferPointer { write($0.baseAddress! + start, map: map, to: output) }
        case .floats(let pixels):
            pixels.withUnsafeBufferPointer { write($0.baseAddress! + start, map: map, to: output) }
        case .files:
            write(decoded!, map: map, to: output)
        }
    }

    private func write<Value: StoredPixel>(_ pixels: UnsafePointer<Value>, map: AffineMap, to output: UnsafeMutablePointer<Float>) {
        if let move = map.exactMove {
            self.move(pixels, isFlipped: move.isFlipped, x: move.x, y: move.y, to: output)
        } else {
            resample(pixels, map: map, to: output)
        }
    }

    /// Normalizes `count` values whose first one lies at position `position` of a row.
    @inline(__always)
    private func normalize<Value: StoredPixel>(
        _ values: UnsafePointer<Value>, count: Int, position: Int, to output: UnsafeMutablePointer<Float>
    ) {
        let factors = self.factors + position, offsets = self.offsets + position
        for i in 0..<count { output[i] = values[i].float * factors[i] + offsets[i] }
    }

    // MARK: Whole pixels

    /// Flips and moves without changing values: `output(column, row) = source(±column + x, row + y)`, black outside.
    private func move<Value: StoredPixel>(
        _ pixels: UnsafePointer<Value>, isFlipped: Bool, x: Int, y: Int, to output: UnsafeMutablePointer<Float>
    ) {
        let shape = images.shape, channels = shape.channels, width = shape.width
        // The columns of the output that have a source.
        let mirror = width - 1 + x
        let columns = isFlipped ? x..<width + x : -x..<width - x
        let inside = columns.clamped(to: 0..<width)
        for row in 0..<shape.height {
            let target = output + row * rowLength
            guard (0..<shape.height).contains(row + y), !inside.isEmpty else {
                target.update(from: offsets, count: rowLength)
                continue
            }
            let source = pixels + (row + y) * rowLength
            let start = inside.lowerBound * channels, end = inside.upperBound * channels
            target.update(from: offsets, count: start)
            (target + end).update(from: offsets, count: rowLength - end)
            if isFlipped {
                for column in inside {
                    normalize(source + (mirror - column) * channels, count: channels, position: 0, to: target + column * channels)
                }
            } else {
                normalize(source + start + x * channels, count: end - start, position: start, to: target + start)
            }
        }
    }

    // MARK: Resampling

    /// Bilinear: each output pixel is the mean of the four source pixels around its origin, weighted by nearness; black outside.
    private func resample<Value: StoredPixel>(_ pixels: UnsafePointer<Value>, map: AffineMap, to output: UnsafeMutablePointer<Float>) {
        let shape = images.shape, channels = shape.channels
        let paddedRowLength = (shape.width + 3) * channels
        for row in 0..<shape.height {
            normalize(pixels + row * rowLength, count: rowLength, position: 0, to: padded + (row + 1) * paddedRowLength + channels)
        }

        let centreX = Double(shape.width - 1) / 2, centreY = Double(shape.height - 1) / 2
        let stepX = Float(map.a), stepY = Float(map.c)
        let limitX = Float(shape.width + 1), limitY = Float(shape.height + 1)
        for row in 0..<shape.height {
            // The origin of the row's first pixel, counted from the padding's corner.
            let offsetY = Double(row) - centreY
            let startX = Float(map.a * -centreX + map.b * offsetY + map.x + centreX + 1)
            let startY = Float(map.c * -centreX + map.d * offsetY + map.y + centreY + 1)
            var target = output + row * rowLength
            for column in 0..<shape.width {
                let x = min(max(startX + stepX * Float(column), 0), limitX)
                let y = min(max(startY + stepY * Float(column), 0), limitY)
                let left = Int32(truncatingIfNeeded: Int(x)), top = Int32(truncatingIfNeeded: Int(y))
                let rightWeight = x - Float(left), bottomWeight = y - Float(top)
                let upper = padded + Int(top) * paddedRowLength + Int(left) * channels
                let lower = upper + paddedRowLength
                for channel in 0..<channels {
                    let above = upper[channel] + (upper[channel + channels] - upper[channel]) * rightWeight
                    let below = lower[channel] + (lower[channel + channels] - lower[channel]) * rightWeight
                    target[channel] = above + (below - above) * bottomWeight
                }
                target += channels
            }
        }
    }

    // MARK: Colours and erasing

    private func colored(_ output: UnsafeMutablePointer<Float>) -> ColoredImage {
        let isBounded = if case .floats = images.pixels { false } else { true }
        return ColoredImage(
            values: UnsafeMutableBufferPointer(start: output, count: images.shape.count), shape: images.shape, means: means, deviations: deviations, isBounded: isBounded)
    }

    private func erase(_ erasing: RandomErasing, draws: inout PhiloxDraws, in output: UnsafeMutablePointer<Float>) {
        let channels = images.shape.channels
        guard let (rows, columns) = erasing.drawRectangle(in: images.shape, from: &draws) else { return }
        for row in rows {
            for position in row * rowLength + columns.lowerBound * channels..<row * rowLength + columns.upperBound * channels {
                let channel = position % channels
                output[position] = erasing.fill == .mean ? 0 : draws.uniform() * unitFactors[channel] + offsets[channel]
            }
        }
    }
}

/// The two forms in which pixels are stored.
private protocol StoredPixel { var float: Float { get } }
extension UInt8: StoredPixel { var float: Float { Float(self) } }
extension Float: StoredPixel { var float: Float { self } }
