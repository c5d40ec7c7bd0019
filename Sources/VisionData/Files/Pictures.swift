import Configuration
import TensorCore

/// Small pictures of images, all in one size.
public struct Pictures: Sendable, Equatable {
    /// The size of each picture; smaller ones lie in the middle, with black around them.
    public let height, width: Int
    /// 1, gray, or 3: red, green and blue.
    public let channels: Int
    /// `[pictures, height, width, channels]`.
    public let pixels: [UInt8]
}

extension ImageDataset {
    /// Pictures of some images as the data set has them: in the shape of its own, not augmented, normalized or cut. Of more than three channels the first three
    /// are shown, of two the first. Numbers that are no bytes and do not lie between 0 and 1 are stretched to that.
    ///
    /// - Parameters:
    ///   - samples: global indices.
    ///   - longest: how many pixels a side has at most; larger images are made smaller, bilinear with antialiasing.
    /// - Throws: what is wrong with a file that cannot be read any more.
    public func pictures(of samples: [Int32], longest: Int = 64) throws -> Pictures {
        let scale = images.byteScale
        let small = try samples.map { index -> (size: Size2D, channels: Int, pixels: [UInt8]) in
            let image = try images.picture(Int(index), scale), size = image.size.shrunk(to: longest)
            return (size, image.channels, try image.values(size).map { UInt8($0.rounded()) })
        }
        let height = small.map(\.size.height).max() ?? 1, width = small.map(\.size.width).max() ?? 1, channels = small.map(\.channels).max() ?? 1
        var pixels = [UInt8](repeating: 0, count: small.count * height * width * channels)
        for (number, picture) in small.enumerated() {
            let top = (height - picture.size.height) / 2, left = (width - picture.size.width) / 2
            for row in 0..<picture.size.height {
                for column in 0..<picture.size.width {
                    for channel in 0..<channels {
                        let source = (row * picture.size.width + column) * picture.channels + min(channel, picture.channels - 1)
                        pixels[((number * height + top + row) * width + left + column) * channels + channel] = picture.pixels[source]
                    }
                }
            }
        }
        return Pictures(height: height, width: width, channels: channels, pixels: pixels)
    }

    /// Global indices of a split's images in the order in which an evaluation goes through them, and its tables have their rows.
    public func evaluationOrder(of split: Split) -> [Int32] {
        let indices = indices(of: split)
        return packing.map { $0.packed(indices).filter { $0 >= 0 } } ?? indices
    }
}

extension Size2D {
    /// As it is, or with the longer side brought to `longest` and the shorter one with it.
    func shrunk(to longest: Int) -> Size2D {
        let side = max(height, width)
        return side <= longest ? self : Size2D(max(1, height * longest / side), max(1, width * longest / side))
    }
}

extension DecodedImage {
    /// The pixels at another size, `[height, width, channels]`, 0 to 255.
    func values(_ size: Size2D) throws -> [Float] {
        let count = size.height * size.width * channels
        return try [Float](unsafeUninitializedCapacity: count) { buffer, initialized in
            try write(
                Rectangle(width: self.size.width, height: self.size.height), resampledTo: size, .bilinear,
                window: Rectangle(width: size.width, height: size.height), to: buffer.baseAddress!, stride: size.width * channels)
            initialized = count
        }
    }
}

extension LabeledImages {
    /// What takes values to 0 to 255, for pictures: `value · factor + offset`.
    var byteScale: (factor: Float, offset: Float) {
        switch pixels {
        case .bytes(_, let maximum): return (255 / Float(maximum), 0)
        case .files: return (1, 0)
        case .floats(let values):
            let least = values.min() ?? 0, largest = values.max() ?? 1
            // Numbers from 0 to 1 are what they stand for; others are stretched.
            if least >= 0, largest <= 1 { return (255, 0) }
            return largest > least ? (255 / (largest - least), -least * 255 / (largest - least)) : (0, 128)
        }
    }

    /// One image in gray or in three colours.
    func picture(_ index: Int, _ scale: (factor: Float, offset: Float)) throws -> DecodedImage {
        if let files { return try files.decoded(index) }
        let shown = ImageShape(height: shape.height, width: shape.width, channels: shape.channels >= 3 ? 3 : 1)
        let start = index * shape.count, area = shape.height * shape.width
        return try DecodedImage(planes: (0..<shown.channels).flatMap { channel in
            (0..<area).map { place -> UInt8 in
                let position = start + place * shape.channels + channel
                let value: Float = switch pixels {
                case .bytes(let values, _): Float(values[position])
                case .floats(let values): values[position]
                case .files: 0
                }
                return UInt8(min(255, max(0, (value * scale.factor + scale.offset).rounded())))
            }
        }, shown)
    }
}
