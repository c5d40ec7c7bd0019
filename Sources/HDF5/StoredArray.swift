import CHDF5
import Configuration
import Foundation

/// The elements of an open dataset or attribute. Used only inside `Library.locked`.
struct StoredArray {
    let handle: Handle
    let place: Place
    let isDataset: Bool
    let verifiesChecksums: Bool

    /// Hands on the type's identifier, which lives as long as the call. Without a `Handle`: every read asks for a type and a space.
    private func withType<Result>(_ body: (hid_t) throws -> Result) throws -> Result {
        let type = isDataset ? H5Dget_type(handle.id) : H5Aget_type(handle.id)
        guard type >= 0 else { throw place.failure("read") }
        defer { H5Tclose(type) }
        return try body(type)
    }

    /// The same with the identifier of the extent.
    private func withSpace<Result>(_ body: (hid_t) throws -> Result) throws -> Result {
        let space = isDataset ? H5Dget_space(handle.id) : H5Aget_space(handle.id)
        guard space >= 0 else { throw place.failure("read") }
        defer { H5Sclose(space) }
        return try body(space)
    }

    func elementType() throws -> ElementType { try withType(ElementType.init(of:)) }

    func shape() throws -> [Int] { try withSpace(shape(of:)) }

    /// Whether rows can be added to it.
    func isExtendible() throws -> Bool {
        try withSpace { space in
            let rank = H5Sget_simple_extent_ndims(space)
            guard rank >= 0 else { throw place.failure("read") }
            var limits = [hsize_t](repeating: 0, count: Int(rank))
            guard H5Sget_simple_extent_dims(space, nil, &limits) >= 0 else { throw place.failure("read") }
            return limits.first == chdf5_unlimited()
        }
    }

    private func shape(of space: hid_t) throws -> [Int] {
        let rank = H5Sget_simple_extent_ndims(space)
        guard rank >= 0 else { throw place.failure("read") }
        var dimensions = [hsize_t](repeating: 0, count: Int(rank))
        guard H5Sget_simple_extent_dims(space, &dimensions, nil) >= 0 else { throw place.failure("read") }
        return try dimensions.map { size in
            guard let size = Int(exactly: size) else { throw place.error(.data, "has a dimension of \(size), which is absurd") }
            return size
        }
    }

    /// The memory of all elements as they are stored, refused where that is more than this machine could hold.
    func byteCount() throws -> Int {
        let size = try withType { H5Tget_size($0) }
        return try count(of: shape(), elementSize: size) * size
    }

    /// Whether all of a dataset was written at some time: what never was reads as the fill value.
    func isWritten() throws -> Bool {
        let properties = try Handle(H5Dget_create_plist(handle.id), H5Pclose, place, "read"), shape = try shape()
        guard !shape.contains(0) else { return true }
        switch H5Pget_layout(properties.id) {
        case H5D_CHUNKED:
            var chunk = [hsize_t](repeating: 1, count: shape.count), stored = hsize_t(0)
            let isKnown = try withSpace { H5Pget_chunk(properties.id, Int32(shape.count), &chunk) >= 0 && H5Dget_num_chunks(handle.id, $0, &stored) >= 0 }
            guard isKnown else { throw place.failure("read") }
            let count = zip(shape, chunk).reduce(1.0) { $0 * (Double($1.0) / Double($1.1)).rounded(.up) }
            return Double(stored) >= count
        case H5D_CONTIGUOUS:
            return H5Dget_storage_size(handle.id) > 0
        default:
            return true
        }
    }

    /// The number of elements, refused when their bytes exceed what this process may use.
    private func count(of shape: [Int], elementSize: Int) throws -> Int {
        var count = 1, bytes = elementSize, overflows = false
        for size in shape where !overflows {
            count = count.multipliedReportingOverflow(by: size).partialValue
            (bytes, overflows) = bytes.multipliedReportingOverflow(by: size)
        }
        // What this process has in any case; whether it may have more is asked of the system.
        if !overflows, bytes <= 1 << 16 { return count }
        if overflows || bytes > MachineLimits.memory() {
            throw place.error(.data, "has the shape \(shape), which is more than the memory that this process may use")
        }
        if let shortage = MemoryDemand(total: Double(bytes)).shortage { throw place.error(.data, "has the shape \(shape), which needs \(shortage)") }
        return count
    }

