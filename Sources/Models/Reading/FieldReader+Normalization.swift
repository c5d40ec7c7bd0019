import Configuration
import Layers

extension FieldReader {
    /// What normalizes a convolutional network: `batch`, `layer`, `group`, `{group: {groups: 4}}`, `none`.
    ///
    /// Groups have to divide `channels`, those of the first stage; the others have multiples of them.
    mutating func normalization(_ key: String, default value: NormalizationKind, dividing channels: Int) -> NormalizationKind {
        guard let (name, node, path) = variant(key) else { return value }
        var options = FieldReader(node, path: path, errors: errors)
        let result: NormalizationKind
        switch name {
        case "batch": result = .batch
        case "layer": result = .layer
        case "none": result = .none
        case "group":
            let groups = options.integer("groups", default: NormalizationKind.defaultGroups, in: Self.counts)
            if channels % groups != 0 { report("\(groups) groups do not divide the \(channels) channels of the first stage", at: key) }
            result = .group(groups: groups)
        default:
            report("unknown normalization '\(name)'\(suggestion(for: name, among: NormalizationKind.names))", at: key)
            return value
        }
        options.finish()
        return result
    }
}
