import Configuration
import TensorCore

/// A parameter or buffer by its name and shape.
struct NamedShape: Equatable {
    let name: String
    let shape: [Int]
}

/// Which arrays of a model have their values from which of a source: those of the same name, which have to have the same shape.
struct WeightMatching {
    /// Places among the model's arrays and among the source's.
    private(set) var pairs: [(target: Int, source: Int)] = []
    /// In what they are not the same, a sentence's part each; empty when all fit.
    private(set) var differences: [String] = []

    /// - Parameters:
    ///   - except: patterns of names that are left out on both sides.
    ///   - what: the targets together, such as `model`.
    init(_ targets: [NamedShape], from sources: [NamedShape], except patterns: [String] = [], of what: String) {
        let patterns = patterns.map(NamePattern.init)
        func isExcepted(_ name: String) -> Bool { patterns.contains { $0.matches(name) } }
        var named = Dictionary(sources.indices.map { (sources[$0].name, $0) }, uniquingKeysWith: { first, _ in first })
        for (index, target) in targets.enumerated() where !isExcepted(target.name) {
            switch named.removeValue(forKey: target.name) {
            case nil: differences.append("\(target.name) is missing")
            case let found? where sources[found].shape != target.shape:
                differences.append("\(target.name) has the shape \(sources[found].shape), expected \(target.shape)")
            case let found?: pairs.append((index, found))
            }
        }
        differences += named.keys.filter { !isExcepted($0) }.sorted().map { "\($0) is not in the \(what)" }
        let names = targets.map(\.name) + sources.map(\.name)
        for pattern in patterns where !names.contains(where: pattern.matches) {
            differences.append("except: '\(pattern.text.shortened())' matches nothing; \(pattern.hint(among: names))")
        }
    }

    /// All differences, the first eight in words; nil when there are none.
    var complaint: String? {
        guard !differences.isEmpty else { return nil }
        let rest = differences.count > 8 ? "; and \(differences.count - 8) more" : ""
        return differences.prefix(8).joined(separator: "; ") + rest
    }
}
