import Configuration
import Layers
import TensorCore

/// U-Net: an encoder that halves its maps, and a decoder that doubles them again and at each resolution sees the encoder's map beside its own.
///
///     level i = 0 … depth    two 3×3 convolutions of width · 2^i channels, each with norm and ReLU; a 2×2 max-pool leads to the next level
///     level i = depth−1 … 0  up: width · 2^i channels at twice the resolution, joined behind the encoder's map of the level (`skips`); two 3×3 convolutions
///     head                   1×1 convolution: a logit for each class at each pixel, [B, H, W, classes]
///
/// | `up` | how maps are doubled |
/// | --- | --- |
/// | `transposed` | 2×2 transposed convolution of stride 2 |
/// | `bilinear` | bilinear interpolation, then a 2×2 convolution with a row and a column of zeros below and to the right: the same number of parameters |
///
/// With `padding: same`, convolutions keep the resolution; a side that is odd at some level is halved downwards and comes back through one row or column
/// more of the up-convolution. With `padding: valid`, the paper's, convolutions do not pad and the encoder's maps are cropped to the decoder's. The image is
/// mirrored at its border so far that there is an answer for each of its pixels, and the answers are cropped to them (the paper's overlap-tile).
///
/// Parameters: `encoder.i.conv1`, `.norm1`, `.conv2`, `.norm2`, of the last level `bottom.…`; `decoder.i.up`, `.conv1` and so on by the level i; `head`.
/// Convolutions have biases, before norms too. Initialization: normal with σ = √(2 / fan_in), biases 0, as the paper has it.
///
/// Ronneberger, Fischer and Brox, "U-Net: Convolutional Networks for Biomedical Image Segmentation", MICCAI 2015.
public struct UNetConfiguration: ModelConfiguration {
    public static let family = "unet"

    /// How a decoder doubles its maps.
    public enum Upsampling: String, CaseIterable, Sendable { case transposed, bilinear }

    /// What convolutions see beyond the border.
    public enum Padding: String, CaseIterable, Sendable { case same, valid }

    /// The channels of the first level.
    public var width = 64
    /// How often maps are halved.
    public var depth = 4
    /// How a decoder doubles its maps.
    public var upsampling = Upsampling.transposed
    /// What convolutions see beyond the border.
    public var padding = Padding.same
    /// What normalizes features; the paper has nothing.
    public var norm = NormalizationKind.none
    /// Whether the decoder sees the encoder's maps.
    public var hasSkips = true
    /// How weights start.
    public var initialization = Initialization.he(distribution: .normal, fan: .in, gain: ActivationKind.relu.gain!)

    /// The paper's, with images that keep their size.
    public init() {}

    public static let documentation = "An encoder and a decoder with skip connections between them, for a class for each pixel."
    public static let paper: String? = "Ronneberger, Fischer and Brox, MICCAI 2015"
    public static let answersPixels = true
    public static let options: [Key<UNetConfiguration>] = [
        Key("width", \.width, .count, role: .width, "The channels of the first level; each level has twice as many as the one before it."),
        Key("depth", \.depth, .integer(in: 1...8), "How often maps are halved, and doubled again."),
        Key("up", \.upsampling, .choice, paper: "bilinear: Odena, Dumoulin and Olah, Distill 2016", "How the decoder doubles its maps: by a transposed convolution, or bilinearly before a convolution."),
        Key("padding", \.padding, .choice, "Whether convolutions keep the resolution (same), or see nothing beyond the border, of images that are mirrored there (valid, the paper's)."),
        Key("norm", \.norm, .normalization, "What normalizes features."),
        Key("skips", \.hasSkips, .flag, "Whether the decoder sees the encoder's maps."),
        initializationOption(\.initialization),
    ]

    public mutating func check(_ fields: inout FieldReader) {
        if width << depth > 65_536 { fields.report("the last of \(depth + 1) levels would have \(grouped(width << depth)) channels, expected at most \(grouped(65_536))", at: "width") }
        if case .group(let groups) = norm, width % groups != 0 {
            fields.report("\(groups) groups do not divide the \(width) channels of the first level", at: "norm")
        }
    }

