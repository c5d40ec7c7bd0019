/// Where a value was written: a file and a line, or a word of the command line.
public struct SourceMark: Hashable, Sendable, CustomStringConvertible {
    public let file: String
    public let line: Int?
    /// The folder of the file, where relative paths in it begin; nil: the current folder, as for words of the command line.
    public let folder: String?

    public init(file: String, line: Int?, folder: String? = nil) {
        self.file = file
        self.line = line
        self.folder = folder
    }

    public var description: String { line.map { "\(file):\($0)" } ?? file }
}

/// A value as a user wrote it, with its place: the one form in which YAML and command-line overrides reach the program.
public struct ConfigurationNode: Sendable, Equatable {
    public enum Value: Sendable, Equatable {
        /// A scalar as written. `quoted` scalars are strings even where they look like numbers.
        case scalar(String, quoted: Bool)
        case list([ConfigurationNode])
        /// Entries in the order in which they were written.
        case map([Entry])
        case null
    }

    public struct Entry: Sendable, Equatable {
        public let key: String
        public let mark: SourceMark
        public var node: ConfigurationNode

        public init(key: String, mark: SourceMark, node: ConfigurationNode) {
            self.key = key
            self.mark = mark
            self.node = node
        }
    }

    public var value: Value
    public let mark: SourceMark

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

    public subscript(key: String) -> ConfigurationNode? {
        entries?.first { $0.key == key }?.node
    }
}
