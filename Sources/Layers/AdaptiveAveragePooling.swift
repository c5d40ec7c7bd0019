import TensorCore

/// The mean of each of `rows` × `columns` windows that share an image as evenly as whole pixels allow, whatever its size.
///
///     window i of n over L pixels: ⌊i · L / n⌋ up to but not ⌈(i + 1) · L / n⌉
///
/// Windows overlap where n does not divide L, and repeat pixels where there are fewer than windows (PyTorch's `AdaptiveAvgPool2d`).
///
/// Shapes: x `[B, H, W, C]` → `[B, rows, columns, C]`.
public struct AdaptiveAveragePooling: Layer {
    private let size: Size2D
    private let scope: Scope

    /// A layer without parameters; `scope` is the path of its ops.
    public init(_ size: Size2D, in scope: Scope) {
        self.size = size
        self.scope = scope
    }

    public func callAsFunction(_ x: Tensor) -> Tensor {
        guard x.isValid else { return x }
        return scope.record { Self.pooled(Self.pooled(x, axis: 1, size.height), axis: 2, size.width) }
    }

    private static func pooled(_ x: Tensor, axis: Int, _ count: Int) -> Tensor {
        let length = x.shape[axis]
        if length == count { return x }
        if length % count == 0 {
            let window = axis == 1 ? Size2D(length / count, 1) : Size2D(1, length / count)
            return x.averagePool(window: window)
        }
        return .concatenated((0..<count).map { index in
            let window = index * length / count..<((index + 1) * length + count - 1) / count
            let part = x.sliced(axis: axis, window)
            return window.count == 1 ? part : part.mean(axes: [axis], keepsAxes: true)
        }, axis: axis)
    }
}
