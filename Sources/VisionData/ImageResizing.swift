import Configuration
import TensorCore

/// How an image comes to the size that `data.size` asks for.
public enum ResizeKind: String, CaseIterable, Sendable {
    /// Stretched to it: bilinear, with antialiasing where it gets smaller.
    case exact
    /// Left as it is, in the middle, with black around it; a larger file is made smaller first.
    case pad
    /// Its shorter side is brought to it, and the middle is taken: of image files.
    case shorter
}

/// In which size models get images.
public enum ImageExtent: Equatable, Sendable {
    /// All in one.
    case size(Size2D)
    /// Each in its own, as patches in a sequence.
    case native(NativeSize)
}

extension OptionKind where Value == ImageExtent {
    private static let native = "native"

    static let imageExtent = OptionKind(
        "a number of pixels from 1 to 4096, [height, width], or native",
        schema: .either([.list(of: .integer(from: 1, to: 4096), orOne: true), .names([native]), .variants([(native, .map(NativeSize.descriptions))])]),
        children: { [OptionDescription(native, "a map", .map(NativeSize.descriptions), "Images in their own sizes, cut into patches.", children: { NativeSize.descriptions })] },
        read: { fields, key in
            guard let node = fields.node(key) else { return nil }
            if case .scalar(native, _) = node.value { return .native(NativeSize()) }
            if node.entries != nil {
                guard var outer = fields.fields(key), var inner = outer.fields(native) else {
                    fields.report("expected a number of pixels, [height, width], or native with patch and tokens", at: key)
                    return nil
                }
                let size = NativeSize(from: &inner)
                inner.finish()
                outer.finish()
                return .native(size)
            }
            if case .scalar(let text, _) = node.value, Int(text) == nil {
                fields.report("expected a number of pixels from 1 to 4096, [height, width], or native, found \(text.shortened())", at: key)
                return nil
            }
            return pixels(&fields, key).map { .size($0) }
        },
        write: { extent in
            switch extent {
            case .size(let size): size.height == size.width ? .scalar(size.height) : .list([.scalar(size.height), .scalar(size.width)])
            case .native(let size): .map([(native, size.node)])
            }
        },
        identity: { extent in
            switch extent {
            case .size(let size): size.height == size.width ? .scalar(size.height) : .list([.scalar(size.height), .scalar(size.width)])
            case .native(let size): size == NativeSize() ? .text(native) : .map([(native, size.difference)])
            }
        })

    private static func pixels(_ fields: inout FieldReader, _ key: String) -> Size2D? {
        guard let lengths = fields.integers(key, in: 1...4096) else { return nil }
        if let length = lengths.first, lengths.count == 1 { return Size2D(length, length) }
        if lengths.count == 2 { return Size2D(lengths[0], lengths[1]) }
        if !lengths.isEmpty { fields.report("found \(lengths.count) numbers, expected one, or [height, width]", at: key) }
        return nil
    }
}

/// An image `[height, width, channels]` stretched to another size: bilinear, with antialiasing where it gets smaller.
public func stretched(_ pixels: [Float], of shape: ImageShape, to size: Size2D) -> [Float] {
    let target = ImageShape(height: size.height, width: size.width, channels: shape.channels)
    let resizer = ImageResizer(from: shape, to: target, .exact, black: [])
    return [Float](unsafeUninitializedCapacity: target.count) { buffer, count in
        resizer.write(pixels, to: buffer.baseAddress!)
        count = target.count
    }
}

/// Brings normalized images to another size. Not thread-safe: each thread has its own.
final class ImageResizer {
    private let source: ImageShape
    private let target: ImageShape
    private let kind: ResizeKind
    /// What each row and each column of the new image is made of.
    private let rows: [(first: Int, weights: [Float])]
    private let columns: [(first: Int, weights: [Float])]
    /// What black is, in each channel.
    private let black: [Float]
    /// The image at its new width and its old height.
    private let widened: UnsafeMutablePointer<Float>

    init(from source: ImageShape, to target: ImageShape, _ kind: ResizeKind, black: [Float]) {
        (self.source, self.target, self.kind, self.black) = (source, target, kind, black)
        let stretches = kind == .exact
        func mixtures(_ old: Int, _ new: Int) -> [(first: Int, weights: [Float])] {
            stretches ? Interpolation.bilinear.mixtures(from: old, to: new, antialias: true) : []
        }
        (rows, columns) = (mixtures(source.height, target.height), mixtures(source.width, target.width))
        widened = .allocate(capacity: stretches ? source.height * target.width * source.channels : 1)
    }

    deinit { widened.deallocate() }

    /// Writes the image of the old size at `image` to `output` in the new one.
    func write(_ image: UnsafePointer<Float>, to output: UnsafeMutablePointer<Float>) {
        kind == .exact ? stretch(image, to: output) : pad(image, to: output)
    }

    private func stretch(_ image: UnsafePointer<Float>, to output: UnsafeMutablePointer<Float>) {
        let channels = source.channels, oldLength = source.width * channels, newLength = target.width * channels
        for row in 0..<source.height {
            let old = image + row * oldLength, new = widened + row * newLength
            for (column, mixture) in columns.enumerated() {
                for channel in 0..<channels {
                    var value: Float = 0
                    for (place, weight) in mixture.weights.enumerated() { value += old[(mixture.first + place) * channels + channel] * weight }
                    new[column * channels + channel] = value
                }
            }
        }
        for (row, mixture) in rows.enumerated() {
            let new = output + row * newLength
            new.update(repeating: 0, count: newLength)
            for (place, weight) in mixture.weights.enumerated() {
                let old = widened + (mixture.first + place) * newLength
                for position in 0..<newLength { new[position] += old[position] * weight }
            }
        }
    }

    private func pad(_ image: UnsafePointer<Float>, to output: UnsafeMutablePointer<Float>) {
        let channels = source.channels, top = (target.height - source.height) / 2, left = (target.width - source.width) / 2
        for position in 0..<target.count { output[position] = black[position % channels] }
        for row in 0..<source.height {
            (output + ((top + row) * target.width + left) * channels).update(
                from: image + row * source.width * channels, count: source.width * channels)
        }
    }
}
