/// Where a value was written: a file and a line, or a word of the command line.
public struct SourceMark: Hashable, Sendable, CustomStringConvertible {
    /// The file's name as the user gave it.
    public let file: String
    /// From 1; nil where a value stands in no line.
    public let line: Int?
    /// The folder of the file, where relative paths in it begin; nil: the current folder, as for words of the command line.
    public let folder: String?

    /// A place in a file.
    public init(file: String, line: Int?, folder: String? = nil) {
        self.file = file
        self.line = line
        self.folder = folder
    }

    /// As messages begin: `file.yaml:12`.
    public var description: String { line.map { "\(file):\($0)" } ?? file }
}

/// A value as a user wrote it, with its place: the one form in which YAML and command-line overrides reach the program.
public struct ConfigurationNode: Sendable, Equatable {
    /// What a node holds.
    public enum Value: Sendable, Equatable {
        /// A scalar as written. `quoted` scalars are strings even where they look like numbers.
        case scalar(String, quoted: Bool)
        case list([ConfigurationNode])
        /// Entries in the order in which they were written.
        case map([Entry])
        case null
    }

    /// A key of a map with its value.
    public struct Entry: Sendable, Equatable {
        /// As it is written.
        public let key: String
        /// Where it is written.
        public let mark: SourceMark
        /// The key's value.
        public var node: ConfigurationNode

        /// A key at its place, with a value.
        public init(key: String, mark: SourceMark, node: ConfigurationNode) {
            self.key = key
            self.mark = mark
            self.node = node
        }
    }

    /// What it holds.
    public var value: Value
    /// Where it is written.
    public let mark: SourceMark

    /// A value at its place.
    public init(_ value: Value, mark: SourceMark) {
        self.value = value
        self.mark = mark
    }

    /// What the node is, for "expected a number, found a list".
    public var kind: String {
        switch value {
        case .scalar(let text, let quoted): quoted ? "the text \"\(text.shortened())\"" : text.shortened()
        case .list: "a list"
        case .map: "a map"
        case .null: "nothing"
        }
    }

    /// The entries of a map, or nil.
    public var entries: [Entry]? {
        if case .map(let entries) = value { entries } else { nil }
    }

    /// The value of a map's key; nil for other keys and for what is no map.
    public subscript(key: String) -> ConfigurationNode? {
        entries?.first { $0.key == key }?.node
    }
}
