import Configuration
import Foundation

/// A definition put together from its parts: the files that it extends, the file itself, the words of the command line.
///
///     # small.yaml
///     extends: vit_vs_resnet.yaml          # or a list; paths are relative to this file
///     train:  {epochs: 1}                  # maps merge, whatever else replaces
///     models: {hybrid: null}               # nothing takes a key away
///
/// Where one of several variants is chosen (the optimizer, the schedule, a model, …), another one replaces the map with the first:
/// `optimizer: {sgd: {}}` leaves nothing of `optimizer: {adamw: {learning_rate: 1e-3}}`.
public struct Composition: Sendable {
    /// What one file or word says.
    enum Layer: Sendable {
        case file(ConfigurationNode)
        case override(Override)
    }

    /// The definition's name: the file name without its ending.
    public let name: String
    /// In the order in which they count: a later one wins.
    let layers: [Layer]
    let root: ConfigurationNode

    /// Reads the file and those it extends, and applies the words in their order.
    ///
    /// - Parameter display: a file's name in errors.
    /// - Throws: `.usage` for a file that is no YAML map, a loop of `extends`, or a word that does not fit; `.noInput` when a file cannot be read.
    public init(of url: URL, display: (URL) -> String, overrides: [String] = []) throws {
        let files = try Self.files(url, display: display, chain: [])
        let overrides = try overrides.map(Override.init(word:))
        name = url.deletingPathExtension().lastPathComponent
        layers = files.map(Layer.file) + overrides.map(Layer.override)
        var root = files.dropFirst().reduce(files[0]) { Self.merge($1, onto: $0, path: []) }
        for override in overrides { try override.apply(to: &root) }
        self.root = root
    }

    // MARK: Files

    /// The maps of the files that `url` extends, then its own.
    private static func files(_ url: URL, display: (URL) -> String, chain: [URL]) throws -> [ConfigurationNode] {
        var root = try YAML.contents(of: url, name: display(url))
        guard var entries = root.entries, let index = entries.firstIndex(where: { $0.key == "extends" }) else { return [root] }
        let extends = entries.remove(at: index).node
        root.value = .map(entries)

        let items: [ConfigurationNode] = if case .list(let items) = extends.value { items } else { [extends] }
        let chain = chain + [url.standardizedFileURL]
        let bases = try items.flatMap { item in
            guard case .scalar(let word, _) = item.value else {
                throw UserError(.usage, "\(item.mark): extends: expected the path of a definition, found \(item.kind)")
            }
            let base = URL(filePath: word, relativeTo: url.deletingLastPathComponent()).standardizedFileURL
            if let start = chain.firstIndex(where: { $0.resolvingSymlinksInPath().path == base.resolvingSymlinksInPath().path }) {
                let loop = (chain[start...] + [base]).map(display).joined(separator: " → ")
                throw UserError(.usage, "\(item.mark): extends: a loop: \(loop)")
            }
            guard FileManager.default.fileExists(atPath: base.path) else {
                let folder = base.deletingLastPathComponent()
                let names = ((try? FileManager.default.contentsOfDirectory(atPath: folder.path)) ?? []).filter { $0.hasSuffix(".yaml") }
                let hint = nearest(to: base.lastPathComponent, among: names).map { "; did you mean '\($0)'?" } ?? ""
                throw UserError(.noInput, "\(item.mark): extends: there is no file \(display(base))\(hint)")
            }
            return try files(base, display: display, chain: chain)
        }
        return bases + [root]
    }

    // MARK: Merging

    /// `over` on top of `base`, which lies at `path`.
    private static func merge(_ over: ConfigurationNode, onto base: ConfigurationNode, path: [String]) -> ConfigurationNode {
        guard let added = over.entries, var entries = base.entries else { return over }
        if added.contains(where: { Variants.excludes($0.key, among: entries.map(\.key), at: path) }) { return over }
        for entry in added {
            guard let index = entries.firstIndex(where: { $0.key == entry.key }) else {
                entries.append(entry)
                continue
            }
            if case .null = entry.node.value {
                entries.remove(at: index)
            } else {
                let node = merge(entry.node, onto: entries[index].node, path: path + [entry.key])
                entries[index] = .init(key: entry.key, mark: entry.mark, node: node)
            }
        }
        return ConfigurationNode(.map(entries), mark: over.mark)
    }
}
