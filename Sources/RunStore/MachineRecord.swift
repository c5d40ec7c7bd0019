import Configuration
import Foundation
import HDF5

/// What differs between two runs of the same trial: the machine and the clock. Stored as `machine.json`.
public struct MachineRecord: Codable, Sendable, Equatable {
    public var host: String
    public var operatingSystem: String
    public var processor: String
    public var threads: Int
    /// Of the program and its libraries, by name.
    public var versions: [String: String]
    /// The widest vector instructions that the arithmetic uses, such as `avx512_core_bf16`; the last bits of results can depend on it.
    public var instructionSet: String?
    /// The commit of the source tree, with `+` when files were changed; nil outside a repository.
    public var gitCommit: String?
    /// The words of the command line.
    public var command: [String]
    /// ISO 8601, in UTC.
    public var startedAt: String
    public var wallClockSeconds: Double
    public var secondsPerEpoch: Double
    /// Training images a second, over the training steps alone.
    public var imagesPerSecond: Double
    /// The parts of an epoch's training, in seconds, in which it waited for a batch, and in which it wrote its log and showed its progress.
    /// nil in records of earlier versions.
    public var waitingSecondsPerEpoch: Double?
    public var betweenStepsSecondsPerEpoch: Double?

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
        guard let data = FileManager.default.contents(atPath: folder.machineFile) else { return nil }
        let decoder = JSONDecoder()
        decoder.keyDecodingStrategy = .convertFromSnakeCase
        do {
            self = try decoder.decode(MachineRecord.self, from: data)
        } catch {
            throw UserError(.data, "\(folder.machineFile): is damaged: expected the JSON that this program writes")
        }
    }

    func write(to path: String) throws {
        let encoder = JSONEncoder()
        encoder.keyEncodingStrategy = .convertToSnakeCase
        encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
        let data = try encoder.encode(self) + Data("\n".utf8)
        try replaceFile(at: path) { temporary in
            do {
                try data.write(to: URL(fileURLWithPath: temporary))
            } catch {
                throw UserError(.io, "\(path): cannot be written: \(reason(error))")
            }
        }
    }
}
