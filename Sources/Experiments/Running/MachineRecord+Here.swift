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
        kindDifferences(from: earlier) + changes([("program", earlier.gitCommit ?? "unknown", gitCommit ?? "unknown")])
    }

    /// Those of the machine alone: one and the same program gives other bits.
    func kindDifferences(from earlier: MachineRecord) -> [String] {
        changes([
            ("processor", earlier.processor, processor), ("instruction set", earlier.instructionSet ?? "unknown", instructionSet ?? "unknown"),
            ("oneDNN", earlier.versions["onednn"] ?? "unknown", versions["onednn"] ?? "unknown"),
        ])
    }

    private func changes(_ pairs: [(name: String, before: String, now: String)]) -> [String] {
        pairs.filter { $0.before != $0.now }.map { "\($0.name) \($0.before) → \($0.now)" }
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
        // Foundation's Process waits for ever where the system refuses it a thread.
        let pipe = Pipe(), reader = pipe.fileHandleForReading, writer = pipe.fileHandleForWriting
        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        defer { posix_spawn_file_actions_destroy(&actions) }
        posix_spawn_file_actions_adddup2(&actions, writer.fileDescriptor, STDOUT_FILENO)
        posix_spawn_file_actions_addopen(&actions, STDERR_FILENO, "/dev/null", O_WRONLY, 0)
        // The files that other threads have open stay theirs, with their locks.
        for name in (try? FileManager.default.contentsOfDirectory(atPath: "/proc/self/fd")) ?? [] {
            if let descriptor = Int32(name), descriptor > STDERR_FILENO { posix_spawn_file_actions_addclose(&actions, descriptor) }
        }
        let words = (["git"] + arguments).map { strdup($0) } + [nil]
        let environment = ProcessInfo.processInfo.environment.map { strdup("\($0)=\($1)") } + [nil]
        defer { (words + environment).forEach { free($0) } }
        var process = pid_t(), status: Int32 = 0
        guard posix_spawnp(&process, "git", &actions, nil, words, environment) == 0 else { return nil }
        try? writer.close()
        let data = try? reader.readToEnd() ?? Data()
        while waitpid(process, &status, 0) == -1 { guard errno == EINTR else { return nil } }
        guard status == 0, let data else { return nil }
        return String(decoding: data, as: UTF8.self).trimmingCharacters(in: .whitespacesAndNewlines)
    }
}
