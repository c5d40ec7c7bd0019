import Configuration
import Foundation
import RunStore
import VisionData

/// A run's own definition with its data loaded: what repeats the run, or goes on after it.
struct RecordedExperiment {
    /// What the run recorded.
    let run: RunContents
    /// The experiment with the run's one trial.
    let experiment: Experiment
    let trial: Trial

    /// Reads the definition of the run in `folder`, and looks for its data.
    ///
    /// - Parameters:
    ///   - dataFile: the file or folder with the data; nil: where the run found it, or where the definition says.
    ///   - weightsFile: the file of weights that the training started from; nil: where the run found it, or where the definition says.
    ///   - hasPlaceOptions: whether the command takes `--data`, and unless `hasWeightsOption` says otherwise `--weights`, so that an error may name them.
    /// - Throws: `.data` when the file is damaged, its definition is not the one that the run was made with, or the images are others.
    init(
        of folder: RunFolder, dataDirectory: String?, dataFile: String? = nil, weightsFile: String? = nil, hasPlaceOptions: Bool = false, hasWeightsOption: Bool? = nil, registry: Registry
    ) throws {
        run = try RunReader(folder).contents()
        let description = run.description
        var definition = try Definition.recorded(run, path: folder.runFile, registry)
        definition.data.places.found = try Self.dataPlace(definition.data, dataFile, folder)
        definition.data.places.content = description.dataDigest.map { DataContent(digest: $0, classes: description.classes ?? 0) }
        try definition.setWeightsPlace(weightsFile, recordedIn: folder)
        trial = definition.trials[0]
        if description.identityVersion != nil, let recorded = description.trialDigest, recorded != trial.identityDigest {
            throw UserError(
                .data, """
                    \(folder.runFile): /config is not the definition with which this run was made: its SHA-256 is \
                    \(trial.identityDigest.prefix(16))…, the run recorded \(recorded.prefix(16))…
                    """)
        }
        do {
            experiment = try Experiment(definition, dataDirectory: dataDirectory)
        } catch let error as UserError where error.kind == .noInput && dataFile == nil && hasPlaceOptions {
            if weightsFile == nil, let file = trial.weightsFile, !FileManager.default.fileExists(atPath: file) {
                guard hasWeightsOption ?? true else { throw error }
                throw UserError(.noInput, "\(error); --weights names the file of weights that the run started from where it is now")
            }
            if definition.data.source.isKnownByName { throw error }
            throw UserError(.noInput, "\(error); --data names the run's data where they are now")
        }
        if let recorded = description.dataDigest, recorded != experiment.dataDigest {
            throw UserError(
                .data, """
                    \(folder.runFile): was trained on other images or labels than \(experiment.dataset.name) has here: their SHA-256 is \
                    \(experiment.dataDigest.prefix(16))…, the run recorded \(recorded.prefix(16))…
                    """)
        }
    }

    /// Where the data are, when not where the definition says.
    private static func dataPlace(_ data: DataConfiguration, _ file: String?, _ folder: RunFolder) throws -> String? {
        if let file {
            if data.source.isKnownByName {
                throw UserError(.usage, "--data: this run's data have a name; --data-dir names the folder of such data sets")
            }
            return file
        }
        let recorded = (try? MachineRecord(folder))?.dataFile
        return recorded.flatMap { FileManager.default.fileExists(atPath: $0) ? $0 : nil }
    }
}
