import CHDF5

/// The type of a dataset's or attribute's elements.
public enum ElementType: String, Sendable, CaseIterable {
    case float32, float64
    case int8, int16, int32, int64
    case uint8, uint16, uint32, uint64
    case string
    /// Other floating point numbers: of 16 bits, of 80.
    case otherFloat = "float of another size"
    case compound
    /// Anything else: references, bit fields, opaque bytes, arrays, ….
    case other = "neither numbers nor texts"

    /// Classifies a type of a file, whatever its byte order; enumerations count as their integers.
    init(of type: hid_t) {
        let size = H5Tget_size(type)
        switch H5Tget_class(type) {
        case H5T_FLOAT:
            self = size == 4 ? .float32 : size == 8 ? .float64 : .otherFloat
        case H5T_INTEGER:
            let isSigned = H5Tget_sign(type) == H5T_SGN_2
            switch size {
            case 1: self = isSigned ? .int8 : .uint8
            case 2: self = isSigned ? .int16 : .uint16
            case 4: self = isSigned ? .int32 : .uint32
            case 8: self = isSigned ? .int64 : .uint64
            default: self = .other
            }
        case H5T_ENUM:
            let base = H5Tget_super(type)
            self = base >= 0 ? ElementType(of: base) : .other
            H5Tclose(base)
        case H5T_STRING: self = .string
        case H5T_COMPOUND: self = .compound
        default: self = .other
        }
    }
}

/// A Swift number that a dataset can hold.
public protocol HDF5Element: BitwiseCopyable, Sendable {
    /// The type of its elements in a file.
    static var elementType: ElementType { get }
}

extension Float: HDF5Element { public static var elementType: ElementType { .float32 } }
extension Double: HDF5Element { public static var elementType: ElementType { .float64 } }
extension Int8: HDF5Element { public static var elementType: ElementType { .int8 } }
extension Int16: HDF5Element { public static var elementType: ElementType { .int16 } }
extension Int32: HDF5Element { public static var elementType: ElementType { .int32 } }
extension Int64: HDF5Element { public static var elementType: ElementType { .int64 } }
extension UInt8: HDF5Element { public static var elementType: ElementType { .uint8 } }
extension UInt16: HDF5Element { public static var elementType: ElementType { .uint16 } }
extension UInt32: HDF5Element { public static var elementType: ElementType { .uint32 } }
extension UInt64: HDF5Element { public static var elementType: ElementType { .uint64 } }

extension HDF5Element {
    /// The library's name for this type in memory, which on every supported machine is also its little-endian form on disk.
    static var memoryType: hid_t {
        switch elementType {
        case .float32: chdf5_float32()
        case .float64: chdf5_float64()
        case .int8: chdf5_int8()
        case .int16: chdf5_int16()
        case .int32: chdf5_int32()
        case .int64: chdf5_int64()
        case .uint8: chdf5_uint8()
        case .uint16: chdf5_uint16()
        case .uint32: chdf5_uint32()
        case .uint64: chdf5_uint64()
        case .string, .otherFloat, .compound, .other: preconditionFailure("\(Self.self) is not a number that HDF5 stores")
        }
    }
}
