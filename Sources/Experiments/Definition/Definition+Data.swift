import Configuration
import VisionData

// Models with data of their own: `{vit: {…}, data: {classes: [0, 2, 4]}}` is merged over the definition's own `data:`.

extension Definition {
    /// The data with which a model is trained: the definition's, but for what it says for this model.
    func data(of model: Model) -> DataConfiguration { model.data ?? data }

    /// The definition of one model alone, whose data are all models' in it.
    func part(of model: Model) -> Definition {
        var part = self
        (part.models, part.ensembles) = ([model], [])
        guard let own = model.data else { return part }
        // What the model starts from keeps its own.
        for index in part.allModels.indices where part.allModels[index].data == nil { part.allModels[index].data = data }
        part.data = own
        part.models[0].data = nil
        part.dataModel = model.name
        return part
    }

    /// Says where the data of a model are that has some of its own.
    mutating func setPlaces(_ places: DataPlaces, ofOwnDataOf name: String) {
        for index in models.indices where models[index].name == name { models[index].data?.places = places }
        for index in allModels.indices where allModels[index].name == name { allModels[index].data?.places = places }
    }

    /// Reads a part of a definition with what is said for a model alone merged over what is said for all; what is wrong in the latter is not said again.
    ///
    /// - Parameter key: the part's key in the definition.
    static func read<Part: Configurable>(
        _ own: ConfigurationNode, over shared: ConfigurationNode?, _ key: String, path: String, errors: ConfigurationErrors, _ registry: Registry
    ) -> Part {
        var all = shared.map { Composition.merge(own, onto: $0, path: [key], registry.variants) } ?? own
        // Nothing takes a key away, also one that is not there.
        if let entries = all.entries { all.value = .map(entries.filter { $0.node.value != .null }) }
        let found = ConfigurationErrors()
        var fields = FieldReader(all, path: path, errors: found, additions: registry.additions)
        let part = Part(from: &fields)
        fields.finish()
        errors.report(found, except: { $0.replacing(": \(path)", with: ": \(key)") })
        return part
    }

    /// The keys of a model's part that differ from all models', null for those that it does not have.
    static func difference(of own: some Configurable, from shared: some Configurable) -> ConfigurationNode {
        let shared = shared.completeNode.entries ?? [], own = own.completeNode.entries ?? []
        let changed = own.filter { entry in !shared.contains { $0.key == entry.key && YAML.line($0.node) == YAML.line(entry.node) } }
        let removed = shared.filter { entry in !own.contains { $0.key == entry.key } }
        return .map(changed.map { ($0.key, $0.node) } + removed.map { ($0.key, .none) })
    }
}
