import Configuration
import TensorCore

/// An image in its own size, of which a model that answers for every pixel is asked, and how its answers come back to that size.
public struct WholeImage: Sendable {
    /// The file, or the number in an HDF5 file.
    public let name: String
    /// The height and width of the image.
    public let size: Size2D
    /// `[height, width, channels]` of `size`, or of the model where the image was brought to its size; bytes or numbers that are used as they are.
    public let pixels: LabeledImages.Pixels
    /// How the image was brought to the model's size; nil: it stayed as it is.
    let layout: ImageSizing.Layout?
    /// The model's size.
    let target: Size2D

    /// The answers for the pixels of the image, from those for the pixels of the model's size, each by the nearest; `LabeledImages.ignored` where the model has
    /// not seen the image.
    public func restored(_ answer: [UInt8]) -> [UInt8] {
        guard let layout else { return answer }
        var whole = [UInt8](repeating: LabeledImages.ignored, count: size.height * size.width)
        func place(_ place: Int, _ start: Int, _ length: Int, _ sized: Int) -> Int { ((2 * (place - start) + 1) * sized / (2 * length)) }
        for y in layout.part.top..<layout.part.top + layout.part.height {
            let row = place(y, layout.part.top, layout.part.height, layout.size.height) - layout.window.top
            guard (0..<layout.window.height).contains(row) else { continue }
            for x in layout.part.left..<layout.part.left + layout.part.width {
                let column = place(x, layout.part.left, layout.part.width, layout.size.width) - layout.window.left
                guard (0..<layout.window.width).contains(column) else { continue }
                whole[y * size.width + x] = answer[(layout.top + row) * target.width + layout.left + column]
            }
        }
        return whole
    }

    /// Where a point of the model's image lies in this one, both in pixels from the left upper corner.
    public func restored(x: Double, y: Double) -> (x: Double, y: Double) {
        guard let layout else { return (x, y) }
        func place(_ value: Double, _ start: Int, _ window: Int, _ sized: Int, _ length: Int, _ first: Int) -> Double {
            (value - Double(start) + Double(window)) * Double(length) / Double(sized) + Double(first)
        }
        return (
            place(x, layout.left, layout.window.left, layout.size.width, layout.part.width, layout.part.left),
            place(y, layout.top, layout.window.top, layout.size.height, layout.part.height, layout.part.top)
        )
    }
}

extension UnlabeledFiles {
    /// The size of one upright image, as its file says it.
    ///
    /// - Throws: `.noInput` when it is not there, `.data` when it is no image.
    public func size(_ index: Int) throws -> Size2D { try ImageFileHeader(ImageFiles.bytes(of: paths[index]), path: paths[index]).size }

    /// One file, in its own size or brought to the model's as those with which it was trained.
    ///
    /// - Parameters:
    ///   - data: what is said of these.
    ///   - model: the size of the model's images.
    ///   - isSized: whether it is brought to it.
    /// - Throws: `.data` when it is damaged, `.internal` when the memory is too small.
    public func whole(_ index: Int, as data: DataConfiguration, model: ImageShape, isSized: Bool) throws -> WholeImage {
        var decoding = data.folder?.decoding ?? ImageDecoding()
        (decoding.channels, decoding.precision) = (model.channels, .exact)
        let path = paths[index], bytes = try ImageFiles.bytes(of: path), header = try ImageFileHeader(bytes, path: path), target = Size2D(model.height, model.width)
        try Self.requireMemory(for: header, channels: model.channels, sized: isSized ? target : header.size, path: path)
        let image = try DecodedImage(bytes, path: path, decoding)
        let sizing = ImageSizing(target: isSized ? target : image.size, resize: isSized ? data.sizing : .exact, interpolation: data.interpolation)
        let layout = sizing.layout(of: image.size), count = sizing.target.height * sizing.target.width * image.channels
        let values = try [Float](unsafeUninitializedCapacity: count) { buffer, initialized in
            try ImageFiles.write(image, layout, sizing, to: buffer.baseAddress!)
            initialized = count
        }
        // Of 16 bits there may be numbers between bytes.
        let areBytes = values.allSatisfy { $0 == $0.rounded() }
        return WholeImage(
            name: path, size: image.size, pixels: areBytes ? .bytes(values.map { UInt8($0) }, maximum: 255) : .floats(values.map { $0 / 255 }),
            layout: isSized ? layout : nil, target: target)
    }
}

