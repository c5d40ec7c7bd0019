import Configuration
import HDF5
import Measures

/// A run file that grows: rows can be appended, and nothing else can be done to it.
///
/// Steps are kept until a second has passed and then flushed together; an epoch's end brings everything to disk. A process that is killed
/// loses at most what came after the last flush. One thread at a time may use it.
public final class LiveRun {
    /// The run file's path.
    public let path: String
    private let description: RunDescription
    private let file: LiveHDF5File
    private let columns: RunColumns
    private let digest: LogDigest
    private var pending: [StepRecord] = []
    private var evaluations: [EvaluatedSplit: EvaluationRecord]
    private var errors: ErrorPictures?, subgroups: Subgroups?
    private var lastFlush = ContinuousClock.now

    init(path: String, contents: RunContents) throws {
        self.path = path
        description = contents.description
        evaluations = contents.evaluations
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

    /// Records the evaluation of a split, which has to have the tables of the split's layout; there is one in a run.
    public func append(_ evaluation: EvaluationRecord, of split: EvaluatedSplit = .test) throws {
        guard let layout = description.layouts[split] else { preconditionFailure("the run has no layout for an evaluation of \(split.rawValue)") }
        precondition(evaluations[split] == nil, "the \(split.rawValue) set is looked at once in a run")
        precondition(
            evaluation.values.count == description.measures.count,
            "\(evaluation.values.count) values for the run's \(description.measures.count) measures")
        precondition(
            Set(layout.columns.map(\.name)) == Set(evaluation.tables.keys),
            "the tables are \(evaluation.tables.keys.sorted()), expected \(layout.columns.map(\.name))")
        for column in layout.columns {
            let count = evaluation.tables[column.name]!.count, rowLength = column.rowShape.reduce(1, *)
            precondition(count.isMultiple(of: rowLength), "\(column.name) has \(count) numbers, expected rows of \(rowLength)")
        }
        try columns.append(evaluation, of: split)
        evaluations[split] = evaluation
        try flush(toDisk: true)
    }

    /// Keeps pictures and groups of the test for the file of the ended run; nil: none. A file that grows has no place for them.
    public func keep(_ errors: ErrorPictures?, _ subgroups: Subgroups? = nil) { (self.errors, self.subgroups) = (errors, subgroups) }

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
        contents.evaluations = evaluations
        (contents.errors, contents.subgroups) = (errors, subgroups)
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
            let layout = try RunLayout(temporary, for: path, description: description, hasMore: errors != nil || subgroups != nil)
            try layout.columns.append(self)
            try layout.write(errors, subgroups)
            try layout.close()
        }
    }
}
