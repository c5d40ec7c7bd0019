import Foundation

/// The file that a definition was read from: what its experiment is called, and how a sweep's plan names it.
struct DefinitionFile: Sendable, Equatable {
    let path: String
    /// The path's parts below the nearest folder `Experiments`; nil for a file elsewhere.
    private let partsBelowExperiments: [String]?

    init(_ url: URL) {
        path = url.standardizedFileURL.path
        let parts = path.split(separator: "/").map(String.init)
        partsBelowExperiments = parts.dropLast().lastIndex(of: "Experiments").map { Array(parts[($0 + 1)...]) }
    }

    /// The path below `Experiments` without its ending, `ablations/depth`; the file's name for a file elsewhere.
    var experiment: String {
        let name = ((path as NSString).lastPathComponent as NSString).deletingPathExtension
        return ((partsBelowExperiments ?? []).dropLast() + [name]).joined(separator: "/")
    }

    /// How a plan in a folder of results names the file: `Experiments/ablations/depth.yaml`, wherever that lies; a file elsewhere by its path from
    /// the folder that holds the results. Never an absolute path, which would end with a move.
    func name(results: URL) -> String {
        if let parts = partsBelowExperiments { return (["Experiments"] + parts).joined(separator: "/") }
        let base = results.standardizedFileURL.deletingLastPathComponent().path.split(separator: "/"), parts = path.split(separator: "/")
        let shared = zip(base, parts).prefix { $0 == $1 }.count
        return (base.dropFirst(shared).map { _ in ".." } + parts.dropFirst(shared)).joined(separator: "/")
    }
}

/// The last part of an experiment's name, `depth` of `ablations/depth`, under which earlier versions of the program put its results.
enum EarlierName {
    /// nil where the whole name has one part.
    static func of(_ experiment: String) -> String? {
        experiment.contains("/") ? experiment.split(separator: "/").last.map(String.init) : nil
    }
}
