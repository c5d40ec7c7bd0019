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

    /// The size in which an image gets its style, before it is decoded.
    ///
    /// - Parameter side: the length of its shorter side; nil: its own.
    /// - Throws: `.noInput` when it is not there, `.data` when it is no image, `.usage` when it is a folder.
    public func styleShape(_ choice: ImageChoice, side: Int?) throws -> ImageShape {
        try requirePictures { _ in "the run of a network for pictures of 1 or 3 channels" }
        var size = Size2D(input.height, input.width)
        if case .file(let path) = choice { size = try styleFile(path).size(0) }
        if let side {
            let shorter = min(size.height, size.width)
            func scaled(_ length: Int) -> Int { max(1, (length * side + shorter / 2) / shorter) }
            size = Size2D(scaled(size.height), scaled(size.width))
        }
        return ImageShape(height: size.height, width: size.width, channels: input.channels)
    }

    private func styleFile(_ path: String) throws -> UnlabeledFiles {
        let files = try UnlabeledFiles([path])
        guard files.paths == [path] else { throw UserError(.usage, "\(path): is a folder, expected an image file") }
        return files
    }

    /// An image, normalized for the network: a file, or a test image of its run.
    ///
    /// - Parameters:
    ///   - shape: to which it is brought.
    ///   - tests: loads the run's test images, where they are needed.
    /// - Throws: `.noInput` when it is not there, `.data` when it cannot be decoded, `.usage` when it is a folder or there is no such test image, `.internal`
    ///   when the memory is too small.
    public func styleImage(_ choice: ImageChoice, of shape: ImageShape, tests: () throws -> TestImages) throws -> [Float] {
        guard case .file(let path) = choice else {
            let pixels = try images([choice], tests: tests)[0].pixels
            return shape == input ? pixels : stretched(pixels, of: input, to: Size2D(shape.height, shape.width))
        }
        let file = try styleFile(path), isSized = try file.size(0) != Size2D(shape.height, shape.width)
        var data = DataConfiguration()
        data.resize = .exact
        let values = try file.whole(0, as: data, model: shape, isSized: isSized).pixels.shares, (mean, deviation) = scale, channels = input.channels
        return values.indices.map { (values[$0] - Float(mean[$0 % channels])) / Float(deviation[$0 % channels]) }
    }

    /// Normalized pixels as numbers from 0 to 1.
    public func stylePicture(_ pixels: [Float]) -> [Float] {
        clamped(pixels, mean: scale.mean, deviation: scale.deviation)
    }
}