extension UnlabeledFiles {
    /// Checks that an image can be decoded and brought to a size. What has more pixels than any photograph is refused by who decodes it.
    private static func requireMemory(for header: ImageFileHeader, channels: Int, sized: Size2D, path: String) throws {
        guard header.size.height * header.size.width <= ImageDecoding.largestPixelCount else { return }
        func area(_ size: Size2D) -> Double { Double(size.height) * Double(size.width) }
        // As the file has it and as it is wanted; then resampled, as float32 and as bytes, and as float32 again.
        let bytes = header.bits > 8 ? 2 : 1, decoded = area(header.size) * Double((header.channels + channels) * bytes)
        if let shortage = MemoryDemand(total: decoded + area(sized) * Double(channels * (bytes + 9))).shortage {
            throw UserError(.internal, "\(path): an image of \(header.size)\(sized == header.size ? "" : ", brought to \(sized),") needs \(shortage)")
        }
    }
}

extension UnlabeledImages {
    /// One image in its own size.
    ///
    /// - Parameters:
    ///   - model: the size of the model's images.
    ///   - resize: how it is brought to it before the model sees it; nil: it is not.
    public func whole(_ index: Int, model: ImageShape, resize: ResizeKind?) throws -> WholeImage {
        let block = try block(index..<index + 1, normalization: .none), size = Size2D(shape.height, shape.width), target = Size2D(model.height, model.width)
        return WholeImage(
            name: "\(index)", size: size, pixels: block.images.pixels, layout: resize.map { ImageSizing(target: target, resize: $0).layout(of: size) }, target: target)
    }
}

extension LabeledImages.Pixels {
    /// From 0 to 1, where they are bytes; numbers as they are. Those of files are not read.
    public var shares: [Float] {
        switch self {
        case .bytes(let values, let maximum): values.map { Float($0) / Float(maximum) }
        case .floats(let values): values
        case .files: []
        }
    }

    /// The same numbers with others of their kind behind them; nil where those are of another kind.
    public func joined(_ others: LabeledImages.Pixels) -> LabeledImages.Pixels? {
        switch (self, others) {
        case (.bytes(let a, let most), .bytes(let b, let other)) where most == other: .bytes(a + b, maximum: most)
        case (.floats(let a), .floats(let b)): .floats(a + b)
        default: nil
        }
    }

    /// The tiles of an image `[height, width, channels]`, one behind the other.
    public func tiles(_ tiling: Tiling, channels: Int) -> LabeledImages.Pixels {
        switch self {
        case .bytes(let values, let maximum): .bytes((0..<tiling.count).flatMap { tiling.tile($0, of: values, channels: channels) }, maximum: maximum)
        case .floats(let values): .floats((0..<tiling.count).flatMap { tiling.tile($0, of: values, channels: channels) })
        case .files: preconditionFailure("the pixels of files are cut once they are read")
        }
    }
}

extension ImageDataset {
    /// Images of one size whose labels mean nothing, all of them for the test.
    ///
    /// - Parameter sizing: the size to which they are brought, and how; nil: they stay.
    /// - Throws: `.usage` when the normalization is for other channels.
    public init(
        unlabeled pixels: LabeledImages.Pixels, shape: ImageShape, count: Int, normalization: NormalizationConfiguration,
        sizing: (size: Size2D, kind: ResizeKind)? = nil
    ) throws {
        let all = 0..<count
        let images = LabeledImages(
            name: "images", shape: shape, pixels: pixels, labels: [Int32](repeating: 0, count: count), classCount: 1, classNames: nil, train: all, validation: nil,
            test: all)
        var configuration = DataConfiguration()
        (configuration.validation, configuration.normalization) = (.count(0), normalization)
        if let sizing { (configuration.size, configuration.resize) = (sizing.size, sizing.kind) }
        try self.init(images, configuration)
    }
}
