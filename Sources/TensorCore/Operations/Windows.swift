import CKernels

/// A feature map cut into windows, rolled before so that they lie elsewhere, or put together again.
///
///     windows [B · rows · columns, h · w, C]  ⇄  map [B, H, W, C]
///
/// Cell (y, x) of the windows side by side is cell (y + shift) mod H, (x + shift) mod W of the map. Cells beyond the map are 0 in the windows, and
/// forgotten where these are put together. Each direction is the other's gradient.
struct Windows: Operation {
    let map, window, shift: Size2D
    /// Whether windows become a map.
    let joins: Bool
    var name: String { joins ? "windows to map" : "map to windows" }

    private var rows: Int { (map.height + window.height - 1) / window.height }
    private var columns: Int { (map.width + window.width - 1) / window.width }

    func outputTypes(_ inputs: [TensorType]) throws(ShapeError) -> [TensorType] {
        let x = inputs[0].shape, count = rows * columns
        guard inputs[0].dtype.isActivation else { throw ShapeError("of \(inputs[0]): expected float32 or bfloat16") }
        if joins {
            guard x.rank == 3, x[0] % count == 0, x[1] == window.height * window.width else {
                throw ShapeError("of \(x): expected [a multiple of \(count), \(window.height * window.width), channels], windows of \(window) in a map of \(map)")
            }
            return [TensorType([x[0] / count, map.height, map.width, x[2]], inputs[0].dtype)]
        }
        guard x.rank == 4, x[1] == map.height, x[2] == map.width else { throw ShapeError("of \(x): expected [batch, \(map.height), \(map.width), channels]") }
        return [TensorType([x[0] * count, window.height * window.width, x[3]], inputs[0].dtype)]
    }

    func gradients(_ node: NodeReference, _ upstream: [Tensor?]) -> [Tensor?] {
        [upstream[0].map { $0.graph.record(one: Windows(map: map, window: window, shift: shift, joins: !joins), $0) }]
    }

    func lower(_ context: LoweringContext) {
        let x = context.input(0), y = context.output(0), shape = (joins ? context.outputTypes : context.inputTypes)[0].shape
        let layout = kernel_windows_layout(
            batch: Int64(shape[0]), height: Int64(map.height), width: Int64(map.width), window_height: Int64(window.height),
            window_width: Int64(window.width), shift_height: Int64(shift.height), shift_width: Int64(shift.width))
        let byteCount = Int64(shape[3] * context.inputTypes[0].dtype.byteCount)
        context.emit(reads: [x], writes: [y]) { [joins] c in
            if joins { kernel_windows_to_map(c.raw(x), c.raw(y), layout, byteCount) } else { kernel_map_to_windows(c.raw(x), c.raw(y), layout, byteCount) }
        }
    }
}

extension Tensor {
    /// The windows of a map `[B, H, W, C]`, row after row of an image and image after image: `[B · windows, h · w, C]`. The map is rolled by `shift`
    /// rows and columns to the front before, and continued with zeros where windows do not fill it.
    public func windows(_ window: Size2D, shift: Size2D = 0) -> Tensor {
        let map = isValid && rank == 4 ? Size2D(shape[1], shape[2]) : 1
        return graph.record(one: Windows(map: map, window: window, shift: shift, joins: false), self)
    }

    /// The map `[B, H, W, C]` of its windows.
    public func map(ofWindows window: Size2D, size: Size2D, shift: Size2D = 0) -> Tensor {
        graph.record(one: Windows(map: size, window: window, shift: shift, joins: true), self)
    }
}
