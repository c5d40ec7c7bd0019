import Configuration
import Foundation
import HDF5
import Measures

/// A run file, open for reading: finished, still growing, or left behind by a process that was killed (then at its last flush).
public final class RunReader {
    /// The file's path.
    public let path: String
    /// Without tensors, layers, data and the layouts of evaluations, which few need and many bytes hold (`wholeDescription`).
    public let description: RunDescription
    /// How the run stands.
    public let status: RunStatus
    private let file: HDF5Reader

    /// Opens `path`, a `run.h5`, and checks its digest if the run has ended.
    public convenience init(_ path: String) throws { try self.init(path, checkedAs: Seal.state(of: path)) }

    private convenience init(_ path: String, checkedAs seal: Seal.State) throws {
        try self.init(path, seal)
        guard seal == .open, status != .running else { return }
        // Its writer may have put the finished file in the place of the growing one meanwhile.
        guard try Seal.state(of: path) == .whole else {
            throw file.error("is damaged: the run is \(status.name), but the file has no digest of its content")
        }
    }

    /// Opens what is left of a run file, whatever its digest says.
    convenience init(salvaging path: String) throws { try self.init(path, .absent, isSalvaging: true) }

    private init(_ path: String, _ seal: Seal.State, isSalvaging: Bool = false) throws {
        self.path = path
        // What is salvaged is not whole.
        let isEnded = seal == .whole
        let file = try HDF5Reader(path, live: true, isKnownWhole: isEnded)
        self.file = file
        let version: Int64
        (version, description, status) = try HDF5Reader.together { try Self.head(of: file, seal, isSalvaging: isSalvaging) }
        // A sealed file was checked as a whole.
        if version > lastUnsealedRunFormatVersion, !isEnded, !isSalvaging,
            try file.attributeStrings("description_sha256", of: "/")?.first != wholeDescription().digest
        {
            throw file.error("is damaged: what it says of the run is not what was written when the run began")
        }
    }

    /// What a run file says of the run, and its format.
    private static func head(of file: HDF5Reader, _ seal: Seal.State, isSalvaging: Bool) throws -> (version: Int64, RunDescription, RunStatus) {
        guard let version = try file.attribute("format_version", of: "/", as: Int64.self)?.first, file.exists("/status") else {
            throw file.error("is not a run file (it has no /status)")
        }
        let code = try file.read("/status", as: UInt8.self)
        guard version <= runFormatVersion else {
            throw file.error("has format \(version), which is newer than this program's \(runFormatVersion)")
        }
        guard version <= lastUnsealedRunFormatVersion || seal != .absent || isSalvaging else {
            throw file.error("is damaged: it has no digest of its content")
        }
        let (measures, monitored) =
            isSalvaging ? try RunWriter.unlessDamaged { try StoredMeasures.read(from: file) } ?? ([], "") : try StoredMeasures.read(from: file)
        let description = try RunDescription(
            experiment: file.text("experiment"), model: file.text("model"), seed: file.integer("seed"),
            configuration: file.readString("/config"), question: file.attributeStrings("question", of: "/")?.first, parameters: file.integer("parameters"),
            multiplyAdds: file.integer("multiply_adds"), classes: file.attribute("classes", of: "/", as: Int64.self)?.first.map { Int($0) },
            measures: measures, monitored: monitored,
            trialDigest: file.attributeStrings("trial_sha256", of: "/")?.first,
            identityVersion: file.attribute("identity_version", of: "/", as: Int64.self)?.first.map { Int($0) },
            dataDigest: file.attributeStrings("data_sha256", of: "/")?.first, arithmetic: [ArithmeticSpan](from: file))
        guard let first = code.first, let status = RunStatus(rawValue: first) else { throw file.error("/status is \(code), expected 0…3") }
        return (version, description, status)
    }

    /// Opens a run folder's `run.h5`, reads several things of it and closes it, all but the check of its digest while other threads wait: quicker,
    /// where many runs are read on several threads.
    public static func read<Result>(_ folder: RunFolder, _ body: (RunReader) throws -> Result) throws -> Result {
        let seal = try Seal.state(of: folder.runFile)
        return try HDF5Reader.together { try body(RunReader(folder.runFile, checkedAs: seal)) }
    }

    /// The names of tensors and layers cannot be read.
    var isWithoutNames: UserError { file.error("does not name its tensors and layers") }

    /// Opens a run folder's `run.h5`.
    public convenience init(_ folder: RunFolder) throws { try self.init(folder.runFile) }

    /// The steps, from a row counted from 0.
    public func steps(from first: Int = 0) throws -> [StepRecord] {
        try read { try MetricTable<StepRecord>.read(from: $0, measures: description.measures, startingAt: first) }
    }

