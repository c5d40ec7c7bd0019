import Configuration
import HDF5

/// A run file that grows: rows can be appended, and nothing else can be done to it.
///
/// Steps are kept until a second has passed and then flushed together; an epoch's end brings everything to disk. A process that is killed
/// loses at most what came after the last flush. One thread at a time may use it.
public final class LiveRun {
    public let path: String
    private let description: RunDescription
    private let file: LiveHDF5File
    private let columns: RunColumns
    private let digest: LogDigest
    private var pending: [StepRecord] = []
    private var evaluation: TestEvaluation?
    private var lastFlush = ContinuousClock.now

    init(path: String, contents: RunContents) throws {
        self.path = path
        description = contents.description
        evaluation = contents.evaluation
        digest = LogDigest(contents)
        var contents = contents
        contents.status = .running
        let replacement = try FileReplacement(of: path)
        let layout = try RunLayout(replacement.temporaryPath, for: path, description: contents.description)
        columns = layout.columns
        try columns.append(contents)
        file = try layout.startAppending()
        try columns.flush()
        try file.flush(toDisk: true)
        try replacement.commit()
    }

    /// The digest of all rows that were recorded so far, the earlier ones of a resumed run included.
    public var logDigest: String { digest.current }

    /// Records a step.
    public func append(_ step: StepRecord) throws {
        pending.append(step)
        digest.add(step)
        if lastFlush.duration(to: .now) >= .seconds(1) { try flush(toDisk: false) }
    }

    /// Records the end of an epoch, and waits until it and the steps before it are on the disk.
    public func append(_ epoch: EpochRecord) throws {
        try columns.epochs.append([epoch])
        digest.add(epoch)
        try flush(toDisk: true)
    }

    /// Records checksums of the weights.
    public func append(_ checksums: DigestRecord) throws {
        try columns.digests.append([checksums])
        digest.add(checksums)
    }

    /// Records statistics of the layers.
    public func append(_ layers: LayerRecord) throws {
        guard let columns = columns.layers else { preconditionFailure("a run whose description names no layers measures none") }
        try columns.append([layers])
        digest.add(layers)
    }

    /// Waits until all that was recorded is on the disk.
    public func synchronize() throws { try flush(toDisk: true) }

    /// Records the evaluation on the test set; there is one in a run.
    public func append(_ evaluation: TestEvaluation) throws {
        let classes = description.classes
        precondition(self.evaluation == nil, "the test set is looked at once in a run")
        precondition(
            evaluation.confusion.count == classes && evaluation.confusion.allSatisfy { $0.count == classes },
            "the confusion matrix of \(classes) classes has to be \(classes)×\(classes)")
        precondition(evaluation.predictions.count == evaluation.labels.count, "there has to be one prediction for each label")
        try columns.evaluation.append(evaluation)
        self.evaluation = evaluation
        try flush(toDisk: true)
    }

    private func flush(toDisk: Bool) throws {
        try columns.steps.append(pending)
        pending.removeAll(keepingCapacity: true)
        try columns.flush()
        try file.flush(toDisk: toDisk)
        lastFlush = .now
    }

    /// Ends the run: the file is written anew from its contents and put in the place of the grown one, whose bytes depend on when
    /// it was flushed.
    public func finish(_ status: RunStatus) throws {
        precondition(status != .running, "a run ends finished, interrupted or diverged")
        try flush(toDisk: false)
        var contents = try RunReader(path).contents()
        guard contents.logDigest == logDigest else {
            throw UserError(.io, "\(path): does not read back as it was written")
        }
        contents.description = description
        contents.evaluation = evaluation
        contents.status = status
        try contents.write(to: path)
        // The grown file has lost its name: what cannot be written to it is of no use to anybody.
        try? columns.close()
        try? file.close()
    }
}

extension RunContents {
    /// Writes a closed and sealed run file in the place of the one that is there.
    func write(to path: String) throws {
        try replaceSealedFile(at: path) { temporary in
            let layout = try RunLayout(temporary, for: path, description: description)
            try layout.columns.append(self)
            try layout.close()
        }
    }
}
