import Configuration
import Foundation
import Models
import RunStore
import Tasks
import TensorCore
import Training

/// An experiment with the one trial whose weights another starts from.
final class SourceExperiment: Sendable {
    let experiment: Experiment

    init(_ experiment: Experiment) { self.experiment = experiment }
}

extension Experiment {
    /// The experiments of the trials that models start from, by the models' names. From here on the definition knows what the data of these hold.
    static func findSources(
        of definition: inout Definition, _ dataDirectory: String?, _ images: Images
    ) throws -> [String: SourceExperiment] {
        var sources: [String: SourceExperiment] = [:]
        for (index, model) in definition.models.enumerated() {
            guard let source = definition.source(of: model, seed: definition.seeds.first ?? 0) else { continue }
            let shared = source.imagesKey == images.key ? images : nil
            let experiment = try Experiment(source, dataDirectory: dataDirectory, images: shared)
            sources[model.name] = SourceExperiment(experiment)
            if model.source != nil { definition.models[index].source = SourceDefinition(experiment.definition) }
        }
        return sources
    }

    /// The experiment with the one trial that a trial starts from; nil when it starts from none.
    ///
    /// - Throws: `.data` when a recorded trial's images are others now.
    func sourceExperiment(of trial: Trial) throws -> Experiment? {
        guard let source = trial.source, let known = sources[trial.model.name]?.experiment else { return nil }
        let experiment = try Experiment(source, dataDirectory: dataDirectory, images: known.images)
        if let recorded = trial.train.initialWeights?.digest, let now = experiment.definition.trials.first?.identityDigest, recorded != now {
            throw UserError(
                .data, """
                    \(trial.model.path).train.init_from: \(source.models[0].name), from which it starts, is another trial than the run recorded: its \
                    identity is \(now.prefix(16))…, expected \(recorded.prefix(16))…
                    """)
        }
        return experiment
    }

    /// Checks that the weights from which a model starts fit it, by names and shapes, before anything is trained.
    func checkSource(of model: Definition.Model, _ targets: [NamedShape]) throws {
        guard let origin = model.train.initialWeights else { return }
        let path = definition.trainPath(of: model, "train.init_from"), key = origin.model == nil ? "file" : "model"
        let mark = definition.mark(of: definition.trainPath(of: model, "train.init_from.\(key)"))
        let matching: WeightMatching, name: String
        if let source = sources[model.name]?.experiment {
            let declared = source.definition.models[0].definition.declarations(
                input: source.dataset.shape, classes: source.task.outputShape.elementCount)
            matching = WeightMatching(targets, from: (declared.parameters + declared.buffers).shapes, except: origin.except, of: "model")
            name = "the weights of \(source.definition.models[0].name) do not fit"
        } else {
            do {
                try origin.checkFile()
                matching = try FileWeights.matching(of: origin.path, with: targets, except: origin.except)
                name = "\(origin.path) does not fit"
                if matching.complaint == nil { try FileWeights.checkNumbers(of: origin.path, matching) }
            } catch let error as UserError {
                throw UserError(error.kind, "\(mark): \(path): \(error)")
            }
        }
        if matching.complaint == nil, matching.pairs.isEmpty {
            throw UserError(.usage, "\(mark): \(path): except: leaves nothing that \(model.name) could start from")
        }
        guard let complaint = matching.complaint else { return }
        let remedy = matching.exception.map { "; except: [\"\($0)\"] leaves that out" } ?? ""
        throw UserError(.usage, "\(mark): \(path): \(name) \(model.name): \(complaint)\(remedy)")
    }

    /// The weights that a trial starts from; nil when it starts from its initializers.
    ///
    /// - Parameter folder: the run of the trial that it starts from; nil where it starts from a file.
    func weights(of trial: Trial, from folder: RunFolder?) throws -> FileWeights? {
        guard let origin = trial.train.initialWeights else { return nil }
        let path: String
        if let folder {
            path = folder.weightsFile(origin.weights == .best ? .best : .last)
            if let complaint = try Diagnosis.complaint(about: path, RunReader(folder).contents()), let source = trial.source {
                throw UserError(
                    .data, "\(complaint); harness run \(source.name) --only \(source.models[0].name) --fresh trains it again for \(trial.name)")
            }
        } else {
            try origin.checkFile()
            path = origin.path
        }
        return FileWeights(path: path, origin: origin, initializers: Initializers(seed: UInt64(trial.seed)))
    }
}

extension WeightOrigin {
    /// Checks that the file is the one whose digest is known.
    ///
    /// - Throws: `.data` when it is another, `.noInput` when it is not there.
    func checkFile() throws {
        guard let digest else { return }
        let now = try fileDigest(of: path)
        if now != digest { throw UserError(.data, "\(path): has the SHA-256 \(now.prefix(16))…, expected \(digest.prefix(16))…") }
    }
}

extension [Parameter] {
    /// Names and shapes, with the places of position embeddings.
    var shapes: [NamedShape] { map { NamedShape(name: $0.name, shape: $0.shape.dimensions, grid: $0.grid) } }
}
