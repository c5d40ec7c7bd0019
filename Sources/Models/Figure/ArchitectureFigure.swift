import Configuration
import TensorCore

/// A drawing of a network: what it computes as boxes from the images above to the results below, with arrows for what goes where.
///
/// A convolution or linear layer is one box with the norm and activation behind it; attention, the two linear layers of a transformer's block, and
/// squeeze and excitation are one each. Three or more equal blocks in a row are drawn once, in a frame that says how many there are.
public struct ArchitectureFigure: Sendable {
    /// What a box stands for, which gives it its colour.
    enum Kind: String, CaseIterable, Sendable {
        case input, convolution, linear, pooling, attention, join, other
    }

    struct Box: Sendable {
        let kind: Kind
        let label: String
        /// The shape of what it gives for one image, such as `64×56×56`, channels first as papers write it.
        let shape: String
        /// The boxes whose results it takes; the first box is the images.
        var sources: [Int]
        /// The frame that it lies in, by its place in `frames`.
        let frame: Int?
    }

    /// Equal blocks that are drawn once.
    struct Frame: Sendable {
        let count: Int
    }

    let title: String
    let subtitle: String
    private(set) var boxes: [Box] = []
    private(set) var frames: [Frame] = []

    /// Throws the first thing that does not fit images of this size.
    ///
    /// - Parameter title: stands above the drawing.
    public init(_ definition: ModelDefinition, title: String, input: ImageShape, classes: Int) throws(RecordingError) {
        let graph = Graph()
        _ = definition.record(graph.input("images", [1, input.height, input.width, input.channels]), classes: classes, in: graph.root)
        try graph.validate()
        self.title = title
        subtitle = "\(grouped(graph.parameterCount)) parameters, \(grouped(graph.multiplyAdds)) multiply-adds"
        let units = Self.leadingToTheEnd(Self.units(of: graph.layerSummary()))
        let repeats = Repeats(units)
        boxes = [Box(kind: .input, label: "images", shape: Self.text([1, input.height, input.width, input.channels]), sources: [], frame: nil)]
        frames = repeats.counts.map { Frame(count: $0) }
        // Boxes of blocks that are not drawn are those of the first of their kind.
        var places: [Int: Int] = [:]
        for (index, unit) in units.enumerated() {
            guard repeats.representative[index] == index else {
                places[index] = places[repeats.representative[index]]
                continue
            }
            let sources = unit.sources.map { places[$0]! }
            places[index] = boxes.count
            boxes.append(Box(
                kind: unit.kind, label: unit.label, shape: Self.text(unit.rows[unit.rows.count - 1].outputShape),
                sources: unit.takesImages ? [0] + sources : sources, frame: repeats.frame[index]))
        }
        // What a block takes from the one before it, the drawn one takes from what comes before all of them.
        for (index, unit) in units.enumerated() where repeats.representative[index] != index {
            for source in unit.sources {
                let from = places[source]!, to = places[index]!
                if from < to, !boxes[to].sources.contains(from) { boxes[to].sources.append(from) }
            }
        }
    }

    /// `7×7×512` becomes `512×7×7`, of tokens `197×768`.
    private static func text(_ shape: Shape) -> String {
        let lengths = Array(shape.dropFirst())
        let ordered = lengths.count == 3 ? [lengths[2], lengths[0], lengths[1]] : lengths
        return ordered.map(String.init).joined(separator: "×")
    }
}

// MARK: Units

extension ArchitectureFigure {
    /// Rows of a model's listing that are drawn as one box.
    struct Unit {
        /// The path that names it: of the module, or of the part such as `attn`.
        let path: String
        var rows: [LayerSummary]
        /// The units whose results it takes.
        var sources: [Int]
        /// Whether it takes the images themselves.
        let takesImages: Bool

        private var kinds: Set<String> { Set(rows.flatMap { $0.kind.split(separator: ", ").map(String.init) }) }

        var kind: Kind {
            let kinds = kinds
            if kinds.contains("attention") || kinds.contains("softmax") && kinds.contains("matmul") { return .attention }
            if kinds.contains(where: { $0.hasSuffix("convolution") }) { return rows[0].kind.contains("pool") ? .pooling : .convolution }
            if kinds.contains("linear") { return .linear }
            if kinds.contains("concatenate") || sources.count > 1 { return .join }
            return kinds.contains(where: { $0.contains("pool") || $0 == "sum" || $0 == "mean" }) ? .pooling : .other
        }

        var label: String {
            let kinds = kinds
            switch kind {
            case .attention: return "attention"
            case .convolution, .linear:
                if isComposite(path) { return String(path.split(separator: ".").last!) == "se" ? "squeeze and excitation" : widths }
                guard let weights = rows.first(where: { $0.weightShape != nil })?.weightShape else { return "linear" }
                guard weights.rank == 4 else { return "linear" }
                let kind = rows[0].kind.split(separator: ", ").first { $0.hasSuffix("convolution") } ?? "convolution"
                // Of a grouped one the rest goes without saying.
                return "\(weights[2])×\(weights[3]) \(kind.hasSuffix(" convolution") ? kind.dropLast(" convolution".count) : kind)"
            // A batch norm may add what goes past the block.
            case .join: return kinds.contains("concatenate") ? "concatenate" : kinds.contains("multiply") ? "×" : "+"
            case .pooling: return kinds.contains("max pool") ? "max-pool" : kinds.contains("min pool") ? "min-pool" : "average pool"
            default: return rows[0].kind
            }
        }

