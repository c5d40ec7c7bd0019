import Configuration
import Models

/// Every place that set a value of a definition, in the order in which they count: `harness why`.
public struct Provenance: Sendable {
    /// A key of a definition, what it is set to, and where that is written.
    public struct Setting: Sendable {
        /// `Experiments/a.yaml:3`, `override 'train.epochs=2'` or `default`.
        public let place: String
        /// The keys joined by dots.
        public var path: String { keys.joined(separator: ".") }
        /// As it is written.
        public let value: String
        /// The path's parts: those under `sweep` have dots of their own.
        fileprivate let keys: [String]
        /// Whether this is the value that the experiment has.
        public fileprivate(set) var isInForce: Bool
    }

    /// In the order in which they are read.
    public private(set) var settings: [Setting] = []

    /// - Parameters:
    ///   - keyPath: of a value, or of a map, all of whose values are then told.
    ///   - registry: the models that the definition can name.
    /// - Throws: `.usage` when the definition has no such key, or is wrong where the default would have to be known.
    public init(of keyPath: String, in composition: Composition, registry: Registry = .standard) throws {
        let path = Self.keys(keyPath)
        for layer in composition.layers {
            switch layer {
            case .file(let root): add(root, at: path)
            case .override(let override): add(override, at: path)
            }
        }
        for part in ["grid", "zip", "list", "random"] where path.first != "sweep" {
            if let node = composition.root.value(at: ["sweep", part]) { addSwept(keyPath, in: node, at: ["sweep", part]) }
        }
        markThoseInForce(in: composition.root)
        try addDefaults(of: path, composition, registry)
        guard !settings.isEmpty else { throw Self.unknown(path, composition, registry) }
    }

    // MARK: What a layer says

    private mutating func add(_ root: ConfigurationNode, at path: [String]) {
        if let node = root.value(at: path) { return addLeaves(of: node, at: path) }
        // What lies above may be a value of its own, such as a bare name, and then replaces all below.
        for length in (1..<max(path.count, 1)).reversed() {
            guard let node = root.value(at: path.prefix(length)) else { continue }
            if node.entries == nil { addLeaves(of: node, at: Array(path.prefix(length))) }
            return
        }
    }

    private mutating func add(_ override: Override, at path: [String]) {
        let isBelow = override.path.starts(with: path), isAbove = path.starts(with: override.path)
        guard isBelow || isAbove else { return }
        switch override.action {
        case .remove:
            append(override.mark, override.path, "taken away")
        case .set(let value), .add(let value):
            if isBelow { return addLeaves(of: value, at: override.path) }
            let rest = path.dropFirst(override.path.count)
            if let node = value.value(at: rest) { addLeaves(of: node, at: path) } else { append(override.mark, override.path, YAML.line(value)) }
        }
    }

    private mutating func addLeaves(of node: ConfigurationNode, at path: [String]) {
        if let entries = node.entries, !entries.isEmpty {
            for entry in entries { addLeaves(of: entry.node, at: path + [entry.key]) }
        } else {
            append(node.mark, path, YAML.line(node))
        }
    }

    /// What a sweep puts in the place of the value, or of values below it.
    private mutating func addSwept(_ keyPath: String, in node: ConfigurationNode, at path: [String]) {
        if case .list(let items) = node.value {
            for (index, item) in items.enumerated() { addSwept(keyPath, in: item, at: path + ["\(index)"]) }
        }
        for entry in node.entries ?? [] {
            if entry.key == keyPath || entry.key.hasPrefix(keyPath + ".") {
                append(entry.node.mark, path + [entry.key], YAML.line(entry.node))
            } else {
                addSwept(keyPath, in: entry.node, at: path + [entry.key])
            }
        }
    }

    private mutating func append(_ mark: SourceMark, _ path: [String], _ value: String) {
        settings.append(Setting(place: "\(mark)", value: value, keys: path, isInForce: false))
    }

    // MARK: What counts

    private mutating func markThoseInForce(in root: ConfigurationNode) {
        var told: Set<String> = [], nodes: [[String]: ConfigurationNode] = [:]
        Self.collect(root, at: [], into: &nodes)
        for index in settings.indices.reversed() where told.insert(settings[index].path).inserted {
            let node = nodes[settings[index].keys]
            settings[index].isInForce = node.map { "\($0.mark)" == settings[index].place && $0.entries?.isEmpty != false } ?? false
        }
    }

    /// Everything in a node, by its path.
    private static func collect(_ node: ConfigurationNode, at path: [String], into nodes: inout [[String]: ConfigurationNode]) {
        if nodes[path] == nil { nodes[path] = node }
        switch node.value {
        case .map(let entries): for entry in entries { collect(entry.node, at: path + [entry.key], into: &nodes) }
        case .list(let items): for (index, item) in items.enumerated() { collect(item, at: path + ["\(index)"], into: &nodes) }
        case .scalar, .null: break
        }
    }

    /// Adds the defaults of what was not written.
    private mutating func addDefaults(of path: [String], _ composition: Composition, _ registry: Registry) throws {
        guard let node = try? Definition(composition, registry: registry).resolved.value(at: path) else { return }
        let written = settings.count
        addLeaves(of: node, at: path)
        let defaults = settings[written...].filter { composition.root.value(at: $0.keys) == nil }
        settings.replaceSubrange(written..., with: defaults.map { Setting(place: "default", value: $0.value, keys: $0.keys, isInForce: true) })
    }

    private static func keys(_ path: String) -> [String] { path.split(separator: ".").map(String.init) }

    private static func unknown(_ path: [String], _ composition: Composition, _ registry: Registry) -> any Error {
        var node: ConfigurationNode, known: [String] = []
        do { node = try Definition(composition, registry: registry).resolved } catch { return error }
        for key in path {
            guard let next = node.value(at: [key]) else {
                let hint = suggestion(for: key, among: node.entries?.map(\.key) ?? [])
                let place = known.isEmpty ? composition.name : known.joined(separator: ".")
                return UserError(.usage, "\(path.joined(separator: ".")): there is no '\(key)' in \(place)\(hint)")
            }
            known.append(key)
            node = next
        }
        return UserError(.usage, "\(path.joined(separator: ".")): is empty")
    }
}
