import Configuration
import Models

/// The places of a definition where one of several variants is chosen by its key, `optimizer: {adamw: {…}}`.
enum Variants {
    /// Whether `key` in the map at `path`, which has the keys `present`, would be a second variant.
    static func excludes(_ key: String, among present: Set<String>, at path: [String]) -> Bool {
        // A model's training stands beside its family.
        let present = isModel(path) ? present.subtracting([trainKey]) : present
        guard isChoice(path), !present.isEmpty, !present.contains(key), !(isModel(path) && key == trainKey) else { return false }
        // A hybrid's map has several keys.
        let parts = ModelRegistry.hybridKeys
        return !(isModel(path) && parts.contains(key) && present.contains(where: parts.contains))
    }

    /// Whether a place of a definition is one of these.
    static func isChoice(_ path: [String]) -> Bool {
        if isNamed(path), path[2] == trainKey { return choices.contains(Array(path.dropFirst(2))) }
        return isModel(path) || choices.contains(isNamed(path) ? ["models", anyName] + path.dropFirst(2) : path)
    }

    /// Their paths, with `<name>` in the place of a model's own name.
    private static let choices: Set<[String]> = {
        var found: Set<[String]> = []
        func search(_ keys: [OptionDescription], _ path: [String]) {
            for key in keys {
                let own = path + [key.name]
                if case .variants = key.schema { found.insert(own) }
                search(key.children, own)
            }
        }
        search(Definition.keys(), [])
        return found
    }()

    private static let anyName = "<name>", trainKey = "train"
    private static func isNamed(_ path: [String]) -> Bool { path.count > 2 && path[0] == "models" }
    private static func isModel(_ path: [String]) -> Bool { path.count == 2 && path[0] == "models" }
}
