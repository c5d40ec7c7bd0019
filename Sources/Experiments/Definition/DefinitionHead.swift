import Foundation

/// The comments at the head of a definition: its question, its command, what to expect.
public enum DefinitionHead {
    /// The lines of the comments without their sign, as far as they stand before everything else; nil where there are none.
    ///
    /// - Parameter file: a definition, whether it can be read or not.
    public static func text(of file: URL) -> String? {
        guard let text = try? String(contentsOf: file, encoding: .utf8) else { return nil }
        let comments = text.split(separator: "\n").prefix { $0.hasPrefix("#") }.filter { !$0.hasPrefix("# yaml-language-server:") }
        let lines = comments.map { $0.dropFirst().first == " " ? $0.dropFirst(2) : $0.dropFirst() }
        return lines.isEmpty ? nil : lines.joined(separator: "\n")
    }
}

extension Definition {
    /// How much of the comments a run keeps.
    private static let largestQuestion = 8000

    /// The comments at the head of the definition's file, as runs keep them; nil where there are none, or there is no file.
    var question: String? {
        guard let file, let text = DefinitionHead.text(of: URL(filePath: file.path))?.replacing("\0", with: "") else { return nil }
        // A character that does not fit whole is left out.
        return text.utf8.count <= Self.largestQuestion ? text : String(decoding: text.utf8.prefix(Self.largestQuestion), as: UTF8.self).replacing("\u{FFFD}", with: "")
    }
}
