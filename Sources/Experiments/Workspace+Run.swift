import Configuration
import Foundation
import RunStore

extension Workspace {
    /// The one run that a word names: its folder, its run.h5, or a folder with no other run in it.
    ///
    /// - Throws: `.noInput` when there is none, `.usage` when there are several.
    public func run(_ word: String) throws -> RunFolder {
        var url = try result(word)
        if url.lastPathComponent == "run.h5" { url.deleteLastPathComponent() }
        let folders = try RunFolder.discover(under: display(url))
        guard let folder = folders.first else { throw UserError(.noInput, "\(display(url)): there is no run in this folder") }
        guard folders.count == 1 else {
            let names = folders.prefix(4).map { ($0.path as NSString).lastPathComponent }.joined(separator: ", ")
            throw UserError(.usage, "\(display(url)): holds \(folders.count) runs, expected one: \(names)\(folders.count > 4 ? ", …" : "")")
        }
        return folder
    }
}
