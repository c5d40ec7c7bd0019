import COneDNN

/// oneDNN refused to make or run a primitive; says which and why.
public struct OneDNNError: Error, CustomStringConvertible, Sendable {
    /// What was asked for, and what oneDNN says.
    public let description: String
}

/// The library that does the heavy arithmetic on this machine.
public enum OneDNN {
    /// The version of the library that runs, such as `2.6.3`.
    public static var version: String { String(cString: onednn_version_string()) }
    /// The instruction set it uses, such as `avx512_core_bf16`.
    public static var instructionSet: String { String(cString: onednn_instruction_set()) }
    /// Whether this machine has units for products of bfloat16: AVX-512-BF16 or AMX.
    public static var hasBFloat16Units: Bool { onednn_has_bfloat16_units() != 0 }
}

/// A physical layout of a tensor's elements in memory, as oneDNN chose or was told it.
final class PhysicalLayout: Equatable {
    let handle: OpaquePointer

    init(owning handle: OpaquePointer) { self.handle = handle }

    /// Given strides; nil strides are row-major.
    init(lengths: [Int], strides: [Int]? = nil, dtype: DType) {
        var tensor = onednn_tensor(lengths: lengths, strides: strides ?? Shape(lengths).strides, dtype: dtype)
        handle = onednn_layout_create(&tensor)
    }

    deinit { onednn_layout_destroy(handle) }

    var byteCount: Int { onednn_layout_bytes(handle) }

    static func == (a: PhysicalLayout, b: PhysicalLayout) -> Bool { onednn_layout_equal(a.handle, b.handle) != 0 }
}

/// A primitive, made once and executed by any worker with pointers of its own.
///
/// Sharing is safe because the C++ side keeps one set of arguments for each worker and gets its scratchpad from the caller.
final class Primitive: @unchecked Sendable {
    private let handle: OpaquePointer
    let what: String

    init(_ what: String, _ make: () -> OpaquePointer?) throws(OneDNNError) {
        guard let handle = make() else {
            throw OneDNNError(description: "oneDNN \(OneDNN.version) cannot make a \(what): \(String(cString: onednn_error()))")
        }
        self.handle = handle
        self.what = what
    }

    deinit { onednn_primitive_destroy(handle) }

    var scratchpadByteCount: Int { onednn_primitive_scratchpad_bytes(handle) }
    /// The multiply-adds of one execution; 0 for what is neither a convolution nor a matrix product.
    var multiplyAdds: Int { onednn_primitive_multiply_adds(handle) }

    func layout(ofArgument index: Int) -> PhysicalLayout {
        PhysicalLayout(owning: onednn_primitive_layout(handle, Int32(index)))
    }

    /// Whether it ran; it does not where oneDNN finds no memory for its own copies.
    ///
    /// - Parameter arguments: in the order of COneDNN.h, the scratchpad last.
    func execute(worker: Int, _ arguments: UnsafePointer<UnsafeMutableRawPointer?>) -> Bool {
        onednn_execute(handle, Int32(worker), arguments) == 0
    }

    /// What there is to say of a primitive that did not run.
    var executionError: OneDNNError {
        OneDNNError(description: "oneDNN \(OneDNN.version) could not run a \(what): it found no memory for its copies")
    }
}

extension onednn_tensor {
    /// Strides of nil leave the layout to oneDNN.
    init(lengths: [Int], strides: [Int]?, dtype: DType) {
        precondition(lengths.count <= Int(ONEDNN_MAX_RANK), "oneDNN's shim takes at most \(ONEDNN_MAX_RANK) axes")
        precondition(dtype.isActivation, "oneDNN's shim takes float32 and bfloat16")
        self.init()
        type = dtype == .bfloat16 ? ONEDNN_BFLOAT16 : ONEDNN_FLOAT32
        rank = Int32(lengths.count)
        withUnsafeMutableBytes(of: &self.lengths) { $0.bindMemory(to: Int64.self).update(from: lengths) }
        if let strides {
            withUnsafeMutableBytes(of: &self.strides) { $0.bindMemory(to: Int64.self).update(from: strides) }
        }
    }
}

extension UnsafeMutableBufferPointer<Int64> {
    fileprivate func update(from values: [Int]) {
        for (index, value) in values.enumerated() { self[index] = Int64(value) }
    }
}

func onednn_reorder_primitive(_ source: PhysicalLayout, _ target: PhysicalLayout, _ workers: Int) -> OpaquePointer? {
    onednn_reorder(source.handle, target.handle, Int32(workers))
}
