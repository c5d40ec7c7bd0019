import Configuration
import Foundation
import TensorCore

/// Changes an image's colours, as torchvision's `ColorJitter` does, by which SimCLR's views differ (Chen, Kornblith, Norouzi and Hinton, 2020,
/// arXiv:2002.05709, appendix A).
///
/// With `probability`, four changes act in an order that is drawn. With p the image's values before normalization, f uniform from max(0, 1 − x) to 1 + x where x
/// is the option, and g the luminance 0.2989 red + 0.587 green + 0.114 blue:
///
///     brightness    f p
///     contrast      f p + (1 − f) m, with the mean m of the image's g
///     saturation    f p + (1 − f) g
///     hue           the hue turned by a part of the circle uniform from −x to x
///
/// Each result is cut off at 0 and 1 where the data are bytes. Saturation and hue leave images without three channels as they are; of those, contrast takes m over
/// all values. The defaults are the paper's for CIFAR-10 (strength 0.5).
public struct ColorJitter: Configurable {
    /// How far each goes.
    public var brightness = 0.4, contrast = 0.4, saturation = 0.4, hue = 0.1
    /// That an image is changed at all.
    public var probability = 0.8

    /// The paper's.
    public init() {}

    public static let options: [Key<ColorJitter>] = [
        Key("brightness", \.brightness, .number(in: 0...10), "How far the factor of brightness is from 1 at most."),
        Key("contrast", \.contrast, .number(in: 0...10), "How far the factor of contrast is from 1 at most."),
        Key("saturation", \.saturation, .number(in: 0...10), "How far the factor of saturation is from 1 at most."),
        Key("hue", \.hue, .number(in: 0...0.5), "By which part of the circle hues turn at most."),
        Key("probability", \.probability, .number(in: 0...1), "How often an image is changed."),
    ]

    /// One change with its factor, or the turn of the hue.
    enum Change: Equatable {
        case brightness(Float), contrast(Float), saturation(Float), hue(Float)
    }

    /// The changes of an image, none or all four, in their order. Draws the same number of values for every image.
    func drawn(from draws: inout PhiloxDraws) -> [Change] {
        let happens = draws.bernoulli(Float(probability))
        func factor(_ reach: Double) -> Float {
            let low = max(0, 1 - reach)
            return Float(low + (1 + reach - low) * Double(draws.uniform()))
        }
        var changes: [Change] = [
            .brightness(factor(brightness)), .contrast(factor(contrast)), .saturation(factor(saturation)), .hue(Float((2 * Double(draws.uniform()) - 1) * hue)),
        ]
        for last in (1...3).reversed() { changes.swapAt(last, draws.integer(below: last + 1)) }
        return happens ? changes : []
    }
}

/// Blurs an image with a Gaussian whose standard deviation is drawn: SimCLR's third change of images.
///
/// With `probability`, σ is uniform in `sigma`, in pixels; the kernel reaches 3 σ to each side, and the image is mirrored at its edges.
public struct RandomBlur: Configurable {
    /// Smallest and largest standard deviation, in pixels.
    public var sigma = [0.1, 2.0]
    /// That an image is changed at all.
    public var probability = 0.5

    /// The paper's.
    public init() {}

    public static let options: [Key<RandomBlur>] = [
        Key("sigma", \.sigma, .bounds(upTo: 100), "Smallest and largest standard deviation in pixels."),
        Key("probability", \.probability, .number(in: 0...1), "How often an image is blurred."),
    ]
}

/// The normalized values of an image, `[height, width, channels]`, and what brings them back to pixels.
struct ColoredImage {
    let values: UnsafeMutableBufferPointer<Float>
    let shape: ImageShape
    /// A value is (pixel − mean) / deviation, by channel.
    let means, deviations: [Float]
    /// Whether pixels are from 0 to 1.
    let isBounded: Bool

    /// Makes one change after the other.
    func apply(_ changes: [ColorJitter.Change]) {
        guard !changes.isEmpty else { return }
        let channels = shape.channels
        for index in values.indices { values[index] = values[index] * deviations[index % channels] + means[index % channels] }
        for change in changes {
            switch change {
            case .brightness(let factor): mix(factor) { _ in 0 }
            case .contrast(let factor):
                let mean = meanLuminance
                mix(factor) { _ in mean }
            case .saturation(let factor): if channels == 3 { mix(factor, with: luminance) }
            case .hue(let turn): if channels == 3 { turnHue(by: turn) }
            }
        }
        for index in values.indices { values[index] = (values[index] - means[index % channels]) / deviations[index % channels] }
    }

