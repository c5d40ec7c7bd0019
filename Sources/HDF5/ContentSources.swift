import CHDF5
import Configuration
import Foundation

/// Where a dataset's content comes from: itself, files of raw numbers beside it, or the datasets of which a virtual one is put together.
struct ContentSources {
    let walk: LinkWalk
    private var place: Place { walk.place }

    /// More virtual datasets than this one behind the other are refused.
    private static let largestDepth = 16

    /// Checks that nothing in an open dataset would be read from a place where it must not, or silently as a fill value.
    ///
    /// - Parameter object: as it was found.
    /// - Returns: whether there are sources outside the dataset.
    func check(_ dataset: Handle, _ object: LinkedObject) throws -> Bool { try check(dataset, object, below: []) }

    private func check(_ dataset: Handle, _ object: LinkedObject, below: [String]) throws -> Bool {
        let properties = try Handle(H5Dget_create_plist(dataset.id), H5Pclose, place, "read")
        if H5Pget_layout(properties.id) == H5D_VIRTUAL {
            try checkVirtual(dataset, properties, object, below: below)
            return true
        }
        let count = H5Pget_external_count(properties.id)
        guard count > 0 else { return false }
        guard below.isEmpty else { throw place.error(.data, "takes its content from \(object.filePath): \(object.path), which has external storage itself") }
        try checkExternal(dataset, properties, object, count: Int(count))
        return true
    }

    /// The library reads what a file of raw numbers lacks as 0.
    private func checkExternal(_ dataset: Handle, _ properties: Handle, _ object: LinkedObject, count: Int) throws {
        let array = StoredArray(handle: dataset, place: place, isDataset: true, verifiesChecksums: true)
        var missing = try array.byteCount()
        for index in 0..<count {
            var name = [CChar](repeating: 0, count: 4096), offset = off_t(0), size = hsize_t(0)
            guard H5Pget_external(properties.id, UInt32(index), name.count, &name, &offset, &size) >= 0 else { throw place.failure("read") }
            let path = try walk.sources.path(of: string(name), namedIn: object.filePath, by: place)
            var status = stat()
            let stored = stat(path, &status) == 0 ? Int(status.st_size) : 0
            let needed = min(missing, Int(clamping: size))
            guard stored - Int(offset) >= needed else {
                throw place.error(.data, "takes its content from \(path), which has \(stored) bytes, expected at least \(Int(offset) + needed)")
            }
            missing -= needed
        }
        guard missing == 0 else { throw place.error(.data, "lacks \(missing) bytes in its external storage") }
    }

    // MARK: Virtual datasets

    private func checkVirtual(_ dataset: Handle, _ properties: Handle, _ object: LinkedObject, below: [String]) throws {
        let name = "\(object.filePath): \(object.path)"
        guard !below.contains(name) else { throw place.error(.data, "takes its content from \(name), and that from itself") }
        guard below.count < Self.largestDepth else { throw place.error(.data, "is a virtual dataset of too many others one behind the other") }
        let space = try Handle(H5Dget_space(dataset.id), H5Sclose, place, "read")
        let covered = try Handle(H5Scopy(space.id), H5Sclose, place, "read")
        guard H5Sselect_none(covered.id) >= 0 else { throw place.failure("read") }
        var count = 0
        guard H5Pget_virtual_count(properties.id, &count) >= 0 else { throw place.failure("read") }
        for index in 0..<count {
            let part = try Handle(H5Pget_virtual_vspace(properties.id, index), H5Sclose, place, "read")
            let partInSource = try Handle(H5Pget_virtual_srcspace(properties.id, index), H5Sclose, place, "read")
            let source = try source(index, of: properties, object)
            try checkSource(source, holds: partInSource, count: H5Sget_select_npoints(part.id), below: below + [name])
            try add(part, to: covered)
        }
        guard H5Sget_select_npoints(covered.id) == H5Sget_simple_extent_npoints(space.id) else {
            throw place.error(.data, "is a virtual dataset of which some parts have no source")
        }
    }

