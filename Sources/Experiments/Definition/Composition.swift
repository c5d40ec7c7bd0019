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

    /// The experiment's name: the file's path below `Experiments` without its ending, such as `ablations/depth`; for a file elsewhere its name alone.
    public var name: String { file.experiment }
    /// The file that extends the others.
    let file: DefinitionFile
    /// In the order in which they count: a later one wins.
    let layers: [Layer]
    let root: ConfigurationNode

    /// Reads the file and those it extends, and applies the words in their order.
    ///
    /// - Parameters:
    ///   - display: a file's name in errors.
    ///   - registry: what a definition can name.
    /// - Throws: `.usage` for a file that is no YAML map, a loop of `extends`, or a word that does not fit; `.noInput` when a file cannot be read.
    public init(of url: URL, display: @escaping (URL) -> String, overrides: [String] = [], registry: Registry = .standard) throws {
        var reading = Reading(display: display)
        try reading.add(url, chain: [])
        let files = reading.layers
        let overrides = try overrides.map(Override.init(word:))
        file = DefinitionFile(url)
        // Results/figures holds pictures, which are in git.
        if file.experiment.split(separator: "/").first == "figures" {
            throw UserError(.usage, "\(display(url)): an experiment cannot be called figures, the name of the folder of pictures among results; expected another name")
        }
        layers = files.map(Layer.file) + overrides.map(Layer.override)
        var root = files.dropFirst().reduce(files[0]) { Self.merge($1, onto: $0, path: [], registry.variants) }
        for override in overrides { try override.apply(to: &root, registry) }
        self.root = root
    }

    // MARK: Files

    /// How many maps are put together; a file that several others extend counts for each of them.
    private static let largestFileCount = 256

    /// The maps of the files, in the order in which they count; each file is read once.
    private struct Reading {
        let display: (URL) -> String
        private(set) var layers: [ConfigurationNode] = []
        /// The maps that were read, by their files' real paths.
        private var known: [String: ConfigurationNode] = [:]
        private var room = YAML.largestByteCount
        /// The keys at the top of a definition.
        private static let keys = ["data", "train", "models", "seeds", "precision", "task", "match", "note", "tags", "measures", "ensembles", "sweep", "extends"]

        init(display: @escaping (URL) -> String) { self.display = display }

        /// Adds the maps of the files that `url` extends, then its own; `chain` leads to it.
        mutating func add(_ url: URL, chain: [(url: URL, path: String)]) throws {
            let place = url.standardizedFileURL, path = place.resolvingSymlinksInPath().path
            var root = try known[path] ?? YAML.contents(of: url, name: display(url), room: &room)
            known[path] = root
            // Any text with colons is a map: what is none of a definition's is not quoted line by line.
            if !chain.isEmpty, !(root.entries ?? []).contains(where: { Self.keys.contains($0.key) }) {
                throw UserError(.usage, "\(display(url)): is not a definition: expected at least one of the keys \(Self.keys.joined(separator: ", "))")
            }
            if var entries = root.entries, let index = entries.firstIndex(where: { $0.key == "extends" }) {
                let extends = entries.remove(at: index).node
                root.value = .map(entries)
                let items: [ConfigurationNode] = if case .list(let items) = extends.value { items } else { [extends] }
                for item in items {
                    let base = try base(item, of: url, chain + [(place, path)])
                    try add(base, chain: chain + [(place, path)])
                }
            }
            layers.append(root)
        }

        /// The file that an item of `extends` names.
        private func base(_ item: ConfigurationNode, of url: URL, _ chain: [(url: URL, path: String)]) throws -> URL {
            guard case .scalar(let word, _) = item.value else {
                throw UserError(.usage, "\(item.mark): extends: expected the path of a definition, found \(item.kind)")
            }
            let base = URL(filePath: word, relativeTo: url.deletingLastPathComponent()).standardizedFileURL
            let path = base.resolvingSymlinksInPath().path
            if let start = chain.firstIndex(where: { $0.path == path }) {
                let loop = (chain[start...].map(\.url) + [base]).map(display).joined(separator: " → ")
                throw UserError(.usage, "\(item.mark): extends: a loop: \(loop)")
            }
            guard chain.count < Composition.largestFileCount, layers.count < Composition.largestFileCount else {
                throw UserError(.usage, "\(item.mark): extends: at most \(Composition.largestFileCount) files are put together, found more")
            }
            guard FileManager.default.fileExists(atPath: base.path) else {
                let folder = base.deletingLastPathComponent()
                let names = ((try? FileManager.default.contentsOfDirectory(atPath: folder.path)) ?? []).filter { $0.hasSuffix(".yaml") }
                let hint = nearest(to: base.lastPathComponent, among: names).map { "; did you mean '\($0)'?" } ?? ""
                throw UserError(.noInput, "\(item.mark): extends: there is no file \(display(base))\(hint)")
            }
            return base
        }
    }

    // MARK: Merging

    /// `over` on top of `base`, which lies at `path`.
    static func merge(_ over: ConfigurationNode, onto base: ConfigurationNode, path: [String], _ variants: Variants) -> ConfigurationNode {
        guard let added = over.entries, let entries = base.entries else { return over }
        let present = Set(entries.map(\.key))
        if added.contains(where: { variants.excludes($0.key, among: present, at: path) }) {
            var rest = over
            rest.value = .map(added.filter { $0.node.value != .null || !present.contains($0.key) })
            return rest
        }
        // Entries that are taken away leave a gap, so that positions stay.
        var merged = entries.map(Optional.some), positions = Dictionary(entries.indices.map { (entries[$0].key, $0) }) { first, _ in first }
        for entry in added {
            guard let index = positions[entry.key], let present = merged[index] else {
                positions[entry.key] = merged.count
                merged.append(entry)
                continue
            }
            if case .null = entry.node.value {
                merged[index] = nil
            } else {
                merged[index] = .init(key: entry.key, mark: entry.mark, node: merge(entry.node, onto: present.node, path: path + [entry.key], variants))
            }
        }
        return ConfigurationNode(.map(merged.compactMap(\.self)), mark: over.mark)
    }
}
