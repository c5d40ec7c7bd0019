import CHDF5
import Configuration
import Foundation

/// An HDF5 file that is open for reading.
///
///     let file = try HDF5Reader("data.h5")
///     let shape = try file.shape(of: "/train/images")               // [60000, 1, 28, 28]
///     let pixels = try file.read("/train/images", rows: 0..<100, as: Float.self)
///
/// Paths inside the file are absolute; `/` is the root group. Every failure is a `UserError` that names file, object and reason:
/// `.noInput` for a file that is not there, `.data` for what is damaged, missing inside or of the wrong type, `.io` for what the system refuses.
public final class HDF5Reader: Sendable {
    /// The file's path as it was given.
    public let path: String
    /// Whether the file is marked as being written, by a process that lives or one that was killed.
    public let isBeingWritten: Bool
    let handle: Handle
    let place: Place
    private let verifiesChecksums: Bool
    private let isKnownWhole: Bool
    private let sources: SourceFiles
    /// What was opened last, of a file that is known to be whole: much of what is asked for lies in one object. Changes inside `Library.locked`.
    private nonisolated(unsafe) var last: (path: String, handle: Handle)?
    /// What the system did not let read when it was only asked whether it is there. The library may miss it from then on, so nothing more is read.
    private nonisolated(unsafe) var refusal: UserError?

    /// What a path in a file leads to.
    public enum ObjectKind: Sendable { case group, dataset, other }

    /// Opens `path`.
    ///
    /// - Parameters:
    ///   - live: also open a file that is marked as being written, at its last flush (HDF5's single-writer, multiple-reader mode).
    ///   - verifyingChecksums: whether a dataset whose checksum is wrong is an error. A writer that was killed while it extended a
    ///     chunk leaves the rows before intact and the chunk's checksum stale; whoever reads such a file may want the rows.
    ///   - isAlone: whether the file has to hold all its content itself, so that a digest of it is one of all that is read.
    ///   - isKnownWhole: whether the caller has seen by a digest that the file is as this program wrote it. Then neither checksums nor links and
    ///     sources outside are looked at.
    public init(_ path: String, live: Bool = false, verifyingChecksums: Bool = true, isKnownWhole: Bool = false, isAlone: Bool = false) throws {
        let place = Place(file: path, object: nil, health: nil)
        try Self.checkIsFile(path, place)
        (handle, isBeingWritten) = try Library.locked {
            func open(_ flags: UInt32, _ access: hid_t) throws -> Handle { try Handle.ofFile(place, "opened") { H5Fopen(path, flags, access) } }
            let opened: Handle
            do {
                opened = try open(chdf5_read_only(), isKnownWhole ? Library.smallReadAccess : Library.readAccess)
            } catch {
                guard live else { throw error }
                let access = try fileAccess(place)
                // Metadata that a writer is just changing are read again, each time after twice the wait. The library's own 100
                // attempts would last for ages where they are damaged for good; these are over after a tenth of a second.
                H5Pset_metadata_read_attempts(access.id, 26)
                guard let followed = try? open(chdf5_read_live(), access.id) else { throw error }
                opened = followed
            }
            // This process may have the file open already, be it for writing; then the library shares that one.
            var intent: UInt32 = 0
            guard H5Fget_intent(opened.id, &intent) >= 0 else { throw place.failure("opened") }
            let isBeingWritten = intent != chdf5_read_only()
            if isBeingWritten, !live { throw place.beingWritten }
            return (opened, isBeingWritten)
        }
        self.path = path
        self.place = place
        self.verifiesChecksums = verifyingChecksums && !isKnownWhole
        self.isKnownWhole = isKnownWhole
        sources = SourceFiles(of: path, isAlone: isAlone)
    }

    // Before the file: closing that closes all that is open in it.
    deinit { last = nil }

    /// Whether an object is there. A path through something that is not a group is not there; a link that may not be followed is, and whoever
    /// opens it hears why.
    public func exists(_ object: String) -> Bool {
        Library.locked {
            do {
                // Who asks mostly reads it next.
                if isKnownWhole { return try openWhole(object) != nil || exists(plain: object) }
                return try find(object) != nil
            } catch {
                if let error = error as? UserError, error.kind == .io { refusal = error }
                return true
            }
        }
    }

    /// Makes many calls, of one file or several, as one, which other threads wait for: cheaper than to take turns after each of them.
    public static func together<Result>(_ calls: () throws -> Result) rethrows -> Result { try Library.locked(calls) }

    /// What lies at a path of the file.
    ///
    /// - Throws: `UserError(.data)` where there is nothing, or what there is cannot be read.
    public func kind(of object: String) throws -> ObjectKind {
        try Library.locked {
            let opened = try openObject(object)
            return switch H5Iget_type(opened.id) {
            case H5I_GROUP: .group
            case H5I_DATASET: .dataset
            default: .other
            }
        }
    }

