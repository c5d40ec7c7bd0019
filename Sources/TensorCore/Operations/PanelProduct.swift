import CKernels

/// The product of rows with a matrix, by a kernel of our own (`CKernels/linear.h`): in float32, on machines with AVX-512.
///
/// Where operands come from memory and go there, it is 2 to 25 % faster than oneDNN's, most where there are few inputs. The matrix is brought into
/// panels once a step for all shards. The bits are those of oneDNN 2.6's products where that does not pack both operands; later versions may cut their
/// sums elsewhere.
struct PanelProduct {
    private let rows, inputs, outputs: Int
    /// Whether the matrix lies in memory as [outputs, inputs].
    private let isTransposed: Bool

    /// nil where oneDNN's product is faster, or the only one.
    ///
    /// - Parameter lengths: of the matrix that input 1 is, or whose transpose it is.
    init?(_ context: LoweringContext, lengths: [Int], isTransposed: Bool) {
        (inputs, outputs, self.isTransposed) = (lengths[0], lengths[1], isTransposed)
        rows = context.inputTypes[0].shape.elementCount / max(inputs, 1)
        // Panels pay from about a thousand rows on; large ones, which take much memory, have to pay more. Rows of x that lie whole pages apart would
        // share one set of the first cache.
        let leastRows = inputs * outputs <= 1 << 20 ? 1000 : 3000
        guard Self.isFast, context.inputTypes[0].dtype == .float32, rows * context.shardCount >= leastRows, inputs % 16 == 0, inputs % 1024 != 0,
            outputs % KERNEL_LINEAR_PANEL == 0
        else { return nil }
    }

    /// Where oneDNN is told to do without AVX-512, we do too: then results are those of a machine that has none.
    private static let isFast = kernel_linear_is_fast() != 0 && OneDNN.instructionSet.hasPrefix("avx512")

    /// Emits the product of input 0, plus the bias in input 2 if there is one.
    func emit(_ context: LoweringContext, hasBias: Bool) {
        let x = context.input(0), bias = hasBias ? context.input(2) : nil, y = context.output(0), panels = panels(context)
        context.emit(reads: [x, panels] + (bias.map { [$0] } ?? []), writes: [y], multiplyAdds: rows * inputs * outputs) { [self] c in
            kernel_linear(
                c.floats(x), c.floats(panels), bias.map { c.floats($0) }, c.floats(y), Int64(rows), Int64(inputs), Int64(outputs))
        }
    }

    private func panels(_ context: LoweringContext) -> BufferID {
        let matrix = context.input(1)
        return context.input(1, as: .panels(isTransposed: isTransposed), byteCount: inputs * outputs * 4) { [self] panels in
            Kernel(name: "reorder", reads: [matrix], writes: [panels], overwrites: nil) { c in
                kernel_linear_panels(c.floats(matrix), isTransposed ? 1 : 0, c.floats(panels), Int64(inputs), Int64(outputs))
            }
        }
    }
}
