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
        let isWhole = try Self.unlessDamaged { try RunReader(path) } != nil
        if try Self.unlessDamaged({ try RunReader(salvaging: path) }) == nil, let size = try? FileManager.default.attributesOfItem(atPath: path)[.size] as? Int {
            truncate(path, off_t(2 * size + (4 << 20)))
        }
        guard let reader = try Self.unlessDamaged({ try RunReader(salvaging: path) }) else {
            try remove(path)
            return nil
        }
        let whole = try Self.unlessDamaged { try reader.wholeDescription() }
        let description = try whole ?? Self.unlessDamaged { try reader.descriptionWithoutLayouts() }
        var contents = RunContents(description: description ?? reader.description)
        let parts: [() throws -> Void] = [
            { contents.steps = try reader.steps() }, { contents.epochs = try reader.epochs() }, {
                // Rows of checksums and layers mean nothing without the names of their columns.
                guard description != nil else { throw reader.isWithoutNames }
                contents.digests = try reader.digests()
            },
            {
                guard description != nil else { throw reader.isWithoutNames }
                contents.layers = try reader.layers()
            }, {
                // The tables go by the layouts of the description.
                guard whole != nil else { throw reader.isWithoutNames }
                contents.evaluations = try reader.evaluations()
                // Pictures and groups have no checksum but the file's.
                if isWhole { (contents.errors, contents.subgroups) = (try reader.errors(), try reader.subgroups()) }
            },
        ]
        let lost = try parts.count { part in try Self.unlessDamaged(part) == nil }
        contents.status = isWhole && lost == 0 && reader.status != .running ? reader.status : .interrupted
        try contents.write(to: path)
        return contents
    }

    /// What `read` gives; nil when the file is damaged. What the system does not let read now is not known to be: that is thrown. The library takes some
    /// reads that the system refused for damage, so what cannot be read is read a second time.
    static func unlessDamaged<Value>(_ read: () throws -> Value) throws -> Value? {
        for _ in 0..<2 {
            do { return try read() } catch let error as UserError where error.kind != .io { continue }
        }
        return nil
    }
}