    /// The names in a group: in order of creation where the file keeps that order, otherwise by name with numbers in numeric order.
    public func children(of group: String) throws -> [String] {
        try Library.locked {
            let place = place.at(group), opened = try openObject(group)
            guard H5Iget_type(opened.id) == H5I_GROUP else { throw place.error(.data, "is a dataset, expected a group") }
            // This program's groups keep the order in which their objects were made.
            if isKnownWhole, let names = try? walk(opened, H5_INDEX_CRT_ORDER, place) { return names }
            let properties = try Handle(H5Gget_create_plist(opened.id), H5Pclose, place, "read")
            var order: UInt32 = 0
            H5Pget_link_creation_order(properties.id, &order)
            let isTracked = order & UInt32(H5P_CRT_ORDER_TRACKED) != 0
            let index = isTracked ? H5_INDEX_CRT_ORDER : H5_INDEX_NAME
            let names = try isKnownWhole ? walk(opened, index, place) : (0..<linkCount(opened, place)).map { try name(at: $0, in: opened, index, place) }
            return isTracked ? names : names.sorted { $0.compare($1, options: .numeric) == .orderedAscending }
        }
    }

    /// All names in one walk: for each name that it is asked for by its place the library sorts all of them anew. In a damaged file the walk lets
    /// version 1.10 free what it never had.
    private func walk(_ group: Handle, _ index: H5_index_t, _ place: Place) throws -> [String] {
        let list = NameList()
        let status = withExtendedLifetime(list) {
            H5Literate(group.id, index, H5_ITER_INC, nil, { _, name, _, list in
                Unmanaged<NameList>.fromOpaque(list!).takeUnretainedValue().names.append(String(cString: name!))
                return 0
            }, Unmanaged.passUnretained(list).toOpaque())
        }
        guard status >= 0 else { throw place.failure("read") }
        return list.names
    }

    private func linkCount(_ group: Handle, _ place: Place) throws -> hsize_t {
        var information = H5G_info_t()
        guard H5Gget_info(group.id, &information) >= 0 else { throw place.failure("read") }
        return information.nlinks
    }

    private func name(at position: hsize_t, in group: Handle, _ index: H5_index_t, _ place: Place) throws -> String {
        let length = H5Lget_name_by_idx(group.id, ".", index, H5_ITER_INC, position, nil, 0, defaultID)
        guard length >= 0 else { throw place.failure("read") }
        var name = [CChar](repeating: 0, count: length + 1)
        H5Lget_name_by_idx(group.id, ".", index, H5_ITER_INC, position, &name, name.count, defaultID)
        return String(decoding: name.dropLast().map(UInt8.init(bitPattern:)), as: UTF8.self)
    }

    /// A dataset's dimensions; empty for a single value.
    public func shape(of dataset: String) throws -> [Int] {
        try Library.locked { try openDataset(dataset).shape() }
    }

    /// Whether a dataset's first dimension can grow.
    public func isExtendible(_ dataset: String) throws -> Bool {
        try Library.locked { try openDataset(dataset).isExtendible() }
    }

    /// The type of a dataset's elements.
    ///
    /// - Throws: `UserError(.data)` for a dataset that is not there or of a type that is not read here.
    public func elementType(of dataset: String) throws -> ElementType {
        try Library.locked { try openDataset(dataset).elementType() }
    }

    /// Whether all of a dataset was written at some time, and not only declared: what never was reads as the fill value, mostly 0.
    public func isWritten(_ dataset: String) throws -> Bool {
        try Library.locked { try openDataset(dataset).isWritten() }
    }

    /// A whole dataset in row-major order, converted to `type` as HDF5 converts: out-of-range values are clamped, fractions cut off.
    public func read<Element: HDF5Element>(_ dataset: String, as type: Element.Type) throws -> [Element] {
        try Library.locked { try openDataset(dataset).read(rows: nil) }
    }

    /// The given rows (indices of the first dimension) of a dataset, in row-major order.
    public func read<Element: HDF5Element>(_ dataset: String, rows: Range<Int>, as type: Element.Type) throws -> [Element] {
        try Library.locked { try openDataset(dataset).read(rows: rows) }
    }

    /// The numbers of a one-dimensional dataset from a row on; none when it has fewer.
    public func readColumn<Element: HDF5Element>(_ dataset: String, from first: Int, as type: Element.Type) throws -> [Element] {
        try Library.locked {
            let column = try openDataset(dataset), shape = try column.shape()
            guard shape.count == 1 else { throw place.at(dataset).error(.data, "has \(shape.count) dimensions, expected 1") }
            return try column.read(rows: min(first, shape[0])..<shape[0])
        }
    }