    public func validate(input: ImageShape, at fields: FieldReader) {
        let least = min(input.height, input.width)
        if padding == .same, least < 1 << depth {
            fields.errors.report(
                "\(depth) levels, each of which halves the image, need at least \(1 << depth)×\(1 << depth) pixels, found \(input.height)×\(input.width)",
                at: fields.node["depth"]?.mark ?? fields.node.mark, path: fields.path(of: "depth"))
        }
        guard padding == .valid else { return }
        for side in [input.height, input.width] {
            let border = Border(side, depth: depth)
            if max(border.before, border.after) >= side {
                fields.errors.report(
                    """
                    valid padding of \(depth) levels takes \(max(border.before, border.after)) pixels around the image, more than the \(side - 1) that can be \
                    mirrored of \(input.height)×\(input.width); expected larger images, fewer levels, or same
                    """,
                    at: fields.node["padding"]?.mark ?? fields.node.mark, path: fields.path(of: "padding"))
                return
            }
        }
    }

    /// The channels of a level.
    fileprivate func channels(_ level: Int) -> Int { width << level }

    public func makeModel(input: ImageShape, classes: Int, in scope: Scope) -> any ImageModel {
        UNet(self, input: input, classes: classes, in: scope)
    }

    public func makeEncoder(input: ImageShape, in scope: Scope) -> any ImageEncoder {
        let path = UNetEncoder(self, channels: input.channels, in: scope)
        return ConvolutionalEncoder(path, width: channels(depth)) { features in scope["avgpool"].record { features.globalAveragePool() } }
    }

    public func makeHead(inputs: Int, outputs: Int, in scope: Scope) -> any Layer {
        Linear(inputs, outputs, initialization: initialization, in: scope["head"])
    }

    /// How far one side of an image is mirrored for convolutions that do not pad, and what is left of the answers before and after the image's.
    fileprivate struct Border {
        let before, after: Int
        /// How many answers come before the image's, and after them.
        let cropBefore, cropAfter: Int

        init(_ side: Int, depth: Int) {
            // Every pair of convolutions takes 4 pixels of a map.
            func output(_ bottom: Int) -> Int { (0..<depth).reduce(bottom - 4) { length, _ in 2 * length - 4 } }
            var bottom = 5
            while output(bottom) < side { bottom += 1 }
            let input = (0..<depth).reduce(bottom) { length, _ in 2 * length + 4 }, answers = output(bottom)
            before = (input - side) / 2
            after = input - side - before
            cropBefore = before - (input - answers) / 2
            cropAfter = answers - side - cropBefore
        }
    }
}

/// Two 3×3 convolutions, each with norm and ReLU.
private struct ConvolutionPair {
    private let layers: [ConvolutionLayer]

    init(_ inputs: Int, _ outputs: Int, _ network: UNetConfiguration, in scope: Scope) {
        layers = (1...2).map { place in
            ConvolutionLayer(
                place == 1 ? inputs : outputs, outputs, kernel: 3, padding: network.padding == .valid ? .valid : nil, norm: network.norm, hasBias: true,
                initialization: network.initialization, in: (scope["conv\(place)"], scope["norm\(place)"]))
        }
    }

    func callAsFunction(_ x: Tensor) -> Tensor { layers.reduce(x) { $1($0) } }
}

/// The contracting path; stages `level0` to the last.
private struct UNetEncoder: Backbone {
    private let levels: [(pool: Pooling?, pair: ConvolutionPair)]

    init(_ network: UNetConfiguration, channels: Int, in scope: Scope) {
        levels = (0...network.depth).map { level in
            let place = level == network.depth ? scope["bottom"] : scope["encoder"][level]
            let pool = level == 0 ? nil : Pooling(.maximum, window: 2, in: place["pool"])
            return (pool, ConvolutionPair(level == 0 ? channels : network.channels(level - 1), network.channels(level), network, in: place))
        }
    }

    func callAsFunction(_ images: Tensor) -> NamedOutputs {
        var outputs = NamedOutputs(), x = images
        for (number, level) in levels.enumerated() {
            x = level.pair(level.pool?(x) ?? x)
            outputs.add("level\(number)", x)
        }
        return outputs
    }
}

/// One level of the expanding path: the map of the level below, and the encoder's of its own → a map at its resolution.
private struct UNetDecoderLevel {
    private let network: UNetConfiguration
    /// nil where a transposed convolution enlarges the map itself.
    private let enlarging: Interpolation?
    private let up: any Layer
    private let odd: Size2D
    private let pair: ConvolutionPair
    private let scope: Scope

