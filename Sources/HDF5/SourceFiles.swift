import CHDF5
import Configuration
import Foundation

/// The files beside a data file from which it takes content, by links, virtual data sets or external storage.
///
/// A file that came from somewhere else can name any file of this machine, and the library reads a source that is missing as fill values. So a
/// source has to be there and to lie below the data file's own folder, symbolic links resolved.
///
/// Unchecked: it changes only inside `Library.locked`.
final class SourceFiles: @unchecked Sendable {
    /// The data file's path without symbolic links.
    let dataFile: String
    private let folder: String
    private let isAlone: Bool
    private var opened: [String: Handle] = [:]

    /// - Parameter isAlone: whether the file has to hold all its content itself.
    init(of path: String, isAlone: Bool = false) {
        self.isAlone = isAlone
        dataFile = Self.realPath(path) ?? path
        folder = dataFile.parentPath
    }

    /// The path, without symbolic links, of the file that `file` calls `name`.
    ///
    /// - Throws: an error of `place` when it is not there, lies elsewhere, or is no file.
    func path(of name: String, namedIn file: String, by place: Place) throws -> String {
        if isAlone { throw place.error(.data, "takes its content from another file, \(name); expected a file that holds all its content itself") }
        let path = name.hasPrefix("/") ? name : "\(file.parentPath)/\(name)"
        guard let real = Self.realPath(path) else { throw place.error(.noInput, "takes its content from \(path), which is not there") }
        guard real.hasPrefix(folder == "/" ? folder : folder + "/") else {
            throw place.error(.data, "takes its content from \(real), which lies outside the folder of this file; expected a source below it")
        }
        var status = stat()
        guard stat(real, &status) == 0, status.st_mode & S_IFMT == S_IFREG else {
            throw place.error(.data, "takes its content from \(real), which is not a regular file")
        }
        return real
    }

    /// Opens the HDF5 file at `path`, which stays open as long as this object lives.
    func open(_ path: String, for place: Place) throws -> Handle {
        if let file = opened[path] { return file }
        let source = Place(file: path, object: nil, health: nil)
        guard path != dataFile else { throw place.error(.data, "takes its content from \(path), which is this file; expected the name '.' for it") }
        // As the library itself opens sources: it takes a file that it cannot open, as one that is open already in another way, for one that is missing.
        let access = try Handle(H5Pcreate(chdf5_file_access()), H5Pclose, place, "opened")
        H5Pset_fclose_degree(access.id, H5F_CLOSE_WEAK)
        let file = try Handle.ofFile(source, "opened") { H5Fopen(path, chdf5_read_only(), access.id) }
        opened[path] = file
        return file
    }

    private static func realPath(_ path: String) -> String? {
        guard let resolved = realpath(path, nil) else { return nil }
        defer { free(resolved) }
        return String(cString: resolved)
    }
}

/// An object with the file that holds it, which is another one behind an external link.
struct LinkedObject {
    let file: Handle
    /// Without symbolic links.
    let filePath: String
    /// From the root, by hard links alone.
    let path: String
}

/// Follows paths inside files, link by link.
struct LinkWalk {
    let sources: SourceFiles
    /// The path of the object that a user asked for, for errors.
    let place: Place

    /// More than this many on one path refer to each other.
    private static let largestLinkCount = 32

    /// - Returns: nil when there is no such object.
    /// - Throws: when a link leads to a file that may not be read.
    func follow(_ object: String, in file: Handle, at filePath: String) throws -> LinkedObject? {
        var file = file, filePath = filePath, group = "", linkCount = 0
        var rest = Self.components(object)[...]
        while let name = rest.popFirst() {
            let link = "\(group)/\(name)"
            var size = 0
            let type = chdf5_link_type(file.id, link, &size)
            if type == H5L_TYPE_ERROR.rawValue {
                // A disk that cannot be read says nothing of what is on it.
                if place.isRefusedBySystem { throw place.failure("read") }
                return nil
            }
            if type == H5L_TYPE_HARD.rawValue {
                group = link
                continue
            }
            linkCount += 1
            guard linkCount <= Self.largestLinkCount else { throw place.error(.data, "is a link that leads to itself") }
            var value = [CChar](repeating: 0, count: size + 1)
            guard H5Lget_val(file.id, link, &value, size, defaultID) >= 0 else { throw place.failure("read") }
            switch type {
            case Int32(H5L_TYPE_SOFT.rawValue):
                let target = Self.text(value)
                if target.hasPrefix("/") { group = "" }
                rest = (Self.components(target) + rest)[...]
            case Int32(H5L_TYPE_EXTERNAL.rawValue):
                var fileName: UnsafePointer<CChar>?, objectName: UnsafePointer<CChar>?
                let (name, target) = try value.withUnsafeBufferPointer { value in
                    // The two point into `value`.
                    guard H5Lunpack_elink_val(value.baseAddress, size, nil, &fileName, &objectName) >= 0, let fileName, let objectName else {
                        throw place.failure("read")
                    }
                    return (String(cString: fileName), String(cString: objectName))
                }
                filePath = try sources.path(of: name, namedIn: filePath, by: place)
                file = try sources.open(filePath, for: place)
                group = ""
                rest = (Self.components(target) + rest)[...]
            default:
                throw place.error(.data, "is a link of a kind that only another program knows")
            }
        }
        return LinkedObject(file: file, filePath: filePath, path: group.isEmpty ? "/" : group)
    }

    private static func components(_ path: String) -> [Substring] { path.split(separator: "/").filter { $0 != "." } }

    private static func text(_ value: [CChar]) -> String {
        String(decoding: value.prefix { $0 != 0 }.map(UInt8.init(bitPattern:)), as: UTF8.self)
    }
}