    /// The text of a dataset that holds one string.
    public func readString(_ dataset: String) throws -> String {
        try Library.locked {
            let opened = try openDataset(dataset)
            guard let text = try opened.strings().first else { throw place.at(dataset).error(.data, "is empty, expected a text") }
            return text
        }
    }

    /// The texts of a dataset, in row-major order.
    public func readStrings(_ dataset: String) throws -> [String] {
        try Library.locked { try openDataset(dataset).strings() }
    }

    // MARK: Opening

    private func find(_ object: String) throws -> LinkedObject? {
        if let found = try look(for: object) { return found }
        // The library takes some reads that failed for absence. What is there at a second look was not read at the first.
        guard try look(for: object) != nil else { return nil }
        throw place.at(object).error(.io, "cannot be read: \(String(cString: strerror(EIO)))")
    }

    private func look(for object: String) throws -> LinkedObject? {
        if isKnownWhole { return try exists(plain: object) ? LinkedObject(file: handle, filePath: path, path: object) : nil }
        return try LinkWalk(sources: sources, place: place.at(object)).follow(object, in: handle, at: sources.dataFile)
    }

    /// Whether an object of a file without links other than hard ones is there.
    private func exists(plain object: String) throws -> Bool {
        var prefix = ""
        for component in object.split(separator: "/") {
            prefix += "/" + component
            let found = H5Lexists(handle.id, prefix, defaultID)
            guard found >= 0 else { throw place.at(object).failure("read") }
            if found == 0 { return false }
        }
        return true
    }

    private func found(_ object: String) throws -> LinkedObject {
        guard let found = try find(object) else { throw place.error(.data, "there is no \(object) in this file") }
        return found
    }

    /// Opens what was found; in a file that is known to be whole without a look for it first.
    private func open(_ object: String) throws -> (LinkedObject, Handle) {
        try requireReadable()
        if isKnownWhole, let opened = try openWhole(object) { return (LinkedObject(file: handle, filePath: path, path: object), opened) }
        let found = try found(object)
        return (found, try Handle(H5Oopen(found.file.id, found.path, defaultID), H5Oclose, place.at(object), "opened"))
    }

    /// What is there in a file that is known to be whole, opened once for all that is asked of it in a row.
    private func openWhole(_ object: String) throws -> Handle? {
        if let last, last.path == object { return last.handle }
        let id = H5Oopen(handle.id, object, defaultID)
        if id < 0 {
            if place.isRefusedBySystem { throw place.at(object).failure("opened") }
            return nil
        }
        let opened = try Handle(id, H5Oclose, place, "opened")
        last = (object, opened)
        return opened
    }

    func openObject(_ object: String) throws -> Handle { try open(object).1 }

    /// - Throws: what the system refused before.
    func requireReadable() throws {
        if let refusal { throw refusal }
    }

    func openDataset(_ object: String) throws -> StoredArray {
        let place = place.at(object)
        var (found, opened) = try open(object)
        guard H5Iget_type(opened.id) == H5I_DATASET else { throw place.error(.data, "is a group, expected a dataset") }
        // In a file that is known to be whole nothing lies elsewhere.
        if !isKnownWhole, try ContentSources(walk: LinkWalk(sources: sources, place: place)).check(opened, found) {
            // The library would look for its sources in other places too.
            let access = try Handle(H5Pcreate(chdf5_dataset_access()), H5Pclose, place, "opened")
            let folder = found.filePath.parentPath
            guard H5Pset_efile_prefix(access.id, folder) >= 0, H5Pset_virtual_prefix(access.id, folder) >= 0 else { throw place.failure("opened") }
            // A second way to it must agree with the first as long as that is open.
            try opened.close()
            opened = try Handle(H5Dopen2(found.file.id, found.path, access.id), H5Dclose, place, "opened")
        }
        return StoredArray(handle: opened, place: place, isDataset: true, verifiesChecksums: verifiesChecksums)
    }

    private static func checkIsFile(_ path: String, _ place: Place) throws {
        var status = stat()
        guard stat(path, &status) == 0 else { throw place.systemFailure(errno, "opened") }
        if status.st_mode & S_IFMT == S_IFDIR { throw place.systemFailure(EISDIR, "opened") }
        // Opening a pipe would wait for its other end.
        guard status.st_mode & S_IFMT == S_IFREG else { throw place.error(.data, "is not a regular file, expected an HDF5 file") }
        if status.st_size == 0 { throw place.error(.data, "is empty, expected an HDF5 file") }
    }
}

/// Names that the library hands out one by one.
private final class NameList {
    var names: [String] = []
}
