import Configuration
import TensorCore
import VisionData

extension TrainedModel {
    /// What a network without a run was trained on: torchvision's and timm's networks for ImageNet.
    private static let imageNet = (mean: [0.485, 0.456, 0.406], deviation: [0.229, 0.224, 0.225])

    /// The mean and the standard deviation of pixels from 0 to 1 by which the network's images are normalized: the run's; of a network with a file of weights
    /// ImageNet's, where it takes three channels.
    private var scale: (mean: [Double], deviation: [Double]) {
        if case .given(let mean, let deviation) = normalization { return (mean, deviation) }
        return input.channels == 3 ? Self.imageNet : ([Double](repeating: 0, count: input.channels), [Double](repeating: 1, count: input.channels))
    }

    /// An image, normalized for the network: a file, or a test image of its run.
    ///
    /// - Parameters:
    ///   - side: the length of its shorter side, to which it is brought; nil: its own size.
    ///   - size: the size to which it is brought, in the place of `side`.
    ///   - tests: loads the run's test images, where they are needed.
    /// - Throws: `.noInput` when it is not there, `.data` when it cannot be decoded, `.usage` when it is a folder or there is no such test image.
    public func styleImage(
        _ choice: ImageChoice, side: Int? = nil, size: Size2D? = nil, tests: () throws -> TestImages
    ) throws -> (pixels: [Float], shape: ImageShape) {
        try requirePictures { _ in "the run of a network for pictures of 1 or 3 channels" }
        func target(_ own: Size2D) -> Size2D {
            if let size { return size }
            guard let side else { return own }
            let shorter = min(own.height, own.width)
            func scaled(_ length: Int) -> Int { max(1, (length * side + shorter / 2) / shorter) }
            return Size2D(scaled(own.height), scaled(own.width))
        }
        func shape(_ size: Size2D) -> ImageShape { ImageShape(height: size.height, width: size.width, channels: input.channels) }
        guard case .file(let path) = choice else {
            let pixels = try images([choice], tests: tests)[0].pixels, size = target(Size2D(input.height, input.width))
            return (size == Size2D(input.height, input.width) ? pixels : stretched(pixels, of: input, to: size), shape(size))
        }
        let files = try UnlabeledFiles([path])
        guard files.paths == [path] else { throw UserError(.usage, "\(path): is a folder, expected an image file") }
        var data = DataConfiguration()
        data.resize = .exact
        let own = try files.whole(0, as: data, model: input, isSized: false), size = target(own.size)
        let image = size == own.size ? own : try files.whole(0, as: data, model: shape(size), isSized: true)
        let values = image.pixels.shares, (mean, deviation) = scale, channels = input.channels
        return (values.indices.map { (values[$0] - Float(mean[$0 % channels])) / Float(deviation[$0 % channels]) }, shape(size))
    }

    /// Normalized pixels as numbers from 0 to 1.
    public func stylePicture(_ pixels: [Float]) -> [Float] {
        clamped(pixels, mean: scale.mean, deviation: scale.deviation)
    }
}
