/// A pattern of dotted names, such as `blocks.0.*`. `*` stands for any text, dots included.
public struct NamePattern: Sendable, Equatable {
    /// As it was written.
    public let text: String

    /// The pattern that a text writes.
    public init(_ text: String) { self.text = text }

    /// Whether a name is one of those that the pattern means.
    public func matches(_ name: String) -> Bool {
        let pattern = Array(text.utf8), text = Array(name.utf8)
        var place = 0, next = 0
        // The last star so far, and where the text goes on behind what it stands for.
        var star: (place: Int, next: Int)?
        while next < text.count {
            if place < pattern.count, pattern[place] == UInt8(ascii: "*") {
                star = (place, next)
                place += 1
            } else if place < pattern.count, pattern[place] == text[next] {
                (place, next) = (place + 1, next + 1)
            } else if let (starPlace, start) = star {
                star = (starPlace, start + 1)
                (place, next) = (starPlace + 1, start + 1)
            } else {
                return false
            }
        }
        return pattern[place...].allSatisfy { $0 == UInt8(ascii: "*") }
    }

    /// For a pattern that matches none of `names`: the one that is nearest to it, or with what the names begin.
    public func hint(among names: [String]) -> String {
        let candidates = Set(names.flatMap { name in
            let parts = name.split(separator: ".")
            return [name] + parts.indices.dropFirst().flatMap { index in
                [parts[..<index].joined(separator: ".") + ".*", "*." + parts[index...].joined(separator: ".")]
            }
        })
        if let near = nearest(to: text, among: candidates) { return "did you mean '\(near)'?" }
        return "the names begin with \(Set(names.compactMap { $0.split(separator: ".").first.map(String.init) }).sorted().joined(separator: ", "))"
    }
}
