import HDF5
import Measures

/// The measures of a run as its file names them: the columns of `/metrics/train` between the counters and what is of no task, in their
/// order, each with its unit, with `better`, which says whether larger or smaller values are better, where it has some with `bounds`, and
/// with `occasion` where it is of training alone. What is of evaluation alone has these at its column of `/metrics/epoch`, and comes last.
extension [Measure] {
    private static let better = "better", bounds = "bounds", occasion = "occasion"

    /// Adds what the columns do not say; they are there already.
    func write(to file: borrowing HDF5Writer) throws {
        for measure in self {
            let path = measure.isOfTraining ? "\(StepRecord.group)/\(measure.name)" : "\(EpochRecord.group)/\(Monitor.prefix)\(measure.name)"
            try file.setAttribute(Self.better, of: path, to: measure.better.rawValue)
            if measure.occasion != .always { try file.setAttribute(Self.occasion, of: path, to: measure.occasion.rawValue) }
            if let bounds = measure.bounds { try file.setAttribute(Self.bounds, of: path, to: [bounds.lowerBound, bounds.upperBound]) }
        }
    }

    init(from file: HDF5Reader) throws {
        let group = StepRecord.group, evaluated = "\(EpochRecord.group)/\(Monitor.prefix)"
        let names = try file.children(of: group).filter { !(StepRecord.counters + StepRecord.others + ["title"]).contains($0) }
        let others = try (file.exists(EpochRecord.group) ? file.children(of: EpochRecord.group) : []).filter { $0.hasPrefix(Monitor.prefix) }
            .map { String($0.dropFirst(Monitor.prefix.count)) }.filter { !names.contains($0) }.filter { try file.attributeStrings(Self.occasion, of: evaluated + $0) != nil }
        self = try (names.map { ($0, "\(group)/\($0)") } + others.map { ($0, evaluated + $0) }).map { name, path in
            let unit = try file.attributeStrings("units", of: path)?.first ?? "1"
            guard let better = try file.attributeStrings(Self.better, of: path)?.first.flatMap(Measure.Direction.init) else {
                // Files that do not say have a loss and shares that are to be large.
                return name == Measure.lossName
                    ? Measure(name, unit: unit, better: .smaller) : Measure(name, unit: unit, better: .larger, bounds: unit == "1" ? 0...1 : nil)
            }
            let bounds = try file.attribute(Self.bounds, of: path, as: Double.self).flatMap { pair in
                pair.count == 2 && pair[0] <= pair[1] ? pair[0]...pair[1] : nil
            }
            let occasion = try file.attributeStrings(Self.occasion, of: path)?.first.flatMap(Measure.Occasion.init) ?? .always
            return Measure(name, unit: unit, better: better, bounds: bounds, occasion: occasion)
        }
    }
}

/// The name of the measure by which the best weights were found, an attribute of `/metrics/epoch`.
enum StoredMonitor {
    private static let name = "monitor"

    static func write(_ monitored: String, to file: borrowing HDF5Writer) throws {
        try file.setAttribute(name, of: EpochRecord.group, to: monitored)
    }

    /// In a file that does not say, the first measure beside the loss.
    static func read(from file: HDF5Reader, _ measures: [Measure]) throws -> String {
        try file.attributeStrings(name, of: EpochRecord.group)?.first ?? measures.first { $0.name != Measure.lossName }?.name ?? Measure.lossName
    }
}
