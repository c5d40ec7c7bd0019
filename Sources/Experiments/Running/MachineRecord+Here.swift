import Foundation
import HDF5
import RunStore
import TensorCore

extension MachineRecord {
    /// This machine, now, before anything was measured.
    static func here(threads: Int, command: [String]) -> MachineRecord {
        MachineRecord(
            host: ProcessInfo.processInfo.hostName, operatingSystem: ProcessInfo.processInfo.operatingSystemVersionString,
            processor: processor, threads: threads, versions: ["hdf5": hdf5Version, "onednn": "\(OneDNN.version) (\(OneDNN.instructionSet))"], gitCommit: gitCommit,
            command: command, startedAt: Date.now.formatted(.iso8601), wallClockSeconds: 0, secondsPerEpoch: 0, imagesPerSecond: 0)
    }

    /// The processor's name from the kernel's list.
    private static var processor: String {
        let list = (try? String(contentsOfFile: "/proc/cpuinfo", encoding: .utf8)) ?? ""
        let line = list.split(separator: "\n").first { $0.hasPrefix("model name") }
        return line?.split(separator: ":", maxSplits: 1).last.map { $0.trimmingCharacters(in: .whitespaces) } ?? "unknown"
    }

    /// The commit of the package's sources, with `+` when files were changed since.
    private static let gitCommit: String? = {
        guard let home = ProcessInfo.processInfo.environment["HARNESS_HOME"] else { return nil }
        guard let commit = git("-C", home, "rev-parse", "HEAD"), let changes = git("-C", home, "status", "--porcelain") else { return nil }
        return changes.isEmpty ? commit : commit + "+"
    }()

    private static func git(_ arguments: String...) -> String? {
        let process = Process()
        process.executableURL = URL(filePath: "/usr/bin/env")
        process.arguments = ["git"] + arguments
        let pipe = Pipe()
        process.standardOutput = pipe
        process.standardError = FileHandle.nullDevice
        guard (try? process.run()) != nil, let data = try? pipe.fileHandleForReading.readToEnd() ?? Data() else { return nil }
        process.waitUntilExit()
        guard process.terminationStatus == 0 else { return nil }
        return String(decoding: data, as: UTF8.self).trimmingCharacters(in: .whitespacesAndNewlines)
    }
}
