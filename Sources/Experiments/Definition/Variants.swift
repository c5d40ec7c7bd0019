import Models

/// The places of a definition where one of several variants is chosen by its key, `optimizer: {adamw: {…}}`.
enum Variants {
    /// Whether `key` in the map at `path`, which has the keys `present`, would be a second variant.
    static func excludes(_ key: String, among present: Set<String>, at path: [String]) -> Bool {
        guard isChoice(path), !present.isEmpty, !present.contains(key) else { return false }
        // A hybrid's map has several keys.
        let parts = ModelRegistry.hybridKeys
        return !(isModel(path) && parts.contains(key) && present.contains(where: parts.contains))
    }

    /// Whether a place of a definition is one of these.
    static func isChoice(_ path: [String]) -> Bool {
        isModel(path) || ["optimizer", "schedule", "backbone", "initialization", "norm"].contains(path.last)
    }

    private static func isModel(_ path: [String]) -> Bool { path.count == 2 && path[0] == "models" }
}
