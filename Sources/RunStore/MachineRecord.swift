import Checksums
import Configuration
import Foundation
import HDF5

/// What differs between two runs of the same trial: the machine and the clock. Stored as `machine.json`.
public struct MachineRecord: Codable, Sendable, Equatable {
    /// The machine's name.
    public var host: String
    /// Its name and version.
    public var operatingSystem: String
    /// The processor's name.
    public var processor: String
    /// How many threads trained.
    public var threads: Int
    /// The versions of the program and its libraries, by name.
    public var versions: [String: String]
    /// The widest vector instructions that the arithmetic uses, such as `avx512_core_bf16`; the last bits of results can depend on it.
    public var instructionSet: String?
    /// The commit of the source tree, with `+` when files were changed; nil outside a repository.
    public var gitCommit: String?
    /// The words of the command line.
    public var command: [String]
    /// ISO 8601, in UTC.
    public var startedAt: String
    /// Seconds from the beginning of the training to its end.
    public var wallClockSeconds: Double
    /// The mean seconds of an epoch.
    public var secondsPerEpoch: Double
    /// Training images a second, over the training steps alone.
    public var imagesPerSecond: Double
    /// The parts of an epoch's training, in seconds, in which it waited for a batch, and in which it wrote its log and showed its progress.
    /// nil in records of earlier versions.
    public var waitingSecondsPerEpoch: Double?
    /// The mean seconds of an epoch between its steps, for the log and the like; nil where they were not measured.
    public var betweenStepsSecondsPerEpoch: Double?
    /// Where the data were found: a file, or a folder of files; nil for data that are part of the program, and in records of earlier versions.
    public var dataFile: String?
    /// Where the file of weights was found from which the training started; nil where it started from none.
    public var weightsFile: String?

    /// What is known of the machine and of the time that a run took.
    public init(
        host: String, operatingSystem: String, processor: String, threads: Int, versions: [String: String], gitCommit: String?,
        command: [String], startedAt: String, wallClockSeconds: Double, secondsPerEpoch: Double, imagesPerSecond: Double,
        waitingSecondsPerEpoch: Double? = nil, betweenStepsSecondsPerEpoch: Double? = nil,
        instructionSet: String? = nil
    ) {
        self.host = host
        self.operatingSystem = operatingSystem
        self.processor = processor
        self.threads = threads
        self.versions = versions
        self.instructionSet = instructionSet
        self.gitCommit = gitCommit
        self.command = command
        self.startedAt = startedAt
        self.wallClockSeconds = wallClockSeconds
        self.secondsPerEpoch = secondsPerEpoch
        self.imagesPerSecond = imagesPerSecond
        self.waitingSecondsPerEpoch = waitingSecondsPerEpoch
        self.betweenStepsSecondsPerEpoch = betweenStepsSecondsPerEpoch
    }

    /// The record of a run folder, or nil when it has none yet.
    public init?(_ folder: RunFolder) throws {
        guard let stored = FileManager.default.contents(atPath: folder.machineFile) else { return nil }
        guard let data = Self.withoutDigest(stored) else {
            throw UserError(.data, "\(folder.machineFile): is damaged: its digest is not that of its content")
        }
        do {
            self = try JSONDecoder().decode(MachineRecord.self, from: data)
        } catch {
            throw UserError(.data, "\(folder.machineFile): is damaged: expected the JSON that this program writes")
        }
    }

    func write(to path: String) throws {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
        try replaceFile(at: path, with: Self.withDigest(try encoder.encode(self) + Data("\n".utf8)))
    }

    // MARK: JSON

    private enum CodingKeys: String, CodingKey {
        case host, processor, threads, versions, command
        case operatingSystem = "operating_system", instructionSet = "instruction_set", gitCommit = "git_commit", startedAt = "started_at"
        case wallClockSeconds = "wall_clock_seconds", secondsPerEpoch = "seconds_per_epoch", imagesPerSecond = "images_per_second"
        case waitingSecondsPerEpoch = "waiting_seconds_per_epoch", betweenStepsSecondsPerEpoch = "between_steps_seconds_per_epoch"
        case dataFile = "data_file", weightsFile = "weights_file"
    }

    private static let end = "\n}\n"
    private static let key = ",\n  \"sha256\" : \""

    /// Adds a last key to the text of a JSON object: the SHA-256 of the text without it.
    private static func withDigest(_ text: Data) -> Data {
        text.dropLast(end.utf8.count) + Data("\(key)\(sha256(text))\"\(end)".utf8)
    }

    /// The text without its digest; as it is when it has none, as records of earlier versions; nil when the digest is another's.
    private static func withoutDigest(_ stored: Data) -> Data? {
        guard let range = stored.range(of: Data(key.utf8), options: .backwards) else {
            // A digest whose key has changed is one all the same.
            let ending = Data("\"\(end)".utf8), isDigest = stored.dropLast(ending.count).suffix(64).allSatisfy { UnicodeScalar($0).properties.isASCIIHexDigit }
            return stored.count > 64 + ending.count && isDigest ? nil : stored
        }
        let text = stored[..<range.lowerBound] + Data(end.utf8)
        return withDigest(text) == stored ? text : nil
    }

    private static func sha256(_ text: Data) -> String {
        let digest = SHA256()
        text.withUnsafeBytes { digest.update($0) }
        return digest.finish()
    }
}
