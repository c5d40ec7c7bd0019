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
    /// The names in them.
    private var differingNames: [String] = []

    /// - Parameters:
    ///   - except: patterns of names that are left out on both sides.
    ///   - what: the targets together, such as `model`.
    init(_ targets: [NamedShape], from sources: [NamedShape], except patterns: [String] = [], of what: String) {
        let patterns = patterns.map(NamePattern.init)
        func isExcepted(_ name: String) -> Bool { patterns.contains { $0.matches(name) } }
        var named = Dictionary(sources.indices.map { (sources[$0].name, $0) }, uniquingKeysWith: { first, _ in first })
        for (index, target) in targets.enumerated() where !isExcepted(target.name) {
            let found = named.removeValue(forKey: target.name)
            if found.map({ sources[$0].shape != target.shape }) ?? true { differingNames.append(target.name) }
            switch found {
            case nil: differences.append("\(target.name) is missing")
            case let found? where sources[found].shape != target.shape:
                differences.append("\(target.name) has the shape \(sources[found].shape), expected \(target.shape)")
            case let found?: pairs.append((index, found))
            }
        }
        let unknown = named.keys.filter { !isExcepted($0) }.sorted()
        differences += unknown.map { "\($0) is not in the \(what)" }
        differingNames += unknown
        let names = targets.map(\.name) + sources.map(\.name)
        for pattern in patterns where !names.contains(where: pattern.matches) {
            differences.append("except: '\(pattern.text.shortened())' matches nothing; \(pattern.hint(among: names))")
        }
    }

    /// A pattern that leaves out all that is different, where that begins alike: `head.*`; nil where it does not.
    var exception: String? {
        let beginnings = Set(differingNames.map { $0.prefix { $0 != "." } })
        return beginnings.count == 1 && differingNames.count == differences.count ? beginnings.first.map { "\($0).*" } : nil
    }

    /// All differences, the first eight in words; nil when there are none.
    var complaint: String? {
        guard !differences.isEmpty else { return nil }
        let rest = differences.count > 8 ? "; and \(differences.count - 8) more" : ""
        return differences.prefix(8).joined(separator: "; ") + rest
    }
}
