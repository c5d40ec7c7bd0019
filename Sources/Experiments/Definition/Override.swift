import Configuration

/// A word of the command line, or a cell of a sweep, that changes one value of a definition.
///
/// | word | does |
/// | --- | --- |
/// | `path.to.key=value` | sets a value that is there, or one that has a default |
/// | `+path.to.key=value` | adds what is not there, such as a model |
/// | `~path.to.key` | takes away what is there |
///
/// The value is read as YAML, so `train.epochs=2`, `seeds=[0,1]` and `data={name: digits}` all work; it replaces what was there. Whether a
/// key means anything is for the reader of that part to say, which then names the word as the place.
struct Override: Sendable {
    enum Action: Sendable {
        case set(ConfigurationNode)
        case add(ConfigurationNode)
        case remove
    }

    let path: [String]
    let action: Action
    let mark: SourceMark

    /// Sets a value that was written elsewhere.
    init(_ path: [String], to value: ConfigurationNode) {
        self.path = path
        action = .set(value)
        mark = value.mark
    }

    init(word: String) throws {
        let mark = SourceMark(file: "override '\(word)'", line: nil)
        self.mark = mark
        if word.hasPrefix("~") {
            guard !word.contains("=") else { throw UserError(.usage, "\(mark): expected ~path.to.key, found a value") }
            path = try Self.path(word.dropFirst(), mark)
            action = .remove
            return
        }
        let isAddition = word.hasPrefix("+")
        guard let equals = word.firstIndex(of: "=") else {
            throw UserError(.usage, "\(mark): expected path.to.key=value, found no '='")
        }
        path = try Self.path((isAddition ? word.dropFirst() : word[...]).prefix { $0 != "=" }, mark)
        let value = try YAML.node(String(word[word.index(after: equals)...])) { _ in mark }
        action = isAddition ? .add(value) : .set(value)
    }

    private static func path(_ text: Substring, _ mark: SourceMark) throws -> [String] {
        let path = text.split(separator: ".", omittingEmptySubsequences: false).map(String.init)
        guard !path.contains(where: \.isEmpty) else {
            throw UserError(.usage, "\(mark): expected path.to.key=value, found an empty name in '\(text)'")
        }
        return path
    }

    func apply(to root: inout ConfigurationNode, _ registry: Registry = .standard) throws {
        switch action {
        case .set(let value):
            try change(path[...], in: &root, to: value, registry.variants)
        case .add(let value):
            if let present = root.value(at: path) {
                throw error(about: path, "is there already (\(present.mark)); leave out the '+' to change it")
            }
            try change(path[...], in: &root, to: value, registry.variants)
        case .remove:
            try change(path[...], in: &root, to: nil, registry.variants)
        }
    }

    /// Goes down to the place of `rest` and sets `value` there, or takes away what is there.
    private func change(
        _ rest: ArraySlice<String>, in node: inout ConfigurationNode, to value: ConfigurationNode?, _ variants: Variants
    ) throws {
        guard let key = rest.first else {
            if let value { node = value }
            return
        }
        let isRemoval = value == nil && rest.count == 1
        switch node.value {
        case .map(var entries):
            if let index = entries.firstIndex(where: { $0.key == key }) {
                if isRemoval {
                    entries.remove(at: index)
                } else {
                    try change(rest.dropFirst(), in: &entries[index].node, to: value, variants)
                }
            } else {
                try requireRoom(for: rest, in: node, entries, variants)
                var added = ConfigurationNode(.null, mark: mark)
                try change(rest.dropFirst(), in: &added, to: value, variants)
                entries.append(.init(key: key, mark: mark, node: added))
            }
            node.value = .map(entries)
        case .list(var items):
            guard let index = Int(key), items.indices.contains(index) else {
                throw error(about: path[..<rest.startIndex], "expected a position below \(items.count), found a list of \(items.count)")
            }
            if isRemoval { items.remove(at: index) } else { try change(rest.dropFirst(), in: &items[index], to: value, variants) }
            node.value = .list(items)
        case .null where value != nil:
            node = ConfigurationNode(.map([]), mark: mark)
            try change(rest, in: &node, to: value, variants)
        case .scalar(key, _) where value != nil:
            // `optimizer: sgd` is short for `optimizer: {sgd: {}}`.
            node = ConfigurationNode(.map([.init(key: key, mark: node.mark, node: .init(.null, mark: node.mark))]), mark: node.mark)
            try change(rest, in: &node, to: value, variants)
        case .null, .scalar:
            throw error(about: path[..<rest.startIndex], "expected a map, found \(node.kind)")
        }
    }

    /// Whether a key that is not in a map may come into it.
    private func requireRoom(
        for rest: ArraySlice<String>, in node: ConfigurationNode, _ entries: [ConfigurationNode.Entry], _ variants: Variants
    ) throws {
        let key = rest[rest.startIndex], place = Array(path[..<rest.startIndex]), present = entries.map(\.key)
        let keyPath = path[...rest.startIndex]
        switch action {
        case .remove:
            throw error(about: keyPath, "there is no '\(key)' to take away\(suggestion(for: key, among: present))")
        case .set where place == ["models"]:
            let hint = suggestion(for: key, among: present)
            throw error(about: keyPath, "there is no model '\(key)'\(hint) (+models.\(key)=… adds one)")
        case .set, .add:
            guard variants.excludes(key, among: Set(present), at: place) else { return }
            let parent = place.joined(separator: ".")
            let value = variants.isOrigin(place) ? "…" : "{…}"
            throw error(about: keyPath, "\(parent) is \(present.joined(separator: ", ")) (\(node.mark)); \(parent)={\(key): \(value)} makes it \(key)")
        }
    }

    private func error(about path: some Sequence<String>, _ sentence: String) -> UserError {
        UserError(.usage, "\(mark): \(path.joined(separator: ".")): \(sentence)")
    }
}

extension ConfigurationNode {
    /// What lies at a path of keys and positions.
    func value(at path: some Collection<String>) -> ConfigurationNode? {
        guard let key = path.first else { return self }
        let inner: ConfigurationNode? =
            switch value {
            case .list(let items): Int(key).flatMap { items.indices.contains($0) ? items[$0] : nil }
            default: self[key]
            }
        return inner?.value(at: path.dropFirst())
    }
}
