import CHDF5
import Configuration
import Foundation

/// A file that one process appends to while others may read it (HDF5's single-writer, multiple-reader mode).
///
/// Nothing can be created in it any more: only the columns grow and the choices change. What was flushed survives a kill of this process.
public final class LiveHDF5File: Sendable {
    private let handle: Handle
    private let place: Place

    init(handle: Handle, place: Place) {
        self.handle = handle
        self.place = place
    }

    /// Hands everything appended so far to the operating system, where readers see it and a kill cannot take it back.
    ///
    /// Flush the columns first.
    ///
    /// - Parameter toDisk: also wait until it is on the disk.
    public func flush(toDisk: Bool) throws {
        try place.locked {
            guard H5Fflush(handle.id, H5F_SCOPE_LOCAL) >= 0 else { throw place.failure("written") }
            guard toDisk else { return }
            var descriptor: UnsafeMutableRawPointer?
            guard H5Fget_vfd_handle(handle.id, defaultID, &descriptor) >= 0, let descriptor else { throw place.failure("written") }
            let status = uninterrupted { fsync(descriptor.assumingMemoryBound(to: Int32.self).pointee) }
            guard status == 0 else { throw place.spoiled(place.systemFailure(errno, "written to disk")) }
        }
    }

    /// Closes the file, after its columns and choices.
    public func close() throws {
        try handle.close()
    }
}

/// A dataset that grows by rows.
///
/// Sendable because its count changes only inside `Library.locked`.
public final class HDF5Column<Element: HDF5Element>: @unchecked Sendable {
    /// The dimensions after the first.
    public let rowShape: [Int]
    private var count = 0
    private let handle: Handle
    private let place: Place

    init(handle: Handle, place: Place, rowShape: [Int]) {
        self.handle = handle
        self.place = place
        self.rowShape = rowShape
    }

    /// Appends whole rows, in row-major order.
    public func append(_ values: [Element]) throws {
        let rowSize = rowShape.reduce(1, *)
        precondition(values.count % rowSize == 0, "\(place.description): \(values.count) values are not whole rows of shape \(rowShape)")
        let rows = values.count / rowSize
        if rows == 0 { return }
        try place.locked {
            let row = rowShape.map { hsize_t($0) }
            let start = [hsize_t(count)] + row.map { _ in 0 }
            let added = [hsize_t(rows)] + row
            guard H5Dset_extent(handle.id, [hsize_t(count + rows)] + row) >= 0 else { throw place.failure("extended") }
            let fileSpace = try Handle(H5Dget_space(handle.id), H5Sclose, place, "extended")
            guard H5Sselect_hyperslab(fileSpace.id, H5S_SELECT_SET, start, nil, added, nil) >= 0 else { throw place.failure("extended") }
            let memorySpace = try Handle(H5Screate_simple(Int32(added.count), added, nil), H5Sclose, place, "extended")
            guard H5Dwrite(handle.id, Element.memoryType, memorySpace.id, fileSpace.id, defaultID, values) >= 0 else {
                throw place.failure("written")
            }
            count += rows
        }
    }

    /// Hands the rows appended so far to the operating system, and only when that has them the new count of rows.
    ///
    /// `LiveHDF5File.flush` alone goes on to the counts when a full disk has refused the rows, which then read as zeros.
    public func flush() throws {
        try place.locked {
            guard H5Dflush(handle.id) >= 0 else { throw place.failure("written") }
        }
    }

    /// Writes what is still in memory and closes the column, which cannot be used afterwards.
    public func close() throws { try handle.close() }
}

/// A single value of an enumeration, which can be overwritten.
public final class HDF5Choice: Sendable {
    private let handle: Handle
    private let type: Handle
    private let place: Place

    init(handle: Handle, type: Handle, place: Place) {
        self.handle = handle
        self.type = type
        self.place = place
    }

    /// Writes the byte.
    ///
    /// - Throws: `UserError(.inputOutput)` when the file cannot be written.
    public func set(_ value: UInt8) throws {
        try place.locked {
            guard H5Dwrite(handle.id, type.id, defaultID, defaultID, defaultID, [value]) >= 0 else { throw place.failure("written") }
        }
    }

    /// Writes what is still in memory and closes the value, which cannot be changed afterwards.
    public func close() throws { try handle.close() }
}
