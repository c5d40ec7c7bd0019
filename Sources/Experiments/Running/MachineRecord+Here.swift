import Foundation
import RunStore
import TensorCore

extension MachineRecord {
    /// This machine, now, before anything was measured.
    static func here(threads: Int, command: [String]) -> MachineRecord {
        MachineRecord(
            host: ProcessInfo.processInfo.hostName, operatingSystem: ProcessInfo.processInfo.operatingSystemVersionString,
            processor: processorName, threads: threads, versions: ProgramVersion.libraries, gitCommit: sourceCommit,
            command: command, startedAt: Date.now.formatted(.iso8601), wallClockSeconds: 0, secondsPerEpoch: 0, imagesPerSecond: 0,
            instructionSet: OneDNN.instructionSet)
    }

    /// What can change bits between `earlier` and this one: `instruction set avx2 → avx512_core`, ….
    func differences(from earlier: MachineRecord) -> [String] {
        let pairs = [
            ("processor", earlier.processor, processor), ("instruction set", earlier.instructionSet ?? "unknown", instructionSet ?? "unknown"),
            ("oneDNN", earlier.versions["onednn"] ?? "unknown", versions["onednn"] ?? "unknown"),
            ("program", earlier.gitCommit ?? "unknown", gitCommit ?? "unknown"),
        ]
        return pairs.filter { $1 != $2 }.map { "\($0) \($1) → \($2)" }
    }

    /// The processor's name from the kernel's list.
    private static var processorName: String {
        let list = (try? String(contentsOfFile: "/proc/cpuinfo", encoding: .utf8)) ?? ""
        let line = list.split(separator: "\n").first { $0.hasPrefix("model name") }
        return line?.split(separator: ":", maxSplits: 1).last.map { $0.trimmingCharacters(in: .whitespaces) } ?? "unknown"
    }

    /// The commit of the package's sources, with `+` when files were changed since.
    private static let sourceCommit: String? = {
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