    /// How many steps were recorded.
    public func stepCount() throws -> Int { try file.shape(of: "\(StepRecord.group)/step").first ?? 0 }

    /// How many epochs were recorded.
    public func epochCount() throws -> Int { try file.shape(of: "\(EpochRecord.group)/epoch").first ?? 0 }

    /// Every epoch that was recorded.
    ///
    /// - Throws: `UserError(.data)` where the file is damaged.
    public func epochs() throws -> [EpochRecord] {
        try read { try MetricTable<EpochRecord>.read(from: $0, measures: description.measures) }
    }

    /// The checksums of the weights, in the order of the steps.
    public func digests() throws -> [DigestRecord] { try read { try DigestColumns.read(from: $0) } }

    /// Statistics of the layers at the start and after each epoch; none where they were not asked for.
    public func layers() throws -> [LayerRecord] { try read { try LayerColumns.read(from: $0) } }

    /// The evaluation of a split, or nil when the run did not come that far.
    public func evaluation(of split: EvaluatedSplit = .test) throws -> EvaluationRecord? {
        try read { try EvaluationColumns.read(from: $0, split, measures: description.measures) }
    }

    /// The measures of the test alone, in the order of `description.measures`, without a look at the tables.
    public func testValues() throws -> [Double?]? {
        try read { try EvaluationColumns.readValues(from: $0, .test, measures: description.measures) }
    }

    /// The most confident errors of the test with their pictures; nil in runs that keep none: those without errors or logits, of other tasks or of earlier formats,
    /// and those that have not ended.
    public func errors() throws -> ErrorPictures? { try read { try ErrorPictures(from: $0) } }

    /// What a model of images made of the first test images; nil in runs of other tasks, and in those that have not ended.
    public func reconstructions() throws -> ReconstructionExamples? { try read { try ReconstructionExamples(from: $0) } }

    /// Which group each test image is of; nil in runs whose definition asks for none, and in those that have not ended.
    public func subgroups() throws -> Subgroups? { try read { try Subgroups(from: $0) } }

    /// The averages of the weights that the run kept to its end; none before that.
    public func averages() throws -> [WeightAverage] {
        WeightAverage.all(in: description.measures).isEmpty ? [] : try description.averages(test: testValues())
    }

    /// The description with all that the file says of the run.
    public func wholeDescription() throws -> RunDescription {
        var description = try descriptionWithoutLayouts()
        description.layouts = try EvaluationColumns.layouts(in: file, measures: description.measures)
        return description
    }

    /// The same without the layouts of evaluations, which lie at the end of a file.
    func descriptionWithoutLayouts() throws -> RunDescription {
        var description = description
        description.tensors = try DigestColumns.tensors(in: file)
        description.layers = try LayerColumns.description(in: file)
        description.data = try DataDescription(from: file)
        return description
    }

    /// The evaluations of all splits that the run has one of.
    func evaluations() throws -> [EvaluatedSplit: EvaluationRecord] {
        var evaluations: [EvaluatedSplit: EvaluationRecord] = [:]
        for split in EvaluatedSplit.allCases { evaluations[split] = try evaluation(of: split) }
        return evaluations
    }

    /// Everything that the file holds.
    ///
    /// - Throws: `UserError(.data)` where the file is damaged.
    public func contents() throws -> RunContents {
        RunContents(
            description: try wholeDescription(), status: status, steps: try steps(), epochs: try epochs(), digests: try digests(),
            layers: try layers(), evaluations: try evaluations(), errors: try errors(), subgroups: try subgroups())
    }

    /// Reads once; from a file that was not closed, again when that fails.
    ///
    /// A chunk is rewritten in place when rows are added to it. Whoever reads at that moment, or after its writer was killed at that
    /// moment, finds a checksum that does not fit; the rows up to the last flush are right all the same, so they are read without it.
    private func read<Result>(_ body: (HDF5Reader) throws -> Result) throws -> Result {
        do {
            return try body(file)
        } catch {
            guard file.isBeingWritten else { throw error }
            return try body(HDF5Reader(path, live: true, verifyingChecksums: false))
        }
    }
}

extension HDF5Reader {
    /// A file whose content is wrong.
    func error(_ sentence: String) -> UserError {
        UserError(.data, "\(path): \(sentence)")
    }

    fileprivate func text(_ name: String) throws -> String {
        guard let value = try attributeStrings(name, of: "/")?.first else { throw error("the attribute \(name) is missing") }
        return value
    }

    fileprivate func integer(_ name: String) throws -> Int {
        guard let value = try attribute(name, of: "/", as: Int64.self)?.first else { throw error("the attribute \(name) is missing") }
        return Int(value)
    }
}
