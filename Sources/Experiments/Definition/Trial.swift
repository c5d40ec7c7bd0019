import Checksums
import Configuration
import Foundation
import Models
import RunStore
import TensorCore
import Training
import VisionData

/// One model of a definition at one seed: everything that its result depends on, and nothing else.
public struct Trial: Sendable {
    public let model: Definition.Model
    public let seed: Int
    public let data: DataConfiguration
    public let train: TrainConfiguration
    public let precision: Precision
    /// Kept with the run for whoever compares it; it changes no result.
    let match: Match?

    /// `resnet20-s0-1f0c93ab`, the name of the run's folder.
    public var name: String { "\(model.name)-s\(seed)-\(hash)" }

    /// The folder of the trial's run.
    func folder(experiment: String, results: URL) -> RunFolder {
        RunFolder(results: results.path, experiment: experiment, model: model.name, seed: seed, hash: hash)
    }

    /// The first 8 hexadecimal digits of `identityDigest`.
    public var hash: String { String(identityDigest.prefix(8)) }

    /// SHA-256 over what determines the result: the model's definition, data, training, seed and precision. The other models of the
    /// definition, the experiment's and the model's name, the number of threads and the machine do not count, nor what changes no bit
    /// (`TrainConfiguration.withoutEffortOptions`) or only makes the definition clear (`DataConfiguration.identity`, `ModelDefinition.identity`).
    public var identityDigest: String {
        let identity = Identity(data: data.identity, model: model.definition.identity, precision: precision, seed: seed, train: train.withoutEffortOptions)
        let digest = SHA256()
        digest.update(YAML.json(identity))
        return digest.finish()
    }

    /// The definition of this trial alone, with every default filled in: JSON, and so YAML, that `Definition(resolved:)` reads. Like the hash it leaves out what
    /// changes no bit.
    public var resolvedDefinition: String {
        let resolved = Resolved(
            data: data, match: match, models: [model.name: model.definition], precision: precision, seeds: [seed], train: train.withoutEffortOptions)
        return YAML.text(YAML.node(of: resolved), .json) + "\n"
    }

    private struct Identity: Encodable {
        let data: DataConfiguration
        let model: ModelDefinition
        let precision: Precision
        let seed: Int
        let train: TrainConfiguration
    }

    private struct Resolved: Encodable {
        let data: DataConfiguration
        let match: Match?
        let models: [String: ModelDefinition]
        let precision: Precision
        let seeds: [Int]
        let train: TrainConfiguration
    }
}

extension TrainConfiguration {
    /// Without what changes no bit of the result: how often checkpoints are written, and what is computed again to save memory.
    fileprivate var withoutEffortOptions: TrainConfiguration {
        var copy = self
        (copy.recompute, copy.checkpointEverySteps) = (nil, nil)
        return copy
    }
}

extension Definition {
    /// Every model at every seed: all models at the first seed, then at the second, so that comparisons are whole as early as possible.
    public var trials: [Trial] {
        seeds.flatMap { seed in
            models.map { Trial(model: $0, seed: seed, data: data, train: train, precision: precision, match: match) }
        }
    }
}
