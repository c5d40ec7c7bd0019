import Configuration
import Layers
import Models
import RunStore
import TensorCore

/// A parameter or buffer by its name and shape.
struct NamedShape: Equatable {
    let name: String
    let shape: [Int]
    /// The places of position embeddings, between which they may be resampled; nil for all else, and where nobody says them.
    var grid: TokenGrid?
}

/// Which arrays of a model have their values from which of a source: those of the same name, which have to have the same shape.
///
/// A name in torchvision's convention for vision transformers goes for that of timm's where the model has this one, and one in timm's for hybrids for this
/// library's. Position embeddings go for those of another grid, for which they are resampled; where nobody says for which grid they are, as in a file, it has
/// to be a square, or of volumes a cube.
struct WeightMatching {
    /// An array of the model, and the one of the source from which it has its values.
    struct Pair {
        /// Its place among the model's arrays.
        let target: Int
        /// Its place among the source's.
        let source: Int
        /// The grids between which position embeddings are resampled; nil where the values are taken as they are.
        var grids: (old: TokenGrid, new: TokenGrid)?
    }

    private(set) var pairs: [Pair] = []
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
        let sources = Self.named(as: targets, sources)
        var named = Dictionary(sources.indices.map { (sources[$0].name, $0) }, uniquingKeysWith: { first, _ in first })
        for (index, target) in targets.enumerated() where !isExcepted(target.name) {
            let found = named.removeValue(forKey: target.name)
            if let found, let pair = Self.pair(target, at: index, sources[found], at: found) {
                pairs.append(pair)
                continue
            }
            differingNames.append(target.name)
            differences.append(found.map { Self.difference(target, sources[$0]) } ?? "\(target.name) is missing")
        }
        let unknown = named.keys.filter { !isExcepted($0) }.sorted()
        differences += unknown.map { "\($0) is not in the \(what)" }
        differingNames += unknown
        let names = targets.map(\.name) + sources.map(\.name)
        for pattern in patterns where !names.contains(where: pattern.matches) {
            differences.append("except: '\(pattern.text.shortened())' matches nothing; \(pattern.hint(among: names))")
        }
    }

    /// More places than any embedding stands for; a file can declare any number.
    private static let mostTokens = 1 << 16

    /// nil where the shapes do not go together.
    private static func pair(_ target: NamedShape, at index: Int, _ source: NamedShape, at place: Int) -> Pair? {
        let isSameGrid = source.grid == nil || target.grid == nil || source.grid == target.grid
        if source.shape == target.shape, isSameGrid { return Pair(target: index, source: place) }
        guard let new = target.grid, isPositions(source, like: target), let old = source.grid ?? new.equilateral(tokenCount: source.shape[1]),
            old.prefixTokens == new.prefixTokens, old.axes == new.axes
        else { return nil }
        return Pair(target: index, source: place, grids: (old, new))
    }

    private static func isPositions(_ source: NamedShape, like target: NamedShape) -> Bool {
        source.shape.count == 3 && source.shape[0] == 1 && source.shape[2] == target.shape[2] && source.shape[1] <= mostTokens
    }

    /// In what two arrays of one name are not the same.
    private static func difference(_ target: NamedShape, _ source: NamedShape) -> String {
        let shapes = "\(target.name) has the shape \(source.shape), expected \(target.shape)"
        guard let new = target.grid, source.grid == nil, isPositions(source, like: target), source.shape[1] > new.prefixTokens else { return shapes }
        let (count, form) = new.axes == 3 ? ("n · n · n", "cube") : ("n · n", "square grid")
        return "\(shapes), or [1, \(new.prefixTokens) + \(count), \(target.shape[2])] of a \(form)"
    }

    /// The sources, those of another convention under the names that the targets have.
    private static func named(as targets: [NamedShape], _ sources: [NamedShape]) -> [NamedShape] {
        let wanted = Set(targets.map(\.name)), present = Set(sources.map(\.name))
        return sources.map { source in
            guard !wanted.contains(source.name) else { return source }
            let others = [VisionTransformerNames.timm(of: source.name)].compactMap(\.self) + HybridNames.own(of: source.name)
            return others.first { wanted.contains($0) && !present.contains($0) }.map { NamedShape(name: $0, shape: source.shape) } ?? source
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

    /// Checks that everything fits.
    ///
    /// - Throws: `.data` with every difference, a line each, behind what `path` is not.
    func require(of path: String, fitting what: String) throws {
        guard !differences.isEmpty else { return }
        throw UserError(.data, (["\(path): does not fit \(what):"] + differences).joined(separator: "\n"))
    }
}

extension WeightsReader {
    /// Reads what a pair takes from this file.
    ///
    /// - Parameters:
    ///   - stored: the array of the pair's source.
    ///   - target: the memory of its target.
    func read(_ stored: Entry, for pair: WeightMatching.Pair, into target: UnsafeMutableBufferPointer<Float>) throws {
        guard let grids = pair.grids else { return try read(stored, into: target) }
        var values = [Float](repeating: 0, count: stored.count)
        try values.withUnsafeMutableBufferPointer { try read(stored, into: $0) }
        _ = target.update(fromContentsOf: PositionEmbedding.resampled(values, from: grids.old, to: grids.new, width: stored.shape[2]))
    }
}
