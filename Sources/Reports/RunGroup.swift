import Foundation
import RunStore

/// Runs that differ by their seed alone.
struct RunGroup {
    let experiment: String
    let model: String
    /// The definition's values that set this group apart from others of the same experiment and model, such as `train.epochs=4`.
    var difference = ""
    /// In the order of their seeds, one for each.
    var runs: [RunSummary]

    /// Groups runs in the order in which they come, and says what it had to leave out.
    static func grouping(_ runs: [RunSummary]) -> (groups: [RunGroup], notes: [String]) {
        struct Key: Hashable { let experiment, model, definition: String }
        var order: [Key] = [], groups: [Key: RunGroup] = [:], notes: [String] = []
        for run in runs {
            let definition = Definition(run.description.configuration)
            let key = Key(experiment: run.description.experiment, model: run.description.model, definition: definition.identity)
            if groups[key] == nil {
                order.append(key)
                groups[key] = RunGroup(experiment: key.experiment, model: key.model, runs: [])
            }
            let seed = run.description.seed
            if let twin = groups[key]?.runs.first(where: { $0.description.seed == seed }) {
                notes.append("\(run.folder.path): the same trial as \(twin.folder.path), left out")
            } else {
                groups[key]?.runs.append(run)
            }
        }
        var result = order.compactMap { groups[$0] }
        for index in result.indices { result[index].runs.sort { $0.description.seed < $1.description.seed } }
        nameDifferences(&result)
        return (result, notes)
    }

    /// Gives groups of one experiment and model the values in which they differ.
    private static func nameDifferences(_ groups: inout [RunGroup]) {
        let indices = Dictionary(grouping: groups.indices) { [groups[$0].experiment, groups[$0].model] }
        for twins in indices.values where twins.count > 1 {
            let definitions = twins.map { Definition(groups[$0].runs[0].description.configuration).values }
            let paths = Set(definitions.flatMap(\.keys)).sorted().filter { path in
                Set(definitions.map { $0[path] ?? "" }).count > 1
            }
            for (index, values) in zip(twins, definitions) {
                groups[index].difference = paths.map { "\($0)=\(values[$0] ?? none)" }.joined(separator: " ")
            }
        }
    }
}

/// A stored definition without its seeds.
private struct Definition {
    /// Every scalar under its dotted path, such as `train.epochs`.
    private(set) var values: [String: String] = [:]
    /// Equal for definitions that differ by their seeds alone.
    let identity: String

    /// - Parameter text: JSON; any other text is compared as it stands.
    init(_ text: String) {
        guard case .map(var root)? = try? JSONDecoder().decode(JSONValue.self, from: Data(text.utf8)) else {
            identity = text
            return
        }
        root["seeds"] = nil
        values = JSONValue.map(root).scalars(path: "")
        identity = values.sorted { $0.key < $1.key }.map { "\($0.key)=\($0.value)" }.joined(separator: "\n")
    }
}

private enum JSONValue: Decodable {
    case map([String: JSONValue])
    case list([JSONValue])
    case scalar(String)

    init(from decoder: any Decoder) throws {
        let container = try decoder.singleValueContainer()
        if let map = try? container.decode([String: JSONValue].self) {
            self = .map(map)
        } else if let list = try? container.decode([JSONValue].self) {
            self = .list(list)
        } else if let flag = try? container.decode(Bool.self) {
            self = .scalar("\(flag)")
        } else if let integer = try? container.decode(Int.self) {
            self = .scalar("\(integer)")
        } else if let number = try? container.decode(Double.self) {
            self = .scalar("\(number)")
        } else {
            self = .scalar(try container.decode(String?.self) ?? "null")
        }
    }

    /// Every scalar below, under its path; an empty map or list counts as one.
    func scalars(path: String) -> [String: String] {
        func merged(_ parts: [[String: String]], empty: String) -> [String: String] {
            parts.isEmpty ? [path: empty] : parts.reduce(into: [:]) { $0.merge($1) { first, _ in first } }
        }
        return switch self {
        case .map(let map): merged(map.map { $1.scalars(path: path.isEmpty ? $0 : "\(path).\($0)") }, empty: "{}")
        case .list(let list): merged(list.enumerated().map { $1.scalars(path: "\(path)[\($0)]") }, empty: "[]")
        case .scalar(let text): [path: text]
        }
    }
}
