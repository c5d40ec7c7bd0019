import Foundation

/// A run's definition inside a JSON document: the value that its text stands for, or the text where that is no JSON.
enum DefinitionValue: Codable {
    case map([String: DefinitionValue])
    case list([DefinitionValue])
    case flag(Bool)
    case integer(Int)
    case number(Double)
    case text(String)
    case null

    init(_ text: String) {
        self = (try? JSONDecoder().decode(DefinitionValue.self, from: Data(text.utf8))) ?? .text(text)
    }

    init(from decoder: any Decoder) throws {
        let container = try decoder.singleValueContainer()
        if let map = try? container.decode([String: DefinitionValue].self) {
            self = .map(map)
        } else if let list = try? container.decode([DefinitionValue].self) {
            self = .list(list)
        } else if let flag = try? container.decode(Bool.self) {
            self = .flag(flag)
        } else if let integer = try? container.decode(Int.self) {
            self = .integer(integer)
        } else if let number = try? container.decode(Double.self) {
            self = .number(number)
        } else {
            self = try container.decode(String?.self).map(Self.text) ?? .null
        }
    }

    /// The keys of a map stay as they are: they may be names of models.
    func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        switch self {
        case .map(let map): try container.encode(map)
        case .list(let list): try container.encode(list)
        case .flag(let flag): try container.encode(flag)
        case .integer(let integer): try container.encode(integer)
        case .number(let number): try container.encode(number)
        case .text(let text): try container.encode(text)
        case .null: try container.encodeNil()
        }
    }
}
