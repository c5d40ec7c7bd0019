import HDF5
import Measures

/// The measures of a run as its file names them: the columns of `/metrics/train` between the counters and what is of no task, in their
/// order, each with its unit, with `better`, which says whether larger or smaller values are better, where it has some with `bounds`, and
/// with `occasion` where it is of training alone. What is of evaluation alone has these at its column of `/metrics/epoch`, and comes last.
/// That group's `monitor` names the measure by which the best weights are found.
enum StoredMeasures {
    private static let better = "better", bounds = "bounds", occasion = "occasion", monitor = "monitor"

    /// Adds what the columns do not say; they are there already.
    static func write(_ measures: [Measure], monitored: String, to file: borrowing HDF5Writer) throws {
        for measure in measures {
            let path = measure.isOfTraining ? "\(StepRecord.group)/\(measure.name)" : "\(EpochRecord.group)/\(Monitor.prefix)\(measure.name)"
            try file.setAttribute(better, of: path, to: measure.better.rawValue)
            if measure.occasion != .always { try file.setAttribute(occasion, of: path, to: measure.occasion.rawValue) }
            if let bounds = measure.bounds { try file.setAttribute(Self.bounds, of: path, to: [bounds.lowerBound, bounds.upperBound]) }
        }
        try file.setAttribute(monitor, of: EpochRecord.group, to: monitored)
    }

    /// The measures, and the name of the one by which the best weights are found.
    static func read(from file: HDF5Reader) throws -> ([Measure], monitored: String) {
        let counters = StepRecord.counters + StepRecord.others + ["title"]
        let trained = try file.children(of: StepRecord.group).filter { !counters.contains($0) }
        var evaluated: [String] = [], named: String?
        if file.exists(EpochRecord.group) {
            evaluated = try file.children(of: EpochRecord.group).filter { $0.hasPrefix(Monitor.prefix) }.map { String($0.dropFirst(Monitor.prefix.count)) }
            named = try file.attributeStrings(monitor, of: EpochRecord.group)?.first
        }
        let others = try evaluated.filter { !trained.contains($0) }.map { (name: $0, path: "\(EpochRecord.group)/\(Monitor.prefix)\($0)") }
            .filter { try file.attributeStrings(occasion, of: $0.path) != nil }
        let measures = try (trained.map { ($0, "\(StepRecord.group)/\($0)") } + others).map { try measure($0, at: $1, in: file) }
        // In a file that does not say, the first measure beside the loss.
        return (measures, named ?? measures.first { $0.name != Measure.lossName }?.name ?? Measure.lossName)
    }

    private static func measure(_ name: String, at path: String, in file: HDF5Reader) throws -> Measure {
        let unit = try file.attributeStrings("units", of: path)?.first ?? "1"
        guard let better = try file.attributeStrings(better, of: path)?.first.flatMap(Measure.Direction.init) else {
            // Files that do not say have a loss and shares that are to be large.
            return name == Measure.lossName
                ? Measure(name, unit: unit, better: .smaller) : Measure(name, unit: unit, better: .larger, bounds: unit == "1" ? 0...1 : nil)
        }
        let bounds = try file.attribute(bounds, of: path, as: Double.self).flatMap { pair in
            pair.count == 2 && pair[0] <= pair[1] ? pair[0]...pair[1] : nil
        }
        let occasion = try file.attributeStrings(occasion, of: path)?.first.flatMap(Measure.Occasion.init) ?? .always
        return Measure(name, unit: unit, better: better, bounds: bounds, occasion: occasion)
    }
}