    /// Three channels become one, three times.
    func becomeGray() {
        guard shape.channels == 3 else { return }
        for pixel in 0..<shape.height * shape.width {
            let first = 3 * pixel
            func value(_ channel: Int) -> Float { values[first + channel] * deviations[channel] + means[channel] }
            let gray = 0.2989 * value(0) + 0.587 * value(1) + 0.114 * value(2)
            for channel in 0..<3 { values[first + channel] = (gray - means[channel]) / deviations[channel] }
        }
    }

    /// f p + (1 − f) o, with the other value o of each pixel.
    private func mix(_ factor: Float, with other: (_ pixel: Int) -> Float) {
        let channels = shape.channels
        for pixel in 0..<shape.height * shape.width {
            let share = (1 - factor) * other(pixel)
            for index in pixel * channels..<(pixel + 1) * channels { values[index] = bounded(factor * values[index] + share) }
        }
    }

    private func bounded(_ value: Float) -> Float { isBounded ? min(max(value, 0), 1) : value }

    private func luminance(_ pixel: Int) -> Float { 0.2989 * values[3 * pixel] + 0.587 * values[3 * pixel + 1] + 0.114 * values[3 * pixel + 2] }

    private var meanLuminance: Float {
        let pixels = shape.height * shape.width
        let sum = shape.channels == 3 ? (0..<pixels).reduce(0.0) { $0 + Double(luminance($1)) } : values.reduce(0.0) { $0 + Double($1) }
        return Float(sum / Double(shape.channels == 3 ? pixels : values.count))
    }

    /// By way of hue, saturation and value.
    private func turnHue(by turn: Float) {
        for pixel in 0..<shape.height * shape.width {
            let first = 3 * pixel, red = values[first], green = values[first + 1], blue = values[first + 2]
            let most = max(red, green, blue), least = min(red, green, blue), range = most - least
            guard range > 0, most > 0 else { continue }
            let sector = if most == red { (green - blue) / range } else if most == green { 2 + (blue - red) / range } else { 4 + (red - green) / range }
            var hue = sector / 6 + turn
            hue -= hue.rounded(.down)
            let turned = hue * 6, whole = turned.rounded(.down), part = turned - whole
            let falling = most - range * part, rising = most - range * (1 - part)
            let (r, g, b) = switch Int(whole) % 6 {
            case 0: (most, rising, least)
            case 1: (falling, most, least)
            case 2: (least, most, rising)
            case 3: (least, falling, most)
            case 4: (rising, least, most)
            default: (most, least, falling)
            }
            (values[first], values[first + 1], values[first + 2]) = (bounded(r), bounded(g), bounded(b))
        }
    }

    /// A Gaussian of a standard deviation in pixels, along rows and then columns; its kernel reaches 3 σ, as far as the image, mirrored at its edges, does.
    func blur(sigma: Float) {
        let channels = shape.channels
        blur(sigma, length: shape.width, step: channels, lines: shape.height, lineStep: shape.width * channels)
        blur(sigma, length: shape.height, step: shape.width * channels, lines: shape.width, lineStep: channels)
    }

    private func blur(_ sigma: Float, length: Int, step: Int, lines: Int, lineStep: Int) {
        let radius = min(Int((3 * sigma).rounded(.up)), length - 1)
        guard radius > 0 else { return }
        var kernel = (-radius...radius).map { exp(-0.5 * pow(Float($0) / sigma, 2)) }
        let sum = kernel.reduce(0, +)
        for index in kernel.indices { kernel[index] /= sum }
        var line = [Float](repeating: 0, count: length)
        for start in 0..<lines {
            for channel in 0..<shape.channels {
                let first = start * lineStep + channel
                for place in 0..<length {
                    var value: Float = 0
                    for (index, weight) in kernel.enumerated() {
                        var source = abs(place + index - radius)
                        if source >= length { source = 2 * (length - 1) - source }
                        value += weight * values[first + source * step]
                    }
                    line[place] = value
                }
                for place in 0..<length { values[first + place * step] = line[place] }
            }
        }
    }
}
