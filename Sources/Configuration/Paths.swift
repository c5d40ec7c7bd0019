import Foundation

extension String {
    /// The folder of a path, "" for a name alone: NSString's `deletingLastPathComponent`, which stops the program for a name of one letter.
    public var parentPath: String {
        var path = Substring(self)
        while path.utf8.count > 1, path.hasSuffix("/") { path.removeLast() }
        return path.contains("/") ? (String(path) as NSString).deletingLastPathComponent : ""
    }
}
