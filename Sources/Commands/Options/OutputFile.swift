import ArgumentParser
import Configuration
import Experiments
import Foundation

/// A file that a command makes where its user says.
enum OutputFile {
    /// The path to write to: the same, or where a link at that path leads.
    ///
    /// - Parameters:
    ///   - inputs: files and folders that the command reads.
    ///   - kind: what a file that is there has to be, so that it may be replaced: how it is called, and how it begins.
    ///   - followsLinks: whether a link is followed; else it is an error.
    /// - Throws: `.usage` when that would take away one of the inputs, a file of a run, a file of another kind, or what is no regular file.
    static func path(
        _ path: String, besides inputs: [String] = [], replacing kind: (name: String, start: [UInt8])? = nil, followsLinks: Bool = true
    ) throws -> String {
        var status = stat()
        if !followsLinks, lstat(path, &status) == 0, status.st_mode & S_IFMT == S_IFLNK {
            throw UserError(.usage, "\(path): is a link, which is not followed; expected a new file or one to replace")
        }
        guard stat(path, &status) == 0 else {
            try requireOutsideRuns(path, in: URL(filePath: path).resolvingSymlinksInPath().path.parentPath)
            return path
        }
        if status.st_mode & S_IFMT == S_IFDIR { throw UserError(.usage, "\(path): is a folder, expected a new file or one to replace") }
        guard status.st_mode & S_IFMT == S_IFREG else { throw UserError(.usage, "\(path): is not a regular file, expected a new file or one to replace") }
        for input in inputs {
            var other = stat()
            if stat(input, &other) == 0, other.st_dev == status.st_dev, other.st_ino == status.st_ino {
                throw UserError(.usage, "\(path): is what is read, expected another file to write")
            }
        }
        guard let resolved = realpath(path, nil) else { throw UserError(.io, "\(path): cannot be looked up: \(String(cString: strerror(errno)))") }
        defer { free(resolved) }
        let target = String(cString: resolved)
        try requireOutsideRuns(path, in: target.parentPath)
        if let kind, status.st_size > 0, let file = FileHandle(forReadingAtPath: path) {
            let start = (try? file.read(upToCount: kind.start.count)) ?? Data()
            guard start.elementsEqual(kind.start) else {
                throw UserError(.usage, "\(path): is there already and is no \(kind.name) file, which alone is replaced; expected another name")
            }
        }
        var link = stat()
        return lstat(path, &link) == 0 && link.st_mode & S_IFMT == S_IFLNK ? target : path
    }

    /// Where a picture is written; one that is there has to be of the program's own.
    ///
    /// - Throws: `.usage` as `path` does, and for a link or another's picture.
    static func picture(_ path: String, _ format: PictureFormat, besides inputs: [String] = []) throws -> String {
        let path = try self.path(path, besides: inputs, replacing: format.start, followsLinks: false)
        guard try !format.isOwn(path) else { return path }
        throw UserError(.usage, "\(path): is there already and is no picture of harness, which replaces its own alone; expected another name")
    }

    /// The folder to write files to, which is made where it is not there.
    ///
    /// - Parameter content: what is written.
    /// - Returns: the folders that were made, the innermost first.
    /// - Throws: `.usage` when it is a file, or lies in a run, `.io` when it cannot be made.
    static func folder(_ path: String, for content: String) throws -> [String] {
        var status = stat()
        if stat(path, &status) == 0, status.st_mode & S_IFMT != S_IFDIR { throw UserError(.usage, "\(path): is a file, expected a folder for the \(content)") }
        try requireOutsideRuns(path, in: URL(filePath: path).resolvingSymlinksInPath().path)
        let above = sequence(first: path) { path in
            let folder = path.parentPath
            return folder.isEmpty || folder == path ? nil : folder
        }
        let made = Array(above.prefix { access($0, F_OK) != 0 })
        do { try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true) } catch {
            throw UserError(.io, "\(path): cannot be made: \(systemReason(error, at: path))")
        }
        return made
    }

    /// Takes folders that were made away again, as long as nothing has come into them.
    static func removeEmpty(_ folders: [String]) {
        for folder in folders where rmdir(folder) != 0 { return }
    }

    /// Checks that a folder is not that of a run, or one in it.
    private static func requireOutsideRuns(_ path: String, in folder: String) throws {
        for run in [folder, folder.parentPath] where FileManager.default.fileExists(atPath: (run as NSString).appendingPathComponent("run.h5")) {
            throw UserError(.usage, "\(path): is a file of the run \(run), expected one outside of it")
        }
    }
}

/// Runs what makes a file, so that Ctrl-C leaves nothing behind.
func interruptible(_ body: () throws -> Void) throws {
    Interrupt.listen()
    do { try body() } catch is Interrupt.Requested { throw ExitCode(Interrupt.exitCode) }
}
