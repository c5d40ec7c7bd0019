import Configuration

/// A word `path.to.key=value` of the command line, which replaces or adds one value of a definition.
///
/// The value is read as YAML, so `train.epochs=2`, `seeds=[0,1]` and `data={name: digits}` all work. A key that the definition does not have is
/// added; whether it means anything is for the reader of that part to say, which then names the word as the place.
struct Override {
    let path: [String]
    let value: ConfigurationNode
    let mark: SourceMark

    init(word: String) throws {
        mark = SourceMark(file: "override '\(word)'", line: nil)
        guard let equals = word.firstIndex(of: "=") else {
            throw UserError(.usage, "\(mark): expected path.to.key=value, found no '='")
        }
        path = word[..<equals].split(separator: ".", omittingEmptySubsequences: false).map(String.init)
        guard !path.contains(where: \.isEmpty) else {
            throw UserError(.usage, "\(mark): expected path.to.key=value, found an empty name in '\(word[..<equals])'")
        }
        let mark = mark
        value = try YAML.node(String(word[word.index(after: equals)...])) { _ in mark }
    }

    func apply(to root: inout ConfigurationNode) throws {
        try set(path[...], in: &root)
    }

    private func set(_ rest: ArraySlice<String>, in node: inout ConfigurationNode) throws {
        guard let key = rest.first else {
            node = value
            return
        }
        switch node.value {
        case .map(var entries):
            if let index = entries.firstIndex(where: { $0.key == key }) {
                try set(rest.dropFirst(), in: &entries[index].node)
            } else {
                var added = ConfigurationNode(.null, mark: mark)
                try set(rest.dropFirst(), in: &added)
                entries.append(.init(key: key, mark: mark, node: added))
            }
            node.value = .map(entries)
        case .null:
            node = ConfigurationNode(.map([]), mark: mark)
            try set(rest, in: &node)
        case .list(var items):
            guard let index = Int(key), items.indices.contains(index) else {
                throw mismatch(at: rest, found: "a list of \(items.count)", expected: "a position below \(items.count)")
            }
            try set(rest.dropFirst(), in: &items[index])
            node.value = .list(items)
        case .scalar(key, _):
            // `optimizer: sgd` is short for `optimizer: {sgd: {}}`.
            node = ConfigurationNode(.map([.init(key: key, mark: node.mark, node: .init(.null, mark: node.mark))]), mark: node.mark)
            try set(rest, in: &node)
        case .scalar:
            throw mismatch(at: rest, found: node.kind, expected: "a map")
        }
    }

    private func mismatch(at rest: ArraySlice<String>, found: String, expected: String) -> UserError {
        let parent = path[..<rest.startIndex].joined(separator: ".")
        return UserError(.usage, "\(mark): \(parent): expected \(expected), found \(found)")
    }
}
