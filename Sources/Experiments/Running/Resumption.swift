import Configuration
import Models
import RunStore
import TensorCore
import Training

/// What a run goes on from: a checkpoint, and the log up to it. They are its own where it was not finished, and the end of another run where it continues that.
struct Resumption {
    let state: TrainingState
    let contents: RunContents
    /// The run that this one continues, and of which its own folder has nothing yet; nil: it is its own.
    let source: RunFolder?
    private let checkpoint: WeightsReader

    /// What was found in a run folder.
    struct Search {
        var resumption: Resumption?
        /// Sentences about what could not be used.
        var complaints: [String] = []
        /// Checkpoints that could not be used.
        var rejected: [CheckpointFile] = []
    }

    /// Looks for the newest checkpoint from which `folder`'s run can be resumed.
    ///
    /// - Throws: `.data` when the folder holds the run of another definition, or with other images.
    static func search(_ folder: RunFolder, for description: RunDescription, registry: Registry) throws -> Search {
        var search = Search()
        let checkpoints = try folder.checkpoints
        let contents: RunContents
        do {
            contents = try RunReader(folder).contents()
        } catch let error as UserError where error.kind == .data || error.kind == .noInput {
            search.complaints.append("\(error)")
            guard error.kind == .data, let kept = try keptContents(of: checkpoints) else { return search }
            contents = kept
        }
        try contents.description.checkIdentity(with: description, path: folder.path, registry: registry)
        for file in checkpoints {
            do {
                search.resumption = try Resumption(file.open(), of: contents, in: folder, description, continues: false)
                return search
            } catch let error as UserError where error.kind != .io {
                search.complaints.append("\(error)")
                search.rejected.append(file)
            }
        }
        return search
    }

    /// What the newest of the run files says that checkpoints keep; nil where none of them can be read either.
    static func keptContents(of checkpoints: [CheckpointFile]) throws -> RunContents? {
        for file in checkpoints {
            do { return try RunReader(file.runFile).contents() } catch let error as UserError where error.kind != .io { continue }
        }
        return nil
    }

    /// What a trial goes on from that continues the finished run in `folder`.
    ///
    /// - Parameters:
    ///   - description: the new run's.
    ///   - stopping: the early stopping of the finished run, whose count of epochs goes on.
    /// - Throws: `.data` when the run is damaged, or ended after another epoch than the trial says.
    init(continuing folder: RunFolder, as trial: Trial, stopping: EarlyStoppingConfiguration?, _ description: RunDescription) throws {
        let contents = try RunReader(folder).contents(), file = try WeightsReader(folder.weightsFile(.last))
        guard contents.description.measures == description.measures else {
            throw UserError(.data, "\(folder.runFile): an earlier version of the program measured other things, which cannot go on here; --fresh trains it again")
        }
        let found = try Resumption(file, of: contents, in: folder, description, continues: true)
        let epoch = found.state.progress.epoch
        guard found.state.isAtEpochEnd, epoch == trial.train.initialWeights?.afterEpoch else {
            let expected = trial.train.initialWeights?.afterEpoch.map(grouped) ?? "none"
            throw UserError(
                .data, "\(folder.path): ended after \(grouped(epoch)) epochs, expected \(expected) (train.init_from.after_epoch of \(trial.model.name))")
        }
        (self.contents, source, checkpoint) = (found.contents, found.source, found.checkpoint)
        state = found.state.continued(from: stopping, with: trial.train.earlyStopping)
    }

    private init(
        _ file: WeightsReader, of contents: RunContents, in folder: RunFolder, _ description: RunDescription, continues isAnother: Bool
    ) throws {
        checkpoint = file
        source = isAnother ? folder : nil
        state = try checkpoint.notes.state(path: file.path)
        let progress = state.progress
        try Self.checkBestWeights(for: state, of: contents, in: folder)
        var contents = contents.cut(toStep: progress.step, epoch: progress.epoch)
        let momentCount = description.layers == nil ? 0 : progress.epoch + 1
        guard contents.steps.count == progress.step, contents.epochs.count == progress.epoch, contents.layers.count == momentCount else {
            throw UserError(
                .data, "\(folder.runFile): has \(contents.steps.count) of the \(progress.step) steps before the checkpoint \(file.path)")
        }
        // A checkpoint of an earlier version does not say.
        if let recorded = checkpoint.notes.logDigest, recorded != contents.logDigest {
            throw UserError(.data, "\(folder.runFile): is damaged: its rows are not those that the checkpoint \(file.path) was made after")
        }
        let arithmetic = contents.description.arithmetic
        contents.description = description
        contents.description.arithmetic = arithmetic.resumed(after: progress.step, with: arithmeticVersion)
        self.contents = contents
    }

    /// Gives a training the arrays of the checkpoint.
    func fill(_ arrays: TrainingArrays) throws { try checkpoint.fill(arrays, includingOptimizer: true) }

    /// Whether the best weights so far are others than those of the checkpoint.
    var hasOtherBestWeights: Bool { state.progress.bestEpoch != state.progress.epoch - 1 }

    /// Checks the weights of the best epoch so far, if they are needed from their file.
    ///
    /// `best.h5` is one of two: that of the checkpoint's best epoch, or, when the process ended between it and the next checkpoint, that of a later
    /// epoch, which will be the best again when the training comes there.
    private static func checkBestWeights(for state: TrainingState, of contents: RunContents, in folder: RunFolder) throws {
        let progress = state.progress
        guard let bestEpoch = progress.bestEpoch, progress.bestValue != nil else { return }
        if state.isAtEpochEnd, bestEpoch == progress.epoch - 1 { return }
        let path = folder.weightsFile(.best)
        let file = try WeightsReader(path), best = try file.notes.state(path: path).progress
        let isLater = best.epoch > progress.epoch
        guard isLater || best.epoch == bestEpoch + 1,
            let record = contents.digests.first(where: { $0.step == best.step }),
            try file.firstDifference(from: record, tensors: contents.description.tensors) == nil
        else { throw UserError(.data, "\(path): does not hold the weights that the run recorded for epoch \(bestEpoch + 1)") }
    }
}

extension RunDescription {
    /// Checks that a run, recorded with this description at `path`, is one of the same definition and images as `other`. A file of format 1
    /// does not say.
    ///
    /// - Throws: `.data`.
    func checkIdentity(with other: RunDescription, path: String, registry: Registry) throws {
        if let mine = try currentTrialDigest(path: path, registry: registry), let theirs = try other.currentTrialDigest(path: path, registry: registry), mine != theirs {
            throw UserError(.data, "\(path): holds the run of another definition (SHA-256 \(mine.prefix(16))…, expected \(theirs.prefix(16))…)")
        }
        if let mine = dataDigest, let theirs = other.dataDigest, mine != theirs {
            throw UserError(
                .data, """
                    \(path): was trained on other images or labels than the data set of that name has now (SHA-256 \(mine.prefix(16))…, now \
                    \(theirs.prefix(16))…); --fresh moves it aside and trains on these
                    """)
        }
    }
}
