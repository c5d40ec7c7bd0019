import TensorCore

/// Multi-head self-attention within the windows of a feature map, which may be shifted so that neighbouring windows meet.
///
///     y = MHSA(window of x; scores + relative position bias [+ mask])
///
/// A shift rolls the map by `shift` rows and columns to the front and back again; the mask keeps apart what was not neighbours before. Maps that windows
/// do not fill are continued with zeros. Where a map is no larger than the window along an axis, the window is the map and nothing is shifted there.
///
/// Shapes: x and y `[B, H, W, C]`. Parameters: `qkv`, `proj`, `relative_position_bias_table [(2h − 1)(2w − 1), heads]` of windows of h × w.
///
/// Liu et al., "Swin Transformer: Hierarchical Vision Transformer using Shifted Windows", ICCV 2021, section 3.2.
public struct WindowAttention {
    private let queryKeyValue, projection: Linear
    private let bias: RelativePositionBias
    private let probabilityDropout: Double
    private let map, window, shift: Size2D
    private let heads, width: Int
    private let scope: Scope

    /// Declares the parameters in `scope`.
    ///
    /// - Parameters:
    ///   - map: height and width of the feature map.
    ///   - window: of a window; smaller where the map is.
    ///   - isShifted: whether windows are moved by half of their size.
    public init(
        width: Int, heads: Int, map: Size2D, window: Size2D, isShifted: Bool, hasBias: Bool = true, probabilityDropout: Double = 0,
        initialization: Initialization = .transformer, in scope: Scope
    ) {
        (self.width, self.heads, self.map, self.scope, self.probabilityDropout) = (width, heads, map, scope, probabilityDropout)
        self.window = Size2D(min(window.height, map.height), min(window.width, map.width))
        shift = Size2D(
            isShifted && map.height > window.height ? window.height / 2 : 0, isShifted && map.width > window.width ? window.width / 2 : 0)
        bias = RelativePositionBias(rows: self.window.height, columns: self.window.width, heads: heads, in: scope)
        queryKeyValue = Linear(width, 3 * width, hasBias: hasBias, initialization: initialization, in: scope["qkv"])
        projection = Linear(width, width, initialization: initialization, in: scope["proj"])
    }

    /// Records one call: `[B, H, W, C]` → `[B, H, W, C]`.
    public func callAsFunction(_ x: Tensor) -> Tensor {
        guard x.isValid else { return x }
        guard heads > 0, width % heads == 0 else { return scope.fail("\(heads) heads do not divide the width \(width)") }
        let batch = x.shape[0], rows = (map.height + window.height - 1) / window.height, columns = (map.width + window.width - 1) / window.width
        let area = window.height * window.width, headWidth = width / heads, count = batch * rows * columns
        let packed = queryKeyValue(scope.record { x.windows(window, shift: shift) }), relative = bias()
        let attended = scope.record { () -> Tensor in
            let mask = shift.height > 0 || shift.width > 0
                ? scope.graph.constant(HostTensor([rows * columns, 1, area, area], maskValues(rows, columns))) : nil
            guard probabilityDropout > 0, x.graph.mode == .training else { return packed.selfAttention(heads: heads, bias: relative, mask: mask) }
            let parts = (0..<3).map { packed.sliced(axis: 2, $0 * width..<($0 + 1) * width).reshaped([count, area, heads, headWidth]) }
            return Tensor.attention(
                query: parts[0], key: parts[1], value: parts[2], bias: relative, mask: mask,
                dropout: (Float(probabilityDropout), scope["attn_drop"].nextStream())
            ).reshaped([count, area, width])
        }
        let projected = projection(attended)
        return scope.record { projected.map(ofWindows: window, size: map, shift: shift) }
    }

    /// −100 between cells of a window that come from different parts of the map, as published.
    private func maskValues(_ rows: Int, _ columns: Int) -> [Float] {
        func part(_ place: Int, _ length: Int, _ window: Int, _ shift: Int) -> Int { place < length - window ? 0 : place < length - shift ? 1 : 2 }
        let height = rows * window.height, width = columns * window.width
        return (0..<rows).flatMap { row in
            (0..<columns).flatMap { column -> [Float] in
                let parts = (0..<window.height).flatMap { y in
                    (0..<window.width).map { x in
                        3 * part(row * window.height + y, height, window.height, shift.height) + part(column * window.width + x, width, window.width, shift.width)
                    }
                }
                return parts.flatMap { own in parts.map { $0 == own ? 0 : -100 } }
            }
        }
    }
}