    /// All elements, or those of some rows of a dataset.
    func read<Element: HDF5Element>(rows: Range<Int>?) throws -> [Element] {
        let type = try elementType()
        if type == .string { throw place.error(.data, "holds text, expected numbers") }
        return try withSpace { fileSpace in
            var shape = try shape(of: fileSpace)
            guard let rows else {
                return try fill(count: count(of: shape, elementSize: MemoryLayout<Element>.size), memorySpace: defaultID, fileSpace: defaultID)
            }
            guard !shape.isEmpty else { throw place.error(.data, "is a single value, expected rows") }
            precondition(rows.lowerBound >= 0, "rows of a dataset are counted from 0")
            guard rows.upperBound <= shape[0] else {
                throw place.error(.data, "has \(shape[0]) rows, expected at least \(rows.upperBound)")
            }
            shape[0] = rows.count
            let count = try count(of: shape, elementSize: MemoryLayout<Element>.size)
            if count == 0 { return [] }
            let extent = shape.map { hsize_t($0) }
            let start = [hsize_t(rows.lowerBound)] + [hsize_t](repeating: 0, count: shape.count - 1)
            guard H5Sselect_hyperslab(fileSpace, H5S_SELECT_SET, start, nil, extent, nil) >= 0 else { throw place.failure("read") }
            let memorySpace = try Handle(H5Screate_simple(Int32(shape.count), extent, nil), H5Sclose, place, "read")
            return try fill(count: count, memorySpace: memorySpace.id, fileSpace: fileSpace)
        }
    }

    /// All elements, into memory for as many.
    func read<Element: HDF5Element>(into target: UnsafeMutableBufferPointer<Element>) throws {
        if try elementType() == .string { throw place.error(.data, "holds text, expected numbers") }
        let shape = try shape()
        guard try count(of: shape, elementSize: MemoryLayout<Element>.size) == target.count else {
            throw place.error(.data, "has the shape \(shape), expected \(target.count) numbers")
        }
        if !target.isEmpty { try fill(target.baseAddress!, memorySpace: defaultID, fileSpace: defaultID) }
    }

    private func fill<Element: HDF5Element>(count: Int, memorySpace: hid_t, fileSpace: hid_t) throws -> [Element] {
        if count == 0 { return [] }
        return try [Element](unsafeUninitializedCapacity: count) { buffer, initialized in
            try fill(buffer.baseAddress!, memorySpace: memorySpace, fileSpace: fileSpace)
            initialized = count
        }
    }

    private func fill<Element: HDF5Element>(_ target: UnsafeMutablePointer<Element>, memorySpace: hid_t, fileSpace: hid_t) throws {
        let status =
            isDataset
            ? H5Dread(handle.id, Element.memoryType, memorySpace, fileSpace, verifiesChecksums ? defaultID : Library.uncheckedTransfer, target)
            : H5Aread(handle.id, Element.memoryType, target)
        guard status >= 0 else { throw place.failure("read") }
    }

    /// All elements as texts, of fixed or variable length.
    func strings() throws -> [String] { try withType { type in try withSpace { space in try strings(of: type, in: space) } } }

    private func strings(of type: hid_t, in space: hid_t) throws -> [String] {
        guard H5Tget_class(type) == H5T_STRING else { throw place.error(.data, "holds numbers, expected text") }
        let size = max(H5Tget_size(type), 1)
        let count = try count(of: shape(of: space), elementSize: size)
        if count == 0 { return [] }
        func read(_ buffer: UnsafeMutableRawPointer) throws {
            let status = isDataset ? H5Dread(handle.id, type, defaultID, defaultID, defaultID, buffer) : H5Aread(handle.id, type, buffer)
            guard status >= 0 else { throw place.failure("read") }
        }
        if H5Tis_variable_str(type) > 0 {
            var pointers = [UnsafeMutablePointer<CChar>?](repeating: nil, count: count)
            try pointers.withUnsafeMutableBytes { try read($0.baseAddress!) }
            defer { H5Dvlen_reclaim(type, space, defaultID, &pointers) }
            return pointers.map { $0.map { String(cString: $0) } ?? "" }
        }
        var bytes = [UInt8](repeating: 0, count: count * size)
        try bytes.withUnsafeMutableBytes { try read($0.baseAddress!) }
        let padding: UInt8 = H5Tget_strpad(type) == H5T_STR_SPACEPAD ? UInt8(ascii: " ") : 0
        return (0..<count).map { index in
            var text = bytes[index * size..<(index + 1) * size]
            if let end = text.firstIndex(of: 0) { text = text[..<end] }
            while text.last == padding { text.removeLast() }
            return String(decoding: text, as: UTF8.self)
        }
    }
}
