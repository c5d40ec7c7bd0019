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

    /// An image file, normalized for the network.
    ///
    /// - Parameters:
    ///   - side: the length of its shorter side, to which it is brought; nil: its own size.
    ///   - size: the size to which it is brought, in the place of `side`.
    /// - Throws: `.noInput` when it is not there, `.data` when it cannot be decoded, `.usage` when it is a folder.
    public func styleImage(file path: String, side: Int? = nil, size: Size2D? = nil) throws -> (pixels: [Float], shape: ImageShape) {
        try requirePictures { _ in "the run of a network for pictures of 1 or 3 channels" }
        let files = try UnlabeledFiles([path])
        guard files.paths == [path] else { throw UserError(.usage, "\(path): is a folder, expected an image file") }
        var data = DataConfiguration()
        data.resize = .exact
        let own = try files.whole(0, as: data, model: input, isSized: false), shorter = min(own.size.height, own.size.width)
        var target = size ?? own.size
        if size == nil, let side {
            func scaled(_ length: Int) -> Int { max(1, (length * side + shorter / 2) / shorter) }
            target = Size2D(scaled(own.size.height), scaled(own.size.width))
        }
        let shape = ImageShape(height: target.height, width: target.width, channels: input.channels)
        let image = target == own.size ? own : try files.whole(0, as: data, model: shape, isSized: true)
        let values = image.pixels.shares, (mean, deviation) = scale, channels = shape.channels
        return (values.indices.map { (values[$0] - Float(mean[$0 % channels])) / Float(deviation[$0 % channels]) }, shape)
    }

    /// Normalized pixels as numbers from 0 to 1.
    public func stylePicture(_ pixels: [Float]) -> [Float] {
        clamped(pixels, mean: scale.mean, deviation: scale.deviation)
    }
}