    /// - Parameter odd: the rows and columns that the encoder lost when it halved the level's map, 0 or 1.
    init(_ network: UNetConfiguration, level: Int, odd: Size2D, in scope: Scope) {
        (self.network, self.odd, self.scope) = (network, odd, scope)
        let channels = network.channels(level), place = scope["up"]
        switch network.upsampling {
        case .transposed:
            enlarging = nil
            up = TransposedConvolution2D(
                2 * channels, channels, kernel: 2, stride: 2, outputPadding: odd, initialization: network.initialization, in: place)
        case .bilinear:
            enlarging = .bilinear
            up = Convolution2D(
                2 * channels, channels, kernel: 2, padding: .explicit(top: 0, bottom: 1, left: 0, right: 1), initialization: network.initialization, in: place)
        }
        pair = ConvolutionPair(network.hasSkips ? 2 * channels : channels, channels, network, in: scope)
    }

    func callAsFunction(_ x: Tensor, skip: Tensor) -> Tensor {
        guard x.isValid, skip.isValid else { return x }
        var y = x
        if let enlarging {
            let size = Size2D(2 * x.shape[1] + odd.height, 2 * x.shape[2] + odd.width)
            y = scope["up"].record { x.resized(to: size, enlarging) }
        }
        y = up(y)
        if network.hasSkips, y.isValid {
            y = scope.record { .concatenated([skip.cropped(to: Size2D(y.shape[1], y.shape[2])), y], axis: 3) }
        }
        return pair(y)
    }
}

/// The whole network. Outputs: the encoder's levels as `features.level0` and so on, the last map of the decoder as `features.decoder`, and `logits`
/// `[B, H, W, classes]`.
private struct UNet: ImageModel {
    private let encoder: UNetEncoder
    private let decoder: [UNetDecoderLevel]
    private let head: Convolution2D
    /// Of rows and of columns; nil where convolutions keep the resolution.
    private let borders: (rows: UNetConfiguration.Border, columns: UNetConfiguration.Border)?
    private let scope: Scope

    init(_ network: UNetConfiguration, input: ImageShape, classes: Int, in scope: Scope) {
        self.scope = scope
        let depth = network.depth, isValid = network.padding == .valid
        borders = isValid ? (.init(input.height, depth: depth), .init(input.width, depth: depth)) : nil
        encoder = UNetEncoder(network, channels: input.channels, in: scope)
        decoder = (0..<depth).reversed().map { level in
            let odd = isValid ? Size2D(0, 0) : Size2D((input.height >> level) % 2, (input.width >> level) % 2)
            return UNetDecoderLevel(network, level: level, odd: odd, in: scope["decoder"][level])
        }
        head = Convolution2D(network.channels(0), classes, kernel: 1, initialization: network.initialization, in: scope["head"])
    }

    func callAsFunction(_ images: Tensor) -> NamedOutputs {
        var x = images
        if let borders {
            x = scope.record {
                images.padded(before: [0, borders.rows.before, borders.columns.before, 0], after: [0, borders.rows.after, borders.columns.after, 0], mode: .reflect)
            }
        }
        let levels = encoder(x)
        var outputs = levels.named(under: "features"), y = levels.last
        let skips = levels.entries.dropLast().reversed().map(\.tensor)
        for (level, skip) in zip(decoder, skips) { y = level(y, skip: skip) }
        if let borders, y.isValid {
            let answers = y
            y = scope.record {
                answers.sliced(axis: 1, borders.rows.cropBefore..<answers.shape[1] - borders.rows.cropAfter)
                    .sliced(axis: 2, borders.columns.cropBefore..<answers.shape[2] - borders.columns.cropAfter)
            }
        }
        outputs.add("features.decoder", y)
        outputs.add("logits", head(y))
        return outputs
    }
}

extension Tensor {
    /// The middle of a map `[B, h, w, C]`, `[B, H, W, C]`.
    fileprivate func cropped(to size: Size2D) -> Tensor {
        if Size2D(shape[1], shape[2]) == size { return self }
        let top = (shape[1] - size.height) / 2, left = (shape[2] - size.width) / 2
        return sliced(axis: 1, top..<top + size.height).sliced(axis: 2, left..<left + size.width)
    }
}
