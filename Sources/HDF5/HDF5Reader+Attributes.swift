import CHDF5
import Configuration

extension HDF5Reader {
    /// The names of the attributes of a group or dataset, sorted.
    public func attributeNames(of object: String) throws -> [String] {
        try Library.locked {
            let opened = try openObject(object)
            let place = place.at(object)
            let count = H5Aget_num_attrs(opened.id)
            guard count >= 0 else { throw place.failure("read") }
            return try (0..<count).map { index in
                let attribute = try Handle(
                    H5Aopen_by_idx(opened.id, ".", H5_INDEX_NAME, H5_ITER_INC, hsize_t(index), defaultID, defaultID), H5Aclose, place, "read")
                let length = H5Aget_name(attribute.id, 0, nil)
                guard length >= 0 else { throw place.failure("read") }
                var name = [CChar](repeating: 0, count: length + 1)
                H5Aget_name(attribute.id, name.count, &name)
                return String(decoding: name.dropLast().map(UInt8.init(bitPattern:)), as: UTF8.self)
            }
        }
    }

    /// The numbers of an attribute (one for a scalar), or nil when the object has no such attribute.
    public func attribute<Element: HDF5Element>(_ name: String, of object: String, as type: Element.Type) throws -> [Element]? {
        try withAttribute(name, of: object) { try $0.read(rows: nil) }
    }

    /// The texts of an attribute (one for a scalar), or nil when the object has no such attribute.
    public func attributeStrings(_ name: String, of object: String) throws -> [String]? {
        try withAttribute(name, of: object) { try $0.strings() }
    }

    private func withAttribute<Result>(_ name: String, of object: String, _ body: (StoredArray) throws -> Result) throws -> Result? {
        try Library.locked {
            try requireReadable()
            // A file's attributes are those of its root, which need not be opened for each.
            let opened = object == "/" ? handle : try openObject(object)
            let place = place.at("\(object)@\(name)")
            var found = H5Aopen(opened.id, name, defaultID)
            if found < 0 {
                if place.isRefusedBySystem { throw place.failure("read") }
                let exists = H5Aexists(opened.id, name)
                guard exists >= 0 else { throw place.failure("read") }
                guard exists > 0 else { return nil }
                found = H5Aopen(opened.id, name, defaultID)
            }
            let attribute = try Handle(found, H5Aclose, place, "read")
            return try body(StoredArray(handle: attribute, place: place, isDataset: false, verifiesChecksums: true))
        }
    }
}
