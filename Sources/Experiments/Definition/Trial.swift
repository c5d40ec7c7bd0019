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
    /// The definition of the one trial whose weights it starts from (`train.init_from`); nil: it starts from none.
    let source: Definition?
    fileprivate let text: TrialText

    /// How many trials come before it, one starting from the other.
    var sourceCount: Int { source?.trials.first.map { $0.sourceCount + 1 } ?? 0 }

    /// `resnet20-s0-1f0c93ab`, the name of the run's folder.
    public var name: String { "\(model.name)-s\(seed)-\(hash)" }

    /// The folder of the trial's run.
    func folder(experiment: String, results: URL) -> RunFolder {
        RunFolder(results: results.path, experiment: experiment, model: model.name, seed: seed, hash: hash)
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
}

extension Definition {
    /// Every model at every seed: all models at the first seed, then at the second, so that comparisons are whole as early as possible.
    public var trials: [Trial] {
        var texts = TrialTexts()
        return trials(&texts)
    }

    /// The same for definitions that have much in common.
    func trials(_ texts: inout TrialTexts) -> [Trial] {
        let written = models.map { $0.train.initialWeights?.model == nil ? text(of: $0, trainedBy: $0.train, &texts) : nil }
        return seeds.flatMap { seed in
            zip(models, written).map { model, written in
                let (train, source) = completeTrain(of: model, seed: seed)
                return Trial(
                    model: model, seed: seed, data: data, train: train, precision: precision, source: source,
                    text: written ?? text(of: model, trainedBy: train, &texts))
            }
        }
    }

    private func text(of model: Model, trainedBy train: TrainConfiguration, _ texts: inout TrialTexts) -> TrialText {
        texts.text(
            model: model, data: data, train: train, precision: precision.rawValue, task: (task, registry.tasks.identity(of: task)), match: match?.rawValue)
    }
}
