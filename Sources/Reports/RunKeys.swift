import Configuration
import RunStore

/// The values of a run's definition under their dotted paths, such as `train.epochs`, and besides `model`, `experiment` and `seed`.
struct RunKeys: Sendable {
    /// Every scalar under its path; seeds are not among them. A choice with options, `{adamw: {learning_rate: 1e-3}}`, has its name under its
    /// path and the options' values below it.
    private(set) var values: [String: String]
    private let choices: [String: String]
    private let model: String
    /// What the definition says about the run, which tells it from no other.
    let note: String?
    /// The names by which a run is found.
    let tags: [String]
    /// What it is trained for, as its definition says it; nil: the default.
    let task: ConfigurationNode?

    /// - Parameter run: whose definition is a map; any other text counts as one value.
    init(_ run: RunDescription) {
        model = run.model
        var values: [String: String], choices: [String: String] = [:]
        let definition = run.definition
        if case .scalar(let text, _)? = definition?["note"]?.value { note = text } else { note = nil }
        tags = definition?["tags"].map(\.texts) ?? []
        task = definition?["task"]
        if let root = definition?.withoutRemarks.withoutSeed, root.entries != nil {
            values = [:]
            root.collectScalars(path: "", into: &values)
            // What is a model's family says its own key.
            choices = root.choices(path: "").filter { choice in
                let parts = choice.key.split(separator: ".", omittingEmptySubsequences: false)
                return !(choice.key.isEmpty || Self.origins.contains { choice.key.hasPrefix($0) } || parts[0] == "models" && parts.count <= 2)
            }
            values.merge(choices) { value, _ in value }
            // Options of the default task, which a sweep set and the definition does not write, are those of a choice too.
            let name = values["task"] ?? "classification"
            (values["task"], choices["task"]) = (name, name)
        } else {
            values = ["definition": run.configuration]
        }
        self.choices = choices
        values["model"] = run.model
        values["experiment"] = run.experiment
        values["seed"] = "\(run.seed)"
        self.values = values
    }

    /// A sweep's values under the paths of the run: what is set for its model's training or data stands in the definition of the run as that of all.
    func own(swept: [String: String]) -> [String: String] {
        let own = "models.\(model)."
        return swept.reduce(into: [:]) { result, entry in
            result[["train.", "data."].contains { entry.key.hasPrefix(own + $0) } ? String(entry.key.dropFirst(own.count)) : entry.key] = entry.value
        }
    }

    /// Adds the numbers and words that a sweep set and the definition does not write, as they are the default.
    mutating func add(swept: [String: String]) {
        for (path, value) in swept where value != "null" && !value.hasPrefix("[") && !value.hasPrefix("{") {
            if path.hasPrefix("models."), !path.hasPrefix("models.\(model).") { continue }
            // A name may be written as a map.
            if values[path] == nil, !values.keys.contains(where: { $0.hasPrefix(path + ".") }) { values[path] = value }
        }
    }

    /// The path that `key` names: itself, or the one path that ends in it, as `width` names `models.vit.vit.width`.
    ///
    /// - Throws: `.usage` when several do.
    func path(_ key: String) throws -> String? {
        if values[key] != nil { return key }
        let matches = values.keys.filter { $0.hasSuffix("." + key) && !Self.isOfSource($0) }.sorted()
        if matches.count > 1 { throw UserError(.usage, "'\(key)' is not one key but \(matches.count): \(matches.joined(separator: ", "))") }
        return matches.first
    }

    /// Where definitions say of what other trials a run took the weights: to start from, and to be taught by.
    private static let origins = ["train.init_from", "train.distill.teacher"]

    /// Whether a path is one of the definition of such a trial: it tells runs apart, but is no key of theirs.
    private static func isOfSource(_ path: String) -> Bool { origins.contains { path.hasPrefix("\($0).definition") || path == "\($0).sha256" } }

    /// Whether a path only repeats which run a run continues, whose number of epochs is there.
    private func isOfContinuation(_ path: String) -> Bool {
        let origin = "train.init_from."
        return values[origin + "after_epoch"] != nil && ["experiment", "model", "weights"].contains { path == origin + $0 }
    }

    /// What is equal in runs that differ by nothing but the values of `keys` and the options below them.
    func rest(without keys: [String]) -> String { text(of: rest(without: keys)) }

    /// The paths of that.
    func rest(without keys: [String]) -> Set<String> {
        let isModelGiven = keys.contains("model")
        return Set(values.keys.filter { path in
            if ["experiment", "match"].contains(path) || keys.contains(where: { path == $0 || path.hasPrefix($0 + ".") }) { return false }
            return !(isModelGiven && path.hasPrefix("models."))
        })
    }

    /// The values of some paths.
    func text(of paths: Set<String>) -> String { paths.sorted().compactMap { path in values[path].map { "\(path)=\($0)" } }.joined(separator: "\n") }

    /// The definition's values under the names that a table shows: a model's without the model's name and family, options without the name of
    /// their choice, such as `train.optimizer.learning_rate`.
    ///
    /// - Parameter withSources: whether values of the definition of the trial that the run started from are among them, as `init_from.train.epochs`.
    func labelled(withSources: Bool) -> [String: String] { labelled(withSources: withSources) { values[$0] } }

