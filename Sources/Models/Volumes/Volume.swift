import Configuration
import TensorCore

/// How images hold volumes: the channels of an image `[B, H, W, D · C]` are the depths of a volume, each with C channels.
enum Volume {
    /// The key `channels`.
    static func channelsOption<Root>(_ property: WritableKeyPath<Root, Int> & Sendable) -> Key<Root> {
        Key("channels", property, .count, "How many of an image's channels lie at one depth: 1 for voxels, 3 for frames in colour; what is left is the depth.")
    }

    /// Reports channels that are no whole number of depths.
    static func validate(_ input: ImageShape, channels: Int, at fields: FieldReader) {
        guard input.channels % channels != 0 else { return }
        fields.errors.report(
            "\(channels) channels at each depth do not divide the \(input.channels) channels of images of \(input)",
            at: fields.node["channels"]?.mark ?? fields.node.mark, path: fields.path(of: "channels"))
    }
}

extension Tensor {
    /// The volumes in images: `[B, H, W, D · C]` → `[B, D, H, W, C]`.
    func volume(channels: Int) -> Tensor {
        guard isValid else { return self }
        let depth = shape[3] / channels
        return reshaped([shape[0], shape[1], shape[2], depth, channels]).transposed([0, 3, 1, 2, 4])
    }

    /// The pictures in images that hold several side by side in their channels: `[B, H, W, V · C]` → `[B · V, H, W, C]`.
    func pictures(_ views: Int) -> Tensor {
        guard isValid else { return self }
        let pictures = volume(channels: shape[3] / views)
        return pictures.reshaped([shape[0] * views, shape[1], shape[2], shape[3] / views])
    }
}
