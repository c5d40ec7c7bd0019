import Configuration
import Foundation
import Measures
import RunStore
import Training
import VisionData

/// The mean of several runs' best weights, in a model that measures it.
///
/// Wortsman et al., "Model soups: averaging weights of multiple fine-tuned models improves accuracy without increasing inference time", ICML 2022.
final class WeightSoup {
    private let evaluation: ModelEvaluation
    private let members: [RunFolder]
    /// The one by which a greedy soup is chosen.
    private let monitor: Monitor
    /// Whose frozen batch norms keep their statistics, from 0.
    private let lastEpoch: Int
    private let shouldStop: () -> Bool
    /// Of the weights that were taken, in double precision.
    private var sums: [[Double]]
    /// Which of the members were taken, in the order of the members.
    private(set) var isTaken: [Bool]

    /// A wish to end before the soup is made.
    struct Interruption: Error {}

    init(_ evaluation: ModelEvaluation, of members: [RunFolder], monitor: Monitor, lastEpoch: Int, shouldStop: @escaping () -> Bool) {
        (self.evaluation, self.members, self.monitor, self.lastEpoch, self.shouldStop) = (evaluation, members, monitor, lastEpoch, shouldStop)
        sums = (evaluation.arrays.parameters + evaluation.arrays.buffers).map { [Double](repeating: 0, count: $0.values.count) }
        isTaken = members.map { _ in false }
    }

    /// What is said where members differ in buffers that were fitted before their trainings.
    static let remedy = "expected members that start from the same weights (train.init_from)"

    /// - Throws: `.data` when members differ in one of these buffers, which were fitted before the trainings and have no mean.
    func requireCommon(_ names: [String]) throws {
        var first: [String: [Float]] = [:]
        for member in members {
            try WeightsReader(member.weightsFile(.best)).fill(evaluation.arrays)
            for array in evaluation.arrays.buffers where names.contains(array.name) {
                let values = Array(array.values)
                if first[array.name, default: values] != values {
                    let runs = [members[0], member].map { ($0.path as NSString).lastPathComponent }.joined(separator: " and ")
                    throw UserError(.data, "\(runs) have another \(array.name), fitted before their trainings, of which there is no mean; \(Self.remedy)")
                }
                first[array.name] = values
            }
        }
    }

    /// Takes all members.
    func takeAll() throws {
        for member in members.indices { try take(member) }
        try setMean()
    }

    /// Takes the members in the order of their own validation, each unless the validation of the mean is worse with it.
    func takeGreedily() throws {
        let values = try members.map { folder in
            let file = try WeightsReader(folder.weightsFile(.best))
            return try file.notes.state(path: file.path).progress.bestValue ?? .nan
        }
        // Of equals the earlier one comes first.
        let order = values.indices.sorted { a, b in
            monitor.isBetter(values[a], than: values[b]) || !monitor.isBetter(values[b], than: values[a]) && a < b
        }
        var best = Double.nan
        for member in order {
            let before = sums
            try take(member)
            try setMean()
            let value = try measure(.validation)[monitor.measure.name] ?? .nan
            if best.isNaN || !value.isNaN && !monitor.isBetter(best, than: value) {
                best = value
            } else {
                sums = before
                isTaken[member] = false
            }
        }
        try setMean()
    }

    /// The measures of a split with the mean.
    func measure(_ split: Split) throws -> MeasureValues {
        guard let result = try evaluation.evaluate(split, shouldStop: shouldStop) else { throw Interruption() }
        return result.values
    }

    /// Writes the mean as a file of weights.
    func write(to path: String, data: DataDescription?) throws {
        let file = try WeightsWriter(path)
        try file.write(evaluation.arrays.parameters, under: "/parameters")
        try file.write(evaluation.arrays.buffers, under: "/buffers")
        var data = data
        data?.split = nil
        try file.finish(WeightsNotes(data: data))
    }

    private var arrays: [TrainingArray] { evaluation.arrays.parameters + evaluation.arrays.buffers }

    private func take(_ member: Int) throws {
        try WeightsReader(members[member].weightsFile(.best)).fill(evaluation.arrays)
        for (index, array) in arrays.enumerated() {
            for (place, value) in array.values.enumerated() { sums[index][place] += Double(value) }
        }
        isTaken[member] = true
    }

    /// Gives the model the mean, and running statistics of it; a run alone has its own.
    private func setMean() throws {
        let count = Double(isTaken.count(where: \.self))
        for (index, array) in arrays.enumerated() {
            for (place, sum) in sums[index].enumerated() { array.values[place] = Float(sum / count) }
        }
        guard count > 1 else { return }
        if try !evaluation.recomputeStatistics(frozenAsIn: lastEpoch, shouldStop: shouldStop) { throw Interruption() }
    }
}
