/// The element types of tensors.
public enum DType: String, Sendable, Hashable, Codable, CaseIterable {
    case float32, float64, int32

    public var byteCount: Int {
        switch self {
        case .float32, .int32: 4
        case .float64: 8
        }
    }

    public var isFloatingPoint: Bool { self != .int32 }
}

/// A Swift type that is the element of a `HostTensor`.
public protocol TensorElement: BitwiseCopyable, Sendable {
    static var dtype: DType { get }
}

extension Float: TensorElement { public static let dtype = DType.float32 }
extension Double: TensorElement { public static let dtype = DType.float64 }
extension Int32: TensorElement { public static let dtype = DType.int32 }
