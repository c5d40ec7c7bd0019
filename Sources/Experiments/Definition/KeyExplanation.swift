import Configuration
import Models

/// What there is to say about a key of a definition, as text.
public struct KeyExplanation: Sendable {
    /// Every place at which a key with this name stands, with its dotted path.
    private let places: [(path: String, key: OptionDescription)]

    /// Looks for a path (`train.optimizer.adamw`), or the end of one (`learning_rate`).
    ///
    /// - Throws: `.usage` when there is no such key, with the nearest.
    public init(of word: String, registry: Registry = .standard) throws {
        let all = Self.all(registry)
        // What stands in a model's training or data is what stands in that of all.
        var word = word, prefix = ""
        let parts = word.split(separator: ".")
        if parts.count > 3, parts[0] == "models", ["train", "data"].contains(parts[2]) {
            prefix = "models.<name>."
            word = parts.dropFirst(2).joined(separator: ".")
        }
        let exact = all.filter { $0.path == word }
        places = (exact.isEmpty ? all.filter { Self.ends($0.path, with: word) } : exact).map { (prefix + $0.path, $0.key) }
        guard places.isEmpty else { return }
        // The key may stand elsewhere; the list of all would be no answer.
        let elsewhere = all.filter { $0.key.name == parts.last.map(String.init) }.map(\.path).min { $0.count < $1.count }
        let known = elsewhere ?? nearest(to: word, among: Set(all.flatMap { [$0.path, $0.key.name] }))
        let hint = known.map { "did you mean '\($0)'?" } ?? "'harness explain' shows all"
        throw UserError(.usage, "there is no key '\(word.shortened())'; \(hint)")
    }

    /// Paths may go through a model's own name: `models.vit.width` ends as `models.<name>.vit.width` does.
    private static func ends(_ path: String, with word: String) -> Bool {
        let parts = path.split(separator: "."), words = word.split(separator: ".")
        let tail = parts.suffix(words.count)
        return tail.count == words.count && tail.last == words.last && zip(tail, words).allSatisfy { $0 == $1 || $0 == "<name>" }
    }

    private static func all(_ registry: Registry) -> [(path: String, key: OptionDescription)] {
        func below(_ keys: [OptionDescription], _ path: String) -> [(String, OptionDescription)] {
            keys.flatMap { key in
                let own = path.isEmpty ? key.name : "\(path).\(key.name)"
                return [(own, key)] + below(key.children, own)
            }
        }
        return below(Definition.keys(registry), "")
    }

    /// Kind, default, documentation and paper of each different key with the name, and where it stands.
    public var text: String {
        var groups: [(key: OptionDescription, paths: [String])] = []
        for (path, key) in places {
            if let index = groups.firstIndex(where: { Self.isSame($0.key, key) }) {
                groups[index].paths.append(path)
            } else {
                groups.append((key, [path]))
            }
        }
        return groups.map { Self.text($0.key, at: $0.paths) }.joined(separator: "\n\n")
    }

    private static func isSame(_ a: OptionDescription, _ b: OptionDescription) -> Bool {
        a.documentation == b.documentation && a.kind == b.kind && a.defaultText == b.defaultText
    }

    private static func text(_ key: OptionDescription, at paths: [String]) -> String {
        var lines = paths
        lines += folded(key.documentation, indentation: 2)
        lines += folded("kind: \(key.kind)", indentation: 2)
        if let text = key.defaultText { lines += folded("default: \(text)", indentation: 2) }
        if key.isRequired { lines.append("  it has to be given") }
        if let paper = key.paper { lines += folded("paper: \(paper)", indentation: 2) }
        let names = key.children.map(\.name)
        if !names.isEmpty { lines += folded("below it: \(names.joined(separator: ", "))", indentation: 2) }
        return lines.joined(separator: "\n")
    }

    /// All keys, each below the one that it stands under, with kind and default; what stands in several places is shown in the first.
    public static func tree(_ registry: Registry = .standard) -> String {
        var shown: Set<String> = [], lines: [String] = []
        func add(_ keys: [OptionDescription], _ depth: Int) {
            for key in keys {
                let children = key.children
                let what = children.isEmpty ? "  \(key.kind)\(key.defaultText.map { " (\($0))" } ?? "")" : ""
                let place = String(repeating: "  ", count: depth) + key.name + (key.isRequired ? "*" : "")
                let signature = key.name + children.map(\.name).joined(separator: ",")
                let isKnown = !children.isEmpty && !shown.insert(signature).inserted
                lines.append(shortened(place + what + (isKnown ? "  as above" : "")))
                if !isKnown { add(children, depth + 1) }
            }
        }
        add(Definition.keys(registry), 0)
        return lines.joined(separator: "\n") + "\n* has to be given; harness explain KEY says more"
    }

    /// The paths that begin with a word, as far as the second key after those that are written: what a shell offers. A path through a model's name
    /// begins after the name, as `vit.width` does.
    public static func paths(beginningWith word: String, registry: Registry = .standard) -> [String] {
        let depth = word.split(separator: ".", omittingEmptySubsequences: false).count
        let paths = all(registry).map { $0.path.split(separator: ".").map(String.init) }.map { parts in
            parts.lastIndex(of: "<name>").map { Array(parts[($0 + 1)...]) } ?? parts
        }
        return Set(paths.filter { !$0.isEmpty && $0.count <= depth + 1 }.map { $0.joined(separator: ".") }).filter { $0.hasPrefix(word) }.sorted()
    }

    /// The names among which a key's value is chosen; none for a key of another kind.
    public static func values(of path: String, registry: Registry = .standard) -> [String] {
        func names(_ schema: OptionSchema) -> [String] {
            switch schema {
            case .names(let names): names
            case .variants(let variants, _): variants.map(\.name)
            case .flag: ["true", "false"]
            case .list(let item, _): names(item)
            case .either(let schemas): schemas.flatMap(names)
            default: []
            }
        }
        return all(registry).first { $0.path == path }.map { names($0.key.schema) } ?? []
    }

    private static func shortened(_ line: String) -> String { line.count > 80 ? line.prefix(79) + "…" : line }

    /// Words in lines of up to 80 letters.
    private static func folded(_ text: String, indentation: Int) -> [String] {
        var lines: [String] = [], line = ""
        for word in text.split(separator: " ") {
            if !line.isEmpty, indentation + line.count + 1 + word.count > 80 {
                lines.append(line)
                line = "  " + word
            } else {
                line += line.isEmpty ? String(word) : " \(word)"
            }
        }
        return (lines + [line]).map { String(repeating: " ", count: indentation) + $0 }
    }
}
