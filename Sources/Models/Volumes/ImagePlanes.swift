import TensorCore

/// What the channels of an image are to a model: pictures one after another, views of one thing or slices of a volume, each with channels of its own.
public struct ImagePlanes: Equatable, Sendable {
    /// The pictures that the model looks at, by their places in the image, from 0.
    public let seen: [Int]
    /// The channels of each picture: channel p · `channels` + c of an image is channel c of picture p.
    public let channels: Int
    /// Whether the pictures are slices of one volume.
    public let isVolume: Bool
}

extension ModelDefinition {
    /// What the channels of images of a shape are: one picture of up to four channels, unless the model takes them otherwise, or there are more.
    public func planes(of input: ImageShape) -> ImagePlanes {
        func volume(_ channels: Int) -> ImagePlanes { ImagePlanes(seen: Array(0..<input.channels / channels), channels: channels, isVolume: true) }
        switch configuration {
        case let network as MVCNNConfiguration:
            return ImagePlanes(seen: network.seenViews ?? Array(0..<network.views), channels: input.channels / network.views, isVolume: false)
        case let network as ResNet3DConfiguration: return volume(network.channels)
        case let network as VoxelCNNConfiguration: return volume(network.channels)
        case let network as VisionTransformerConfiguration where network.dimensions == 3: return volume(1)
        default: return input.channels > 4 ? volume(1) : ImagePlanes(seen: [0], channels: input.channels, isVolume: false)
        }
    }
}
