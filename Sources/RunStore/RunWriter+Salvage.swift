import Configuration
import Foundation

extension RunWriter {
    /// Writes the folder's run file anew with everything in it that can be read, closed as after an interruption unless all of it is there. For copies:
    /// the file that is there is lost.
    ///
    /// A file that was cut short is first filled up with zeros, for the library to open it; the chunks that were lost then fail their checksums.
    ///
    /// - Returns: what the file holds now; nil when nothing could be read, and then there is no run file any more.
    public func salvage() throws -> RunContents? {
        let path = folder.runFile
        let isWhole = (try? RunReader(path)) != nil
        if (try? RunReader(salvaging: path)) == nil, let size = try? FileManager.default.attributesOfItem(atPath: path)[.size] as? Int {
            truncate(path, off_t(2 * size + (4 << 20)))
        }
        guard let reader = try? RunReader(salvaging: path) else {
            try remove(path)
            return nil
        }
        var contents = RunContents(description: (try? reader.wholeDescription()) ?? reader.description)
        let parts: [() throws -> Void] = [
            { contents.steps = try reader.steps() }, { contents.epochs = try reader.epochs() }, { contents.digests = try reader.digests() },
            { contents.layers = try reader.layers() }, { contents.evaluation = try reader.evaluation() },
        ]
        let lost = parts.count { part in (try? part()) == nil }
        contents.status = isWhole && lost == 0 && reader.status != .running ? reader.status : .interrupted
        try contents.write(to: path)
        return contents
    }
}
