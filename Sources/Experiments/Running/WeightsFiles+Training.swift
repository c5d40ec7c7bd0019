import Configuration
import RunStore
import Training

extension WeightsWriter {
    /// Writes the parameters and buffers of a training, and what its optimizer and its averages keep if `includingOptimizer`.
    func write(_ arrays: TrainingArrays, includingOptimizer: Bool) throws {
        try write(arrays.parameters, under: "/parameters")
        try write(arrays.buffers, under: "/buffers")
        guard includingOptimizer else { return }
        for (slot, arrays) in arrays.optimizer.sorted(by: { $0.slot < $1.slot }) { try write(arrays, under: "/optimizer/\(slot)") }
        for (name, parameters, buffers) in arrays.averages {
            try write(parameters, under: "\(WeightsReader.averagesGroup)/\(name.rawValue)/parameters")
            try write(buffers, under: "\(WeightsReader.averagesGroup)/\(name.rawValue)/buffers")
        }
    }

    /// Writes arrays of a training under a group.
    func write(_ arrays: [TrainingArray], under group: String) throws {
        try write(arrays.map { ArrayView(name: $0.name, shape: $0.shape.dimensions, values: $0.values) }, under: group)
    }
}

extension WeightsReader {
    /// Gives the parameters and buffers of a training the numbers of this file, and what its optimizer and its averages keep if `includingOptimizer`.
    ///
    /// - Throws: `.data` when the file is of another model, optimizer or averages, before anything is changed; or when it cannot be read.
    func fill(_ arrays: TrainingArrays, includingOptimizer: Bool) throws {
        var pairs = try matched(arrays.parameters, parameters, of: "model") + matched(arrays.buffers, buffers, of: "model")
        if includingOptimizer {
            let (expected, found) = (arrays.optimizer.map(\.slot).sorted(), optimizer.map(\.slot).sorted())
            guard expected == found else { throw another("optimizer", "it keeps \(list(found)), expected \(list(expected))") }
            for (slot, targets) in arrays.optimizer {
                pairs += try matched(targets, optimizer.first { $0.slot == slot }!.arrays, of: "optimizer")
            }
            let names = arrays.averages.map(\.name.rawValue)
            guard averages.map(\.name) == names else { throw another("training", "it averages \(list(averages.map(\.name))), expected \(list(names))") }
            for (targets, stored) in zip(arrays.averages, averages) {
                pairs += try matched(targets.parameters, stored.parameters, of: "model") + matched(targets.buffers, stored.buffers, of: "model")
            }
        }
        for (target, stored) in pairs { try read(stored, into: target.values) }
    }

    /// Gives a model's parameters and buffers the numbers of this file.
    ///
    /// - Throws: `.data` when the file is of another model, before anything is changed; or when it cannot be read.
    func fill(_ arrays: (parameters: [TrainingArray], buffers: [TrainingArray])) throws {
        let pairs = try matched(arrays.parameters, parameters, of: "model") + matched(arrays.buffers, buffers, of: "model")
        for (target, stored) in pairs { try read(stored, into: target.values) }
    }

    private func list(_ names: [String]) -> String { names.isEmpty ? "nothing" : names.joined(separator: " and ") }

    /// Each array with the one of the file that has its name, if they are the same by name and shape.
    private func matched(_ targets: [TrainingArray], _ stored: [Entry], of what: String) throws -> [(TrainingArray, Entry)] {
        let shapes = targets.map { NamedShape(name: $0.name, shape: $0.shape.dimensions) }
        let matching = WeightMatching(shapes, from: stored.shapes, of: what)
        if let complaint = matching.complaint { throw another(what, complaint) }
        return matching.pairs.map { (targets[$0.target], stored[$0.source]) }
    }

    private func another(_ what: String, _ complaint: String) -> UserError { UserError(.data, "\(path): is of another \(what): \(complaint)") }
}