    /// The same with other texts of the values, by their paths.
    func labelled(withSources: Bool, as text: (String) -> String?) -> [String: String] {
        let label = labels
        return values.keys.reduce(into: [:]) { result, path in
            if ["model", "experiment", "seed", "match", RunFold.key].contains(path) || isOfContinuation(path) { return }
            if !Self.isOfSource(path) {
                result[label(path)] = text(path)
            } else if withSources, let origin = Self.origins.first(where: { path.hasPrefix("\($0).definition.") }) {
                result["\(origin.dropFirst("train.".count)).\(path.dropFirst(origin.count + ".definition.".count))"] = text(path)
            }
        }
    }

    /// The names of those values of `labelled` that are choices with options.
    var labelledChoices: [String] { choices.keys.map(labels) }

    /// The name of each path.
    private var labels: (String) -> String {
        let options = choices.sorted { $0.key.count > $1.key.count }.map { (choice: $0.key, prefix: "\($0.key).\($0.value).") }
        let model = "models.\(model)."
        // A hybrid's map has several keys, each worth its name.
        let families = Set(values.keys.filter { $0.hasPrefix(model) }.map { $0.dropFirst(model.count).prefix { $0 != "." } })
        return { path in
            var label = path
            for (choice, prefix) in options where label.hasPrefix(prefix) { label = "\(choice).\(label.dropFirst(prefix.count))" }
            guard label.hasPrefix(model) else { return label }
            label = String(label.dropFirst(model.count))
            guard families.count == 1, let dot = label.firstIndex(of: ".") else { return label }
            return String(label[label.index(after: dot)...])
        }
    }
}

/// On which of how many folds of the training images a run was tested (`data.fold`, `data.folds`).
struct RunFold: Equatable, Sendable {
    /// The key of the fold's number, by which runs of one row differ.
    static let key = "data.fold"

    /// From 0.
    let index: Int
    let count: Int

    /// nil for a run on the data set's own test images.
    init?(_ keys: RunKeys) {
        guard let index = keys.values[Self.key].flatMap({ Int($0) }), let count = keys.values["data.folds"].flatMap({ Int($0) }), count > 1 else { return nil }
        (self.index, self.count) = (index, count)
    }
}

extension RunDescription {
    /// The definition that the run keeps; nil when it cannot be read.
    var definition: ConfigurationNode? { try? YAML.node(configuration) { SourceMark(file: "/config", line: $0) } }
}

extension ConfigurationNode {
    /// A definition without its seeds, and without those of the trials whose weights it takes, whose digests have the seed in them.
    fileprivate var withoutSeed: ConfigurationNode {
        changing("seeds", to: { _ in nil }).changing("train") { train in
            train.changing("init_from") { $0.originWithoutSeed }.changing("distill") { $0.changing("teacher") { $0.originWithoutSeed } }
        }
    }

    /// Where weights come from, without the seed of the trial.
    private var originWithoutSeed: ConfigurationNode {
        guard self["definition"] != nil else { return self }
        return changing("sha256") { _ in nil }.changing("definition") { $0.withoutSeed }
    }

    /// A definition without what it says about its runs.
    fileprivate var withoutRemarks: ConfigurationNode { changing("note", to: { _ in nil }).changing("tags", to: { _ in nil }).changing("measures", to: { _ in nil }) }

    /// The texts of a list.
    fileprivate var texts: [String] {
        guard case .list(let items) = value else { return [] }
        return items.compactMap { if case .scalar(let text, _) = $0.value { text } else { nil } }
    }

    /// The map with the value of a key changed, or without the key.
    private func changing(_ key: String, to change: (ConfigurationNode) -> ConfigurationNode?) -> ConfigurationNode {
        guard let entries else { return self }
        var copy = self
        copy.value = .map(entries.compactMap { entry in
            guard entry.key == key else { return entry }
            return change(entry.node).map { .init(key: key, mark: entry.mark, node: $0) }
        })
        return copy
    }

    /// The name of every choice with options below, under its path: of a map with one key and a map there.
    fileprivate func choices(path: String) -> [String: String] {
        guard let entries else { return [:] }
        var result: [String: String] = [:]
        for entry in entries { result.merge(entry.node.choices(path: path.isEmpty ? entry.key : "\(path).\(entry.key)")) { first, _ in first } }
        if entries.count == 1, entries[0].node.entries != nil { result[path] = entries[0].key }
        return result
    }

    /// Adds every scalar below, under its path; a list and an empty map count as one.
    fileprivate func collectScalars(path: String, into scalars: inout [String: String]) {
        guard let entries, !entries.isEmpty else {
            scalars[path] = text
            return
        }
        for entry in entries { entry.node.collectScalars(path: path.isEmpty ? entry.key : "\(path).\(entry.key)", into: &scalars) }
    }

    /// `[horizontal_flip 0.5, shift 1]`.
    private var text: String {
        switch value {
        case .null: "null"
        case .scalar(let text, _): text
        case .list(let items): "[\(items.map(\.text).joined(separator: ", "))]"
        case .map(let entries): entries.isEmpty ? "{}" : entries.sorted { $0.key < $1.key }.map { "\($0.key) \($0.node.text)" }.joined(separator: " ")
        }
    }
}
