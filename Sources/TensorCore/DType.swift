/// The element types of tensors.
public enum DType: String, Sendable, Hashable, Codable, CaseIterable {
    case float32, float64, int32
    /// The upper half of a float32: 8 bits of precision. For what flows between ops; sums are in float32.
    case bfloat16

    /// The bytes of one element.
    public var byteCount: Int {
        switch self {
        case .float32, .int32: 4
        case .float64: 8
        case .bfloat16: 2
        }
    }

    /// Whether the type has fractions: all but int32.
    public var isFloatingPoint: Bool { self != .int32 }
    /// Whether the ops of a network compute with it, in float32 arithmetic.
    var isActivation: Bool { self == .float32 || self == .bfloat16 }
}

/// The format of the numbers between operations. Parameters, their gradients, statistics, sums and losses are float32 in either.
public enum Precision: String, Codable, CaseIterable, Sendable {
    case fp32, bf16

    /// The element type of what flows between operations.
    public var dtype: DType { self == .bf16 ? .bfloat16 : .float32 }
}

/// A Swift type that is the element of a `HostTensor`.
public protocol TensorElement: BitwiseCopyable, Sendable {
    /// The element type whose numbers the type holds.
    static var dtype: DType { get }
}

extension Float: TensorElement { public static let dtype = DType.float32 }
extension Double: TensorElement { public static let dtype = DType.float64 }
extension Int32: TensorElement { public static let dtype = DType.int32 }
