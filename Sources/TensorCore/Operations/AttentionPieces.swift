import CKernels
import COneDNN

// What attention's two forms share: they work on pieces of their operands, copied together, for which products exist in two sizes.

/// A length cut into pieces, the last of which may be shorter.
struct Pieces {
    let total: Int, length: Int

    var count: Int { (total + length - 1) / length }
    /// Of whole pieces, and of the last.
    var sizes: [Int] { [min(length, total), total - (count - 1) * length] }

    func forEach(_ body: (_ start: Int, _ size: Int, _ kind: Int) -> Void) {
        for piece in 0..<count { body(piece * length, min(length, total - piece * length), piece == count - 1 ? 1 : 0) }
    }
}

/// Products of pieces of two lengths: one primitive for each pair of sizes, which kernels run among other things.
struct PieceProducts {
    /// By the kind of piece of either length.
    private let primitives: [[Primitive]]

    /// - Parameters:
    ///   - operands: a, b and c for the sizes of two pieces.
    ///   - adds: c += a b instead of c = a b.
    init(
        _ name: String, _ first: Pieces, _ second: Pieces, _ context: LoweringContext, adds: Bool = false,
        _ operands: (_ first: Int, _ second: Int) -> (onednn_tensor, onednn_tensor, onednn_tensor)
    ) throws {
        primitives = try first.sizes.map { one in
            try second.sizes.map { other in
                var (a, b, c) = operands(one, other)
                return try context.primitive("attention \(name) of pieces of \(one) and \(other)") {
                    let workers = Int32(context.workerCount)
                    return adds ? onednn_matmul_adding(&a, &b, &c, workers) : onednn_matmul(&a, &b, nil, &c, workers)
                }
            }
        }
    }

    /// - Parameters:
    ///   - kinds: of the two pieces.
    ///   - scratchpad: of the size that `scratchpadByteCount` tells.
    func callAsFunction(
        _ kinds: (Int, Int), _ a: UnsafeMutableRawPointer, _ b: UnsafeMutableRawPointer, _ c: UnsafeMutableRawPointer, _ scratchpad: BufferID,
        _ context: KernelContext
    ) {
        withUnsafeTemporaryAllocation(of: UnsafeMutableRawPointer?.self, capacity: 4) { pointers in
            (pointers[0], pointers[1], pointers[2], pointers[3]) = (a, b, c, context.raw(scratchpad))
            let primitive = primitives[kinds.0][kinds.1]
            if !primitive.execute(worker: context.worker, pointers.baseAddress!) { context.failures.note(primitive.executionError) }
        }
    }

    /// What the largest of some products needs.
    static func scratchpadByteCount(_ products: PieceProducts...) -> Int {
        max(64, products.flatMap { $0.primitives.joined().map(\.scratchpadByteCount) }.max() ?? 0)
    }
}

/// Where the rows of each head lie in `[B, N, H, d]`, or in a part of `[B, N, 3, H, d]`.
struct HeadRows {
    let buffer: BufferID
    let dtype: DType
    let headWidth: Int
    private let offset, tokens: Int
    /// Elements from a row to the next.
    let stride: Int

    /// - Parameter part: of a packed one; nil: it is not packed.
    init(_ buffer: BufferID, _ type: TensorType, part: Int? = nil) {
        let x = type.shape, width = x[-2] * x[-1]
        (self.buffer, dtype, tokens, headWidth) = (buffer, type.dtype, x[1], x[-1])
        (offset, stride) = (width * (part ?? 0), part == nil ? width : 3 * width)
    }

    /// Queries, keys and values, or what has their shapes.
    static func all(_ buffers: [BufferID], _ types: [TensorType]) -> [HeadRows] {
        types.count == 1 ? (0..<3).map { HeadRows(buffers[0], types[0], part: $0) } : zip(buffers, types).map { HeadRows($0, $1) }
    }

    func row(_ row: Int, sample: Int, head: Int, _ c: KernelContext) -> UnsafeMutableRawPointer {
        c.raw(buffer) + (offset + (sample * tokens + row) * stride + head * headWidth) * dtype.byteCount
    }

    /// Copies rows one behind the other.
    func gather(_ count: Int, from row: Int, sample: Int, head: Int, to target: UnsafeMutableRawPointer, _ c: KernelContext) {
        kernel_attention_gather(self.row(row, sample: sample, head: head, c), target, Int64(count), Int64(headWidth), Int64(stride), dtype.kernelType)
    }

    /// Copies rows that lie one behind the other to where they belong.
    func scatter(_ count: Int, from values: UnsafeMutableRawPointer, sample: Int, head: Int, _ c: KernelContext) {
        kernel_attention_scatter(values, row(0, sample: sample, head: head, c), Int64(count), Int64(headWidth), Int64(stride), dtype.kernelType)
    }

    /// Writes rows of float32 that lie one behind the other.
    func store(_ count: Int, from values: UnsafePointer<Float>, sample: Int, head: Int, at row: Int, _ c: KernelContext) {
        kernel_attention_store(values, self.row(row, sample: sample, head: head, c), Int64(count), Int64(headWidth), Int64(stride), dtype.kernelType)
    }
}
