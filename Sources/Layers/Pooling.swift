import TensorCore

/// The maximum or the mean of each window of an image.
///
/// Shapes: x `[B, H, W, C]` → `[B, H', W', C]`. Windows step by their own size unless `stride` says otherwise. Padded positions never
/// win a maximum; in a mean they count as zeros unless `countsPadding` is false.
public struct Pooling {
    /// What becomes of a window.
    public enum Kind: Sendable { case maximum, average }

    private let kind: Kind
    private let window: Size2D
    private let stride: Size2D
    private let padding: Padding2D
    private let countsPadding: Bool
    private let scope: Scope

    /// A layer without parameters; `scope` is the path of its ops.
    public init(
        _ kind: Kind, window: Size2D, stride: Size2D? = nil, padding: Padding2D = .valid, countsPadding: Bool = true, in scope: Scope
    ) {
        self.kind = kind
        self.window = window
        self.stride = stride ?? window
        self.padding = padding
        self.countsPadding = countsPadding
        self.scope = scope
    }

    public func callAsFunction(_ x: Tensor) -> Tensor {
        scope.record {
            switch kind {
            case .maximum: x.maxPool(window: window, stride: stride, padding: padding)
            case .average: x.averagePool(window: window, stride: stride, padding: padding, countsPadding: countsPadding)
            }
        }
    }
}
