import Configuration
import Foundation
import HDF5
import RunStore
import TestSupport
import Testing

/// What a process leaves behind that ends without a chance to clean up. Each body below runs in a process of its own.
@Suite(.serialized) struct KillTests {
    @Test(arguments: 0..<12)
    func aKilledWriterLosesNothingThatWasFlushed(round: Int) async throws {
        let results = FileManager.default.temporaryDirectory.appendingPathComponent("kill-\(UUID().uuidString)").path
        defer { try? FileManager.default.removeItem(atPath: results) }
        await #expect(processExitsWith: .signal(SIGKILL)) { [results = results as String, round = round as Int] in
            Thread.detachNewThread {
                usleep(UInt32(20_000 + 17_013 * round))
                kill(getpid(), SIGKILL)
            }
            let folder = RunFolder(path: "\(results)/run")
            let writer = try RunWriter(folder)
            let live = try writer.start(RunContents(description: Example.description))
            for index in 1... {
                try live.append(Example.step(index))
                guard index % 100 == 0 else { continue }
                try live.append(Example.epoch(index / 100))
                // Written after the flush: the epoch named here has to be in the run file.
                try replaceFile(at: "\(results)/flushed", with: Data("\(index / 100)".utf8))
                try Example.weights.write(with: writer.makeWeights(.best))
            }
        }
        let folder = RunFolder(path: "\(results)/run")
        let flushed = (try? String(contentsOfFile: "\(results)/flushed", encoding: .utf8)).flatMap { Int($0) } ?? 0
        guard folder.hasRun else {
            #expect(flushed == 0)
            return
        }
        let before = try Data(contentsOf: URL(filePath: folder.runFile))
        let reader = try RunReader(folder)
        let contents = try reader.contents()
        #expect(reader.status == .running && !folder.isBeingWritten)
        #expect(contents.epochs.count >= flushed && contents.steps.count >= 100 * flushed)
        #expect(contents.epochs == (0..<contents.epochs.count).map { Example.epoch($0 + 1) })
        #expect(contents.steps == (0..<contents.steps.count).map { Example.step($0 + 1) })
        #expect(try Data(contentsOf: URL(filePath: folder.runFile)) == before)
        if flushed > 1 { #expect(try StoredWeights(reading: folder.weightsFile(.best)) == Example.weights) }
    }

    /// A file size limit fails as a full disk does, at whatever write goes past it.
    @Test(arguments: [4096, 100_000, 1_000_000])
    func aFullDiskIsOneSentenceAndLeavesTheOldWeights(limit: Int) async throws {
        let folder = FileManager.default.temporaryDirectory.appendingPathComponent("full-\(UUID().uuidString)").path
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(atPath: folder) }
        let path = "\(folder)/last.h5"
        try Example.weights.write(to: path)
        await #expect(processExitsWith: .success) { [path = path as String, limit = limit as Int] in
            var size = rlimit(rlim_cur: rlim_t(limit), rlim_max: rlim_t(limit))
            setrlimit(__rlimit_resource_t(1), &size)  // RLIMIT_FSIZE
            var changed = Example.weights
            changed.parameters[0].values[0] = 7
            #expect(throws: UserError(.io, "\(path): /parameters/head/weight: cannot be written: File too large")) { try changed.write(to: path) }
        }
        #expect(try StoredWeights(reading: path) == Example.weights)
        #expect(try FileManager.default.contentsOfDirectory(atPath: folder) == ["last.h5"])
    }

    /// Whichever column the disk refuses: the error names it, the run goes no further, and the rows that count are whole.
    @Test(arguments: [16_000, 40_000, 90_000, 140_000, 300_000, 350_000])
    func aFullDiskLeavesWholeRowsInTheRunFile(limit: Int) async throws {
        let results = FileManager.default.temporaryDirectory.appendingPathComponent("full-\(UUID().uuidString)").path
        defer { try? FileManager.default.removeItem(atPath: results) }
        await #expect(processExitsWith: .success) { [results = results as String, limit = limit as Int] in
            let writer = try RunWriter(RunFolder(path: "\(results)/run"))
            let live = try writer.start(RunContents(description: Example.description))
            var size = rlimit(rlim_cur: rlim_t(limit), rlim_max: rlim_t(limit))
            setrlimit(__rlimit_resource_t(1), &size)  // RLIMIT_FSIZE
            let error = try #require(throws: UserError.self) {
                for index in 1...10_000 {
                    try live.append(Example.step(index))
                    if index % 100 == 0 { try live.append(Example.epoch(index / 100)) }
                }
            }
            #expect(error.kind == .io && error.message.hasPrefix("\(results)/run/run.h5: /metrics/"))
            #expect(error.message.hasSuffix(": cannot be written: File too large"))
            #expect(throws: error) { try live.finish(.interrupted) }
        }
        let contents = try RunReader("\(results)/run/run.h5").contents()
        #expect(contents.steps == (0..<contents.steps.count).map { Example.step($0 + 1) })
        #expect(contents.epochs == (0..<contents.epochs.count).map { Example.epoch($0 + 1) })
        #expect(contents.steps.count >= 100 * contents.epochs.count)
    }
}
