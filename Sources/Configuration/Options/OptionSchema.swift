/// What a value may be, in the words of JSON Schema (draft-07).
///
/// Any value may be null: in a definition that extends another one, null takes a key away. No key is required, because what is extended may have it.
public indirect enum OptionSchema: Sendable {
    case integer(from: Int, to: Int?)
    case range(from: Double?, to: Double?, isOpen: Bool)
    case flag
    case text
    case names([String])
    case list(of: OptionSchema, orOne: Bool)
    /// A map with these keys and no others.
    case map([OptionDescription])
    /// A map with any names as keys.
    case named(OptionSchema)
    /// A name, or a map with one of these names and other keys beside it.
    case variants([(name: String, below: OptionSchema)], beside: [OptionDescription] = [])
    case either([OptionSchema])
    case anything

    static func number(_ range: some RangeExpression<Double>) -> OptionSchema {
        func finite(_ bound: Double) -> Double? { bound.isFinite ? bound : nil }
        return switch range {
        case let range as ClosedRange<Double>: .range(from: finite(range.lowerBound), to: finite(range.upperBound), isOpen: false)
        case let range as Range<Double>: .range(from: finite(range.lowerBound), to: finite(range.upperBound), isOpen: true)
        case let range as PartialRangeFrom<Double>: .range(from: finite(range.lowerBound), to: nil, isOpen: false)
        default: .range(from: nil, to: nil, isOpen: false)
        }
    }

    /// As a JSON Schema.
    public var node: ConfigurationNode {
        switch self {
        case .integer(let first, let last):
            let bounds = [("minimum", ConfigurationNode.scalar(first))] + (last.map { [("maximum", .scalar($0))] } ?? [])
            return Self.typed("integer", bounds)
        case .range(let first, let last, let isOpen):
            let lower = first.map { [("minimum", ConfigurationNode.scalar($0))] } ?? []
            return Self.typed("number", lower + (last.map { [(isOpen ? "exclusiveMaximum" : "maximum", .scalar($0))] } ?? []))
        case .flag: return Self.typed("boolean")
        case .text: return Self.typed("string")
        case .names(let names):
            return .map([("enum", .list(names.map { .text($0) } + [.none]))])
        case .list(let item, let isOneEnough):
            let list = Self.typed("array", [("items", item.node)])
            return isOneEnough ? Self.any([list, item.node]) : list
        case .map(let keys):
            return Self.typed("object", [("properties", Self.properties(keys)), ("additionalProperties", .scalar(false))])
        case .named(let value):
            return Self.typed("object", [("additionalProperties", value.node)])
        case .variants(let variants, let others):
            let map = Self.typed("object", [
                ("properties", .map(variants.map { ($0.name, $0.below.node) } + others.map { ($0.name, $0.schema.node) })),
                ("additionalProperties", .scalar(false)), ("maxProperties", .scalar(1 + others.count)),
            ])
            return Self.any([OptionSchema.names(variants.map(\.name)).node, map])
        case .either(let schemas): return Self.any(schemas.map(\.node))
        case .anything: return .map([])
        }
    }

    private static func any(_ nodes: [ConfigurationNode]) -> ConfigurationNode { .map([("anyOf", .list(nodes))]) }

    private static func typed(_ type: String, _ rest: [(String, ConfigurationNode)] = []) -> ConfigurationNode {
        .map([("type", .list([.text(type), .text("null")]))] + rest)
    }

    private static func properties(_ keys: [OptionDescription]) -> ConfigurationNode {
        .map(keys.map { key in
            var entries = [("description", ConfigurationNode.text(key.documentation))]
            // Words of its own beside what its kind says.
            entries.append(("allOf", .list([key.schema.node])))
            return (key.name, .map(entries))
        })
    }
}