    private func source(_ index: Int, of properties: Handle, _ object: LinkedObject) throws -> LinkedObject {
        var fileName = [CChar](repeating: 0, count: 4096), datasetName = fileName
        guard H5Pget_virtual_filename(properties.id, index, &fileName, fileName.count) >= 0,
            H5Pget_virtual_dsetname(properties.id, index, &datasetName, datasetName.count) >= 0
        else { throw place.failure("read") }
        let name = string(fileName), target = string(datasetName)
        var (file, path) = (object.file, object.filePath)
        if name != "." {
            path = try walk.sources.path(of: name, namedIn: object.filePath, by: place)
            file = try walk.sources.open(path, for: place)
        }
        guard let source = try walk.follow(target, in: file, at: path) else {
            throw place.error(.noInput, "takes its content from \(path): \(target), which is not there")
        }
        return source
    }

    /// - Parameters:
    ///   - part: what is taken of the source.
    ///   - count: of the elements that it fills.
    private func checkSource(_ source: LinkedObject, holds part: Handle, count: Int64, below: [String]) throws {
        let name = "\(source.filePath): \(source.path)"
        let opened = try Handle(H5Oopen(source.file.id, source.path, defaultID), H5Oclose, place, "opened")
        guard H5Iget_type(opened.id) == H5I_DATASET else { throw place.error(.data, "takes its content from \(name), which is not a dataset") }
        _ = try check(opened, source, below: below)
        let shape = try StoredArray(handle: opened, place: place, isDataset: true, verifiesChecksums: true).shape()
        let isEnough: Bool
        if H5Sget_select_type(part.id) == H5S_SEL_ALL {
            // The file does not say how large the source was then.
            isEnough = shape.reduce(1.0) { $0 * Double($1) } == Double(count)
        } else {
            let rank = Int(H5Sget_simple_extent_ndims(part.id))
            var start = [hsize_t](repeating: 0, count: max(rank, 1)), end = start
            isEnough = rank == shape.count && H5Sget_select_bounds(part.id, &start, &end) >= 0 && zip(shape, end).allSatisfy { hsize_t($0) > $1 }
        }
        guard isEnough else { throw place.error(.data, "takes its content from \(name), which has the shape \(shape) and not all that is taken") }
    }

    /// Adds a selection to one in a space of the same extent.
    private func add(_ part: Handle, to covered: Handle) throws {
        let rank = Int(H5Sget_simple_extent_ndims(covered.id))
        switch H5Sget_select_type(part.id) {
        case H5S_SEL_ALL:
            guard H5Sselect_all(covered.id) >= 0 else { throw place.failure("read") }
        case H5S_SEL_HYPERSLABS:
            let count = H5Sget_select_hyper_nblocks(part.id)
            guard count > 0 else { throw place.error(.data, "is a virtual dataset without a fixed size; copy its content into a plain one") }
            var corners = [hsize_t](repeating: 0, count: 2 * rank * Int(count))
            guard H5Sget_select_hyper_blocklist(part.id, 0, hsize_t(count), &corners) >= 0 else { throw place.failure("read") }
            let ones = [hsize_t](repeating: 1, count: rank)
            for block in 0..<Int(count) {
                let start = Array(corners[2 * rank * block..<2 * rank * block + rank])
                let size = zip(start, corners[(2 * rank * block + rank)...]).map { $1 - $0 + 1 }
                guard H5Sselect_hyperslab(covered.id, H5S_SELECT_OR, start, nil, ones, size) >= 0 else { throw place.failure("read") }
            }
        default:
            throw place.error(.data, "is a virtual dataset of single points; copy its content into a plain one")
        }
    }

    private func string(_ name: [CChar]) -> String {
        String(decoding: name.prefix { $0 != 0 }.map(UInt8.init(bitPattern:)), as: UTF8.self)
    }
}
