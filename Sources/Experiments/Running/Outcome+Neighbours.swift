import Configuration
import Foundation
import RunStore

extension Runner.Outcome {
    /// A sentence for each folder beside which runs of the same model and seed lie, by other definitions: only the digits at the names'
    /// ends tell them apart.
    public var neighbours: [String] {
        let limit = 5
        let lines = folders.compactMap { folder -> String? in
            let others = folder.neighbours
            guard !others.isEmpty else { return nil }
            let names = others.prefix(limit).joined(separator: ", ") + (others.count > limit ? ", …" : "")
            return "this run of \((folder.path as NSString).lastPathComponent) is not the only one of its model and seed; beside it there are \(names)"
        }
        guard lines.count > limit else { return lines }
        return lines.prefix(limit) + ["\(grouped(lines.count - limit)) more runs have others of their model and seed beside them"]
    }
}

extension RunFolder {
    /// The names of the other runs of this folder's model and seed in its experiment, sorted.
    var neighbours: [String] {
        let name = (path as NSString).lastPathComponent, parent = path.parentPath
        // `<model>-s<seed>-<8 digits>`
        let prefix = name.dropLast(8)
        let names = (try? FileManager.default.contentsOfDirectory(atPath: parent)) ?? []
        return names.filter {
            $0 != name && $0.count == name.count && $0.hasPrefix(prefix) && RunFolder(path: "\(parent)/\($0)").hasRun
        }.sorted()
    }
}
