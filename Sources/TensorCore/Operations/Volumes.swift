/// A depth, a height and a width; an integer literal is all three.
public struct Size3D: Sendable, Hashable, Codable, ExpressibleByIntegerLiteral, CustomStringConvertible {
    /// In voxels, frames, cells, or whatever is counted along the three axes.
    public var depth, height, width: Int

    /// The depth comes first.
    public init(_ depth: Int, _ height: Int, _ width: Int) { (self.depth, self.height, self.width) = (depth, height, width) }

    /// As much along each axis.
    public init(integerLiteral value: Int) { self.init(value, value, value) }

    /// As much along each axis.
    public init(side: Int) { self.init(side, side, side) }

    /// As messages write it: `3×3×3`.
    public var description: String { "\(depth)×\(height)×\(width)" }

    var list: [Int] { [depth, height, width] }

    init(_ list: [Int]) { self.init(list[0], list[1], list[2]) }
}

/// What is added around a volume before a window moves through it.
public enum Padding3D: Sendable, Hashable {
    case valid
    /// The output has ⌈input / stride⌉ positions along each axis; an odd remainder goes behind, to the bottom and the right (TensorFlow's SAME).
    case same
    case explicit(before: Size3D, after: Size3D)

    /// As much before as after, by axis.
    public static func symmetric(_ size: Size3D) -> Padding3D { .explicit(before: size, after: size) }

    /// Lengths before and after the three axes.
    func resolved(input: Size3D, window: Size3D, stride: Size3D, dilation: Size3D) -> (before: Size3D, after: Size3D) {
        switch self {
        case .valid: return (0, 0)
        case .explicit(let before, let after): return (before, after)
        case .same:
            let total = (0..<3).map { axis in
                let input = input.list[axis], stride = stride.list[axis], extent = (window.list[axis] - 1) * dilation.list[axis] + 1
                return max(0, ((input + stride - 1) / stride - 1) * stride + extent - input)
            }
            return (Size3D(total.map { $0 / 2 }), Size3D(total.map { $0 - $0 / 2 }))
        }
    }
}

extension Tensor {
    /// The lengths of a volume's three axes; of what is none, 1, so that an op of it says what it expects.
    private var volume: Size3D { isValid && rank == 5 ? Size3D(shape[1], shape[2], shape[3]) : 1 }

    /// A three-dimensional convolution of `[B, D, H, W, C]` with weights `[out, C / groups, kd, kh, kw]` and an optional bias `[out]`, in the graph's
    /// precision.
    public func convolution3D(
        weight: Tensor, bias: Tensor? = nil, stride: Size3D = 1, padding: Padding3D = .valid, dilation: Size3D = 1, groups: Int = 1
    ) -> Tensor {
        let size = weight.isValid && weight.rank == 5 ? Size3D(weight.shape[2], weight.shape[3], weight.shape[4]) : 1
        let (before, after) = padding.resolved(input: volume, window: size, stride: stride, dilation: dilation)
        let window = Window(size: size, stride: stride, dilation: dilation, before: before, after: after)
        return graph.record(Convolution(window: window, groups: groups, hasBias: bias != nil), [inGraphPrecision(), weight] + (bias.map { [$0] } ?? []))[0]
    }

    private func pool3D(_ kind: Pooling.Kind, _ window: Size3D, _ stride: Size3D?, _ padding: Padding3D) -> Tensor {
        let stride = stride ?? window, (before, after) = padding.resolved(input: volume, window: window, stride: stride, dilation: 1)
        return graph.record(Pooling(kind: kind, window: Window(size: window, stride: stride, before: before, after: after)), [self])[0]
    }

    /// The largest value of each window of `[B, D, H, W, C]`; padding never wins. The stride is the window unless given.
    public func maxPool3D(window: Size3D, stride: Size3D? = nil, padding: Padding3D = .valid) -> Tensor { pool3D(.maximum, window, stride, padding) }

    /// The mean of each window of `[B, D, H, W, C]`, over what lies inside the volume or over the padding's zeros too.
    public func averagePool3D(window: Size3D, stride: Size3D? = nil, padding: Padding3D = .valid, countsPadding: Bool = true) -> Tensor {
        pool3D(countsPadding ? .averageWithPadding : .average, window, stride, padding)
    }
}
