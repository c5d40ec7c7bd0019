import CHDF5
import Configuration

/// A new HDF5 file in its making: groups, datasets and attributes can be created.
///
///     let file = try HDF5Writer("out.h5")
///     try file.write(logits, to: "/logits", shape: [count, classes])
///     try file.setAttribute("units", of: "/logits", to: "1")
///     try file.close()
///
/// The bytes of the finished file depend only on what was written and in which order: object times are off and the format is pinned to
/// that of HDF5 1.10. Failures are `UserError`s; a file that was not closed without one is not to be trusted (`FileReplacement` sees to it).
public struct HDF5Writer: ~Copyable {
    let handle: Handle
    let place: Place

    /// Creates the file `path`, replacing one that is there.
    ///
    /// - Parameters:
    ///   - target: the path that errors name, when `path` is a temporary one that is to be renamed.
    ///   - userBlockByteCount: bytes at the beginning of the file that HDF5 leaves to others: 0, 512 or a power of 2 above.
    public init(_ path: String, for target: String? = nil, userBlockByteCount: Int = 0) throws {
        let place = Place(file: target ?? path, object: nil, health: WriteHealth())
        handle = try place.locked {
            let access = try fileAccess(place)
            // The usual driver asks the system for the real path of such a link, which leads to no name.
            if path.hasPrefix(memoryFilePrefix) { H5Pset_fapl_stdio(access.id) }
            H5Pset_libver_bounds(access.id, H5F_LIBVER_V110, H5F_LIBVER_V110)
            let creation = try Handle(H5Pcreate(chdf5_file_create()), H5Pclose, place, "created")
            H5Pset_obj_track_times(creation.id, false)
            H5Pset_link_creation_order(creation.id, trackedOrder)
            // The root's attributes in its header, near the beginning of the file; more than 8 would else lie in a heap at its end, which
            // a file that is cut short does not have.
            H5Pset_attr_phase_change(creation.id, 64, 32)
            H5Pset_userblock(creation.id, hsize_t(userBlockByteCount))
            return try Handle.ofFile(place, "created") { H5Fcreate(path, chdf5_truncate(), creation.id, access.id) }
        }
        self.place = place
    }

    // MARK: Groups and datasets

    /// Creates a group and those above it, as far as they are missing.
    public func makeGroup(_ group: String) throws {
        try place.locked {
            var prefix = ""
            for component in group.split(separator: "/") {
                prefix += "/" + component
                if H5Lexists(handle.id, prefix, defaultID) > 0 { continue }
                let place = place.at(prefix)
                let creation = try Handle(H5Pcreate(chdf5_group_create()), H5Pclose, place, "created")
                H5Pset_obj_track_times(creation.id, false)
                H5Pset_link_creation_order(creation.id, trackedOrder)
                let made = H5Gcreate2(handle.id, prefix, defaultID, creation.id, defaultID)
                try Handle(made, H5Gclose, place, "created").close()
            }
        }
    }

    /// Writes a dataset; groups above it are created as needed.
    ///
    /// - Parameters:
    ///   - shape: its dimensions, whose product is the count of `values`; nil for one dimension, `[]` for a single value.
    ///   - rowsPerChunk: store it in chunks of this many rows with checksums, so that reading detects damage; nil for one plain block.
    public func write<Element: HDF5Element>(
        _ values: [Element], to dataset: String, shape: [Int]? = nil, rowsPerChunk: Int? = nil
    ) throws {
        let shape = shape ?? [values.count]
        precondition(shape.reduce(1, *) == values.count, "\(dataset): \(values.count) values do not fill the shape \(shape)")
        try place.locked {
            let creation = try datasetCreation(of: dataset)
            if let rowsPerChunk, !values.isEmpty, !shape.isEmpty {
                try setChunks([min(rowsPerChunk, shape[0])] + shape.dropFirst(), creation, place.at(dataset))
            }
            let space = try makeSpace(shape, limit: nil, place.at(dataset))
            let made = try makeDataset(dataset, type: Element.memoryType, space: space, creation: creation)
            if !values.isEmpty, H5Dwrite(made.id, Element.memoryType, defaultID, defaultID, defaultID, values) < 0 {
                throw place.at(dataset).failure("written")
            }
            // Only here do the chunks in the library's cache reach the file.
            try made.close()
        }
    }

    /// Writes numbers that lie elsewhere as one plain block, without a copy; groups above the dataset are created as needed.
    ///
    /// - Parameter values: has to stay valid during the call.
    /// - Returns: where in the file they begin, in bytes; nil when there are none.
    public func write<Element: HDF5Element>(
        block values: UnsafeBufferPointer<Element>, to dataset: String, shape: [Int]
    ) throws -> Int? {
        precondition(shape.reduce(1, *) == values.count, "\(dataset): \(values.count) values do not fill the shape \(shape)")
        return try place.locked {
            let place = place.at(dataset)
            let made = try makeDataset(
                dataset, type: Element.memoryType, space: makeSpace(shape, limit: nil, place), creation: datasetCreation(of: dataset))
            guard !values.isEmpty else {
                try made.close()
                return nil
            }
            guard H5Dwrite(made.id, Element.memoryType, defaultID, defaultID, defaultID, values.baseAddress) >= 0 else {
                throw place.failure("written")
            }
            let offset = H5Dget_offset(made.id)
            guard offset != chdf5_undefined_address() else { throw place.failure("written") }
            try made.close()
            return Int(offset)
        }
    }

    /// Writes a single number.
    public func write<Element: HDF5Element>(_ value: Element, to dataset: String) throws {
        try write([value], to: dataset, shape: [])
    }