        /// The widths of linear layers one behind another.
        private var widths: String {
            let weights = rows.compactMap(\.weightShape).filter { $0.rank == 2 }
            guard let first = weights.first else { return "linear" }
            return "linear \(first[1]) → \(weights.map { String($0[0]) }.joined(separator: " → "))"
        }
    }

    /// Parts that are drawn as one, by the name of the module.
    private static let composites: Set<String> = ["attn", "mlp", "se"]

    static func isComposite(_ path: String) -> Bool { path.split(separator: ".").last.map { composites.contains(String($0)) } ?? false }

    /// The path of the composite that a module belongs to, or the module's own.
    private static func unitPath(_ path: String) -> String {
        let parts = path.split(separator: ".")
        guard let place = parts.firstIndex(where: { composites.contains(String($0)) }) else { return path }
        return parts[...place].joined(separator: ".")
    }

    /// What stands behind a convolution or linear layer and belongs to it: a norm, an activation.
    private static func isCompanion(_ row: LayerSummary, of unit: Unit) -> Bool {
        guard row.multiplyAdds == 0, row.sources.count == 1, !isComposite(unit.path) else { return false }
        // A map that becomes another map, as where patches are merged, is a step of its own.
        let before = unit.rows[unit.rows.count - 1].outputShape, isAnotherMap = before.rank == 4 && row.outputShape.rank == 4 && before[1] != row.outputShape[1]
        if ["reshape", "transpose", "cast", "dropout"].contains(row.kind) { return !isAnotherMap }
        return [.convolution, .linear].contains(unit.kind) && !["pool", "concatenate", "sum", "slice"].contains { row.kind.contains($0) }
    }

    /// Without what the last one, which gives the model's result, does not take from.
    static func leadingToTheEnd(_ units: [Unit]) -> [Unit] {
        var isNeeded = [Bool](repeating: false, count: units.count)
        if !units.isEmpty { isNeeded[units.count - 1] = true }
        for index in units.indices.reversed() where isNeeded[index] { for source in units[index].sources { isNeeded[source] = true } }
        var places = [Int](repeating: 0, count: units.count), kept: [Unit] = []
        for (index, unit) in units.enumerated() where isNeeded[index] {
            places[index] = kept.count
            kept.append(unit)
            kept[kept.count - 1].sources = unit.sources.map { places[$0] }
        }
        return kept
    }

    static func units(of rows: [LayerSummary]) -> [Unit] {
        var readers = [Int](repeating: 0, count: rows.count)
        for row in rows { for source in row.sources { readers[source] += 1 } }
        var units: [Unit] = [], unitOfRow: [Int] = []
        for row in rows {
            let path = unitPath(row.path), sources = Set(row.sources.map { unitOfRow[$0] })
            if isComposite(path), let last = units.indices.last, units[last].path == path {
                units[last].rows.append(row)
                units[last].sources = Set(units[last].sources).union(sources).subtracting([last]).sorted()
                unitOfRow.append(last)
            } else if let source = row.sources.first, readers[source] == 1, !isComposite(path), isCompanion(row, of: units[unitOfRow[source]]) {
                units[unitOfRow[source]].rows.append(row)
                unitOfRow.append(unitOfRow[source])
            } else {
                units.append(Unit(path: path, rows: [row], sources: sources.sorted(), takesImages: sources.isEmpty))
                unitOfRow.append(units.count - 1)
            }
        }
        return units
    }
}

// MARK: Repeats

extension ArchitectureFigure {
    /// Blocks that lie one behind another and are equal, such as `blocks.0`, `blocks.1`, ….
    struct Repeats {
        /// For each unit the one that is drawn for it: itself, or that of the first block.
        private(set) var representative: [Int]
        /// For each unit the frame that it is drawn in.
        private(set) var frame: [Int?]
        /// How many blocks each frame stands for.
        private(set) var counts: [Int] = []

        init(_ units: [Unit]) {
            representative = Array(units.indices)
            frame = Array(repeating: nil, count: units.count)
            var runs: [(name: String, units: Range<Int>, signature: [String])] = []
            for (index, unit) in units.enumerated() {
                guard let block = Self.block(of: unit.path) else { continue }
                let signature = Self.signature(of: unit, below: block)
                if let last = runs.last, last.name == block, last.units.upperBound == index {
                    runs[runs.count - 1].units = last.units.lowerBound..<index + 1
                    runs[runs.count - 1].signature.append(signature)
                } else {
                    runs.append((block, index..<index + 1, [signature]))
                }
            }
            var first = 0
            while first < runs.count {
                var end = first + 1
                while end < runs.count, runs[end].signature == runs[first].signature, runs[end].units.lowerBound == runs[end - 1].units.upperBound,
                    Self.parent(runs[end].name) == Self.parent(runs[first].name)
                { end += 1 }
                if end - first >= 3 {
                    for run in runs[first..<end] {
                        for (offset, index) in run.units.enumerated() {
                            representative[index] = runs[first].units.lowerBound + offset
                            frame[index] = counts.count
                        }
                    }
                    counts.append(end - first)
                }
                first = end
            }
        }

        /// `blocks.3.attn` → `blocks.3`: up to the first number.
        private static func block(of path: String) -> String? {
            let parts = path.split(separator: ".")
            return parts.firstIndex { Int($0) != nil }.map { parts[...$0].joined(separator: ".") }
        }

        private static func parent(_ block: String) -> Substring { block.prefix(upTo: block.lastIndex(of: ".") ?? block.startIndex) }

        private static func signature(of unit: Unit, below block: String) -> String {
            "\(unit.path.dropFirst(block.count)) \(unit.label) \(unit.rows.map { "\($0.kind) \($0.outputShape) \($0.parameters)" })"
        }
    }
}
