import Configuration
import Models
import Training

/// The places of a definition where one of several variants is chosen by its key, `optimizer: {adamw: {…}}`, or by some of its keys: weights to
/// start from are a file's or a trial's.
struct Variants: Sendable {
    /// Their paths, with `<name>` in the place of a model's own name.
    private var choices: Set<[String]> = []

    /// None, until it is known what there is.
    init() {}

    /// Finds the places among all keys of a definition.
    init(in keys: [OptionDescription]) { search(keys, []) }

    private mutating func search(_ keys: [OptionDescription], _ path: [String]) {
        for key in keys {
            let own = path + [key.name]
            if case .variants = key.schema { choices.insert(own) }
            search(key.children, own)
        }
    }

    /// Whether `key` in the map at `path`, which has the keys `present`, would be a second variant.
    func excludes(_ key: String, among present: Set<String>, at path: [String]) -> Bool {
        if isOrigin(path) {
            return WeightOrigin.alternatives.contains { $0.contains(key) && !present.isSubset(of: $0.union(WeightOrigin.common)) }
        }
        // A model's training, its data and what is said about it stand beside its family.
        let beside = isModel(path) ? Definition.keysBesideFamilies : [], present = present.subtracting(beside)
        guard isChoice(path), !present.isEmpty, !present.contains(key), !beside.contains(key) else { return false }
        // A hybrid's map has several keys.
        let parts = ModelRegistry.hybridKeys
        return !(isModel(path) && parts.contains(key) && present.contains(where: parts.contains))
    }

    /// Whether a place of a definition is one of these.
    func isChoice(_ path: [String]) -> Bool {
        if isNamed(path), [trainKey, "data"].contains(path[2]) { return choices.contains(Array(path.dropFirst(2))) }
        return isModel(path) || choices.contains(isNamed(path) ? ["models", anyName] + path.dropFirst(2) : path)
    }

    /// Whether it is a map of where weights come from.
    func isOrigin(_ path: [String]) -> Bool {
        (isNamed(path) ? Array(path.dropFirst(2)) : path) == [trainKey, "init_from"]
    }

    private let anyName = "<name>", trainKey = "train"
    private func isNamed(_ path: [String]) -> Bool { path.count > 2 && path[0] == "models" }
    private func isModel(_ path: [String]) -> Bool { path.count == 2 && path[0] == "models" }
}
