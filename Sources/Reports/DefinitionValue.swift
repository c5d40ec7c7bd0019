import Configuration
import RunStore

/// A run's definition inside a JSON document: the value that its text stands for, or the text where that cannot be read.
struct DefinitionValue: Encodable {
    private let node: ConfigurationNode

    /// The definition of a run.
    init(_ run: RunDescription) { self.init(run.definition ?? .text(run.configuration)) }

    private init(_ node: ConfigurationNode) { self.node = node }

    /// The keys of a map stay as they are: they may be names of models.
    func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        switch node.value {
        case .map(let entries):
            try container.encode(Dictionary(entries.map { ($0.key, DefinitionValue($0.node)) }) { first, _ in first })
        case .list(let items): try container.encode(items.map(DefinitionValue.init))
        case .null: try container.encodeNil()
        case .scalar(let text, quoted: true): try container.encode(text)
        case .scalar(let text, quoted: false):
            if let flag = Bool(text) {
                try container.encode(flag)
            } else if let integer = Int(text) {
                try container.encode(integer)
            } else if let number = Double(text) {
                try container.encode(number)
            } else {
                try container.encode(text)
            }
        }
    }
}
