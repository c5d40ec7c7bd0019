import Configuration
import Foundation
import Models
import RunStore
import Tasks
import TensorCore
import Training
import VisionData

/// One model of a definition at one seed: everything that its result depends on, and nothing else.
public struct Trial: Sendable {
    /// What is trained.
    public let model: Definition.Model
    /// Draws initial weights, the order of samples and all other random numbers.
    public let seed: Int
    /// Where samples come from.
    public let data: DataConfiguration
    /// How it is trained.
    public let train: TrainConfiguration
    /// The format of the numbers between operations.
    public let precision: Precision
    /// The definitions of the trials from which it takes weights (`train.init_from`) and its teacher (`train.distill`), one trial each.
    let sources: [SourceRole: Definition]
    /// The definition of the one trial whose weights it starts from; nil: it starts from none.
    var source: Definition? { sources[.start] }
    fileprivate let text: TrialText

    /// How many trials come before it, one taking from the other.
    var sourceCount: Int { sources.values.compactMap { $0.trials.first.map { $0.sourceCount + 1 } }.max() ?? 0 }

    /// The fold that is the test, from 0; nil where the data set's own test images are.
    public var fold: Int? { data.fold }

    /// `resnet20-s0-1f0c93ab`, the name of the run's folder; that of a fold is `resnet20-s0-f2-1f0c93ab`.
    public var name: String { RunFolder.name(model: model.name, seed: seed, fold: fold, hash: hash) }

    /// As messages call it: `resnet20 s0`, `resnet20 s0 f2`.
    var label: String { "\(model.name) s\(seed)" + foldLabel }

    /// ` f2`; nothing without folds.
    var foldLabel: String { fold.map { " f\($0)" } ?? "" }

    /// The path of the file of weights that it starts from, or a trial whose weights it takes; nil: there is none.
    var weightsFile: String? {
        SourceRole.allCases.lazy.compactMap { role -> String? in
            guard let origin = train[role] else { return nil }
            return origin.file == nil ? sources[role]?.trials.first?.weightsFile : origin.path
        }.first
    }

    /// The folder of the trial's run.
    func folder(experiment: String, results: URL) -> RunFolder {
        RunFolder(results: results.path, experiment: experiment, model: model.name, seed: seed, fold: fold, hash: hash)
    }

    /// The first 8 hexadecimal digits of `identityDigest`.
    public var hash: String { String(identityDigest.prefix(8)) }

    /// The rule by which `identityDigest` is made. Version 1 had no number and took everything that the resolved definition says.
    static let identityVersion = 2

    /// SHA-256 over what determines the result: what of the model's definition, the data, the training and the precision is not at its default, the
    /// seed, and the digest of the weights that it starts from. The other models of the definition, the experiment's and the model's name, the number of threads and the machine do not count, nor
    /// where the data lie, nor what changes no bit (`Key.Use`).
    public var identityDigest: String { text.digest(seed: seed) }

    /// The definition of this trial alone, with every default filled in: JSON, and so YAML, that `Definition(resolved:)` reads. Like the hash it leaves out what
    /// changes no bit.
    public var resolvedDefinition: String { text.definition(seed: seed) }

    /// The field by which test images are grouped; nil: by none.
    var groupField: String? { text.remarks.measures?.by }

    /// The same with other remarks.
    func resolvedDefinition(saying remarks: Remarks) -> String { text.definition(seed: seed, saying: remarks) }
}

extension Definition {
    /// On how many folds each model without data of its own is trained at each seed.
    var foldCount: Int { data.fold == nil ? data.folds ?? 1 : 1 }

    /// The definition for each fold of its data, one after another; the definition itself where it has none, or says which one.
    var folds: [Definition] {
        if foldCount == 1 { return [self] }
        return (0..<foldCount).map { fold in
            var definition = self
            definition.data.fold = fold
            return definition
        }
    }

    /// Every model at every seed, and with folds on each of them: all models at the first seed, then at the second, so that comparisons are whole as
    /// early as possible.
    public var trials: [Trial] {
        var texts = TrialTexts()
        return trials(&texts)
    }

    /// The same for definitions that have much in common.
    func trials(_ texts: inout TrialTexts) -> [Trial] {
        let folds = models.map { part(of: $0).folds }
        let written = folds.map { folds in
            folds.map { fold in
                let model = fold.models[0]
                return !model.train.takesFromTrials ? fold.text(of: model, trainedBy: model.train, &texts) : nil
            }
        }
        let largestCount = folds.map(\.count).max() ?? 0
        return seeds.flatMap { seed in
            (0..<largestCount).flatMap { number in
                folds.indices.filter { number < folds[$0].count }.map { index in
                    let fold = folds[index][number], model = fold.models[0]
                    let (train, sources) = fold.completeTrain(of: model, seed: seed)
                    return Trial(
                        model: model, seed: seed, data: fold.data, train: train, precision: precision, sources: sources,
                        text: written[index][number] ?? fold.text(of: model, trainedBy: train, &texts))
                }
            }
        }
    }

    /// How many trials there are.
    var trialCount: Int { seeds.count * models.reduce(0) { $0 + part(of: $1).foldCount } }

    private func text(of model: Model, trainedBy train: TrainConfiguration, _ texts: inout TrialTexts) -> TrialText {
        texts.text(
            model: model, data: data, train: train, precision: precision.rawValue, task: (task, registry.tasks.identity(of: task)), match: match?.rawValue,
            remarks: remarks.adding(model.ownRemarks))
    }
}
