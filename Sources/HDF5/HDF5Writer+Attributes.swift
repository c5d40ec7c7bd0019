import CHDF5
import Configuration

extension HDF5Writer {
    /// Gives a group or dataset an attribute that holds one number.
    public func setAttribute<Element: HDF5Element>(_ name: String, of object: String, to value: Element) throws {
        try makeAttribute(name, of: object, shape: [], type: { _ in nil }, memoryType: Element.memoryType, values: [value])
    }

    /// Gives a group or dataset an attribute that holds a list of numbers.
    public func setAttribute<Element: HDF5Element>(_ name: String, of object: String, to values: [Element]) throws {
        try makeAttribute(name, of: object, shape: [values.count], type: { _ in nil }, memoryType: Element.memoryType, values: values)
    }

    /// Gives a group or dataset an attribute that holds one text.
    public func setAttribute(_ name: String, of object: String, to text: String) throws {
        try setAttribute(name, of: object, texts: [text], shape: [])
    }

    /// Gives a group or dataset an attribute that holds a list of texts.
    public func setAttribute(_ name: String, of object: String, to texts: [String]) throws {
        try setAttribute(name, of: object, texts: texts, shape: [texts.count])
    }

    /// Gives a group or dataset an attribute that holds one text of variable length, for programs that take texts of fixed length for bytes:
    /// h5py reads this one as `str`.
    public func setVariableAttribute(_ name: String, of object: String, to text: String) throws {
        try text.withCString { characters in
            // The library copies what the pointer leads to before `withCString` ends.
            try makeAttribute(
                name, of: object, shape: [], type: { try variableStringType($0) }, memoryType: defaultID, values: [characters])
        }
    }

    private func setAttribute(_ name: String, of object: String, texts: [String], shape: [Int]) throws {
        let length = max(texts.map(\.utf8.count).max() ?? 1, 1)
        let bytes = texts.flatMap { text in Array(text.utf8) + [UInt8](repeating: 0, count: length - text.utf8.count) }
        try makeAttribute(
            name, of: object, shape: shape, type: { try stringType(length: length, $0) }, memoryType: defaultID, values: bytes)
    }

    /// The library allows 64 KiB for an attribute; what is longer belongs into a dataset.
    private func makeAttribute<Element: BitwiseCopyable>(
        _ name: String, of object: String, shape: [Int], type makeType: (Place) throws -> Handle?, memoryType: hid_t, values: [Element]
    ) throws {
        precondition(values.count * MemoryLayout<Element>.size < 64 << 10, "\(object)@\(name): an attribute has to stay under 64 KiB")
        try place.locked {
            let place = place.at("\(object)@\(name)")
            let type = try makeType(place)
            let space = try makeSpace(shape, limit: nil, place)
            let owner = try Handle(H5Oopen(handle.id, object, defaultID), H5Oclose, place, "written")
            let made = H5Acreate2(owner.id, name, type?.id ?? memoryType, space.id, defaultID, defaultID)
            let attribute = try Handle(made, H5Aclose, place, "created")
            guard H5Awrite(attribute.id, type?.id ?? memoryType, values) >= 0 else { throw place.failure("written") }
            try attribute.close()
            try owner.close()
        }
    }
}

/// UTF-8 of any length, ended by a zero.
private func variableStringType(_ place: Place) throws -> Handle {
    let type = try Handle(H5Tcopy(chdf5_c_string()), H5Tclose, place, "created")
    // `H5T_VARIABLE`, which Swift does not import: the largest unsigned number.
    H5Tset_size(type.id, -1)
    H5Tset_cset(type.id, H5T_CSET_UTF8)
    return type
}