    /// Writes a single text, UTF-8 of fixed length.
    public func write(_ text: String, to dataset: String) throws {
        try place.locked {
            let place = place.at(dataset)
            let bytes = Array(text.utf8) + (text.isEmpty ? [0] : [])
            let type = try stringType(length: bytes.count, place)
            let space = try makeSpace([], limit: nil, place)
            let made = try makeDataset(dataset, type: type.id, space: space, creation: datasetCreation(of: dataset))
            guard H5Dwrite(made.id, type.id, defaultID, defaultID, defaultID, bytes) >= 0 else { throw place.failure("written") }
            try made.close()
        }
    }

    /// Writes a list of texts, UTF-8 of one fixed length, filled up with zeros.
    public func write(_ texts: [String], to dataset: String) throws {
        try place.locked {
            let place = place.at(dataset)
            let length = max(texts.map(\.utf8.count).max() ?? 1, 1)
            let bytes = texts.flatMap { text in Array(text.utf8) + [UInt8](repeating: 0, count: length - text.utf8.count) }
            let type = try stringType(length: length, place)
            let space = try makeSpace([texts.count], limit: nil, place)
            let made = try makeDataset(dataset, type: type.id, space: space, creation: datasetCreation(of: dataset))
            if !texts.isEmpty, H5Dwrite(made.id, type.id, defaultID, defaultID, defaultID, bytes) < 0 { throw place.failure("written") }
            try made.close()
        }
    }

    /// Creates an empty dataset that grows by rows.
    ///
    /// - Parameter rowShape: the dimensions after the first.
    public func makeColumn<Element: HDF5Element>(
        _ dataset: String, of type: Element.Type, rowShape: [Int] = [], rowsPerChunk: Int
    ) throws -> HDF5Column<Element> {
        try place.locked {
            let place = place.at(dataset)
            let creation = try datasetCreation(of: dataset)
            try setChunks([rowsPerChunk] + rowShape, creation, place)
            let space = try makeSpace([0] + rowShape, limit: [chdf5_unlimited()] + rowShape.map { hsize_t($0) }, place)
            let made = try makeDataset(dataset, type: Element.memoryType, space: space, creation: creation)
            return HDF5Column(handle: made, place: place, rowShape: rowShape)
        }
    }

    /// Creates a single value of an enumeration, stored as one byte under the names of `cases` (value: name).
    public func makeChoice(_ dataset: String, cases: [(name: String, value: UInt8)], initially value: UInt8) throws -> HDF5Choice {
        let choice = try place.locked {
            let place = place.at(dataset)
            let type = try Handle(H5Tenum_create(chdf5_uint8()), H5Tclose, place, "created")
            for (name, value) in cases {
                var value = value
                guard H5Tenum_insert(type.id, name, &value) >= 0 else { throw place.failure("created") }
            }
            let space = try makeSpace([], limit: nil, place)
            let made = try makeDataset(dataset, type: type.id, space: space, creation: datasetCreation(of: dataset))
            return HDF5Choice(handle: made, type: type, place: place)
        }
        try choice.set(value)
        return choice
    }

    // MARK: Ending

    /// Finishes the file. Columns and choices that were made in it are to be closed before, so that what they cannot write is an error.
    public consuming func close() throws {
        try handle.close()
    }

    /// Ends the making: from here on, other processes can read, and only the columns and choices made so far can change.
    public consuming func startAppending() throws -> LiveHDF5File {
        let place = place
        try place.locked {
            guard H5Fstart_swmr_write(handle.id) >= 0 else { throw place.failure("opened to other readers") }
        }
        return LiveHDF5File(handle: handle, place: place)
    }

    // MARK: Pieces

    private func datasetCreation(of dataset: String) throws -> Handle {
        if let end = dataset.lastIndex(of: "/"), end != dataset.startIndex { try makeGroup(String(dataset[..<end])) }
        let place = place.at(dataset)
        let creation = try Handle(H5Pcreate(chdf5_dataset_create()), H5Pclose, place, "created")
        H5Pset_obj_track_times(creation.id, false)
        return creation
    }

    private func makeDataset(_ dataset: String, type: hid_t, space: Handle, creation: Handle) throws -> Handle {
        let made = H5Dcreate2(handle.id, dataset, type, space.id, defaultID, creation.id, defaultID)
        return try Handle(made, H5Dclose, place.at(dataset), "created")
    }
}

/// Links in order of creation, so that parameters list in the order in which a model declares them.
private let trackedOrder = UInt32(H5P_CRT_ORDER_TRACKED | H5P_CRT_ORDER_INDEXED)

/// Chunks with shuffled bytes and a checksum each.
private func setChunks(_ shape: [Int], _ creation: Handle, _ place: Place) throws {
    guard H5Pset_chunk(creation.id, Int32(shape.count), shape.map { hsize_t($0) }) >= 0,
        H5Pset_shuffle(creation.id) >= 0, H5Pset_fletcher32(creation.id) >= 0
    else { throw place.failure("created") }
}

func makeSpace(_ shape: [Int], limit: [hsize_t]?, _ place: Place) throws -> Handle {
    let made =
        shape.isEmpty ? H5Screate(H5S_SCALAR) : H5Screate_simple(Int32(shape.count), shape.map { hsize_t($0) }, limit)
    return try Handle(made, H5Sclose, place, "created")
}

/// UTF-8 of a fixed length in bytes, padded with zeros.
func stringType(length: Int, _ place: Place) throws -> Handle {
    let type = try Handle(H5Tcopy(chdf5_c_string()), H5Tclose, place, "created")
    H5Tset_size(type.id, max(length, 1))
    H5Tset_cset(type.id, H5T_CSET_UTF8)
    H5Tset_strpad(type.id, H5T_STR_NULLPAD)
    return type
}
