import Foundation
import RunStore
import TestSupport
import Testing

/// `harness doctor` on copies of a run to which something has happened.
@Suite(.serialized, WithSmallRuns()) struct DoctorTests {
    private let runs: SmallRuns
    private let results: URL
    private let copy: RunFolder

    init() throws {
        runs = try #require(WithSmallRuns.current)
        let source = runs.runFolder("whole")
        results = runs.folder.url.appending(path: "copy-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: results, withIntermediateDirectories: true)
        try FileManager.default.copyItem(at: source, to: results.appending(path: source.lastPathComponent))
        copy = RunFolder(path: results.appending(path: source.lastPathComponent).path)
    }

    private func doctor(_ more: String...) throws -> Program.Result {
        try Program.run(["doctor", results.lastPathComponent] + more, in: runs.folder.url)
    }

    private func bytes() throws -> [String: Data] {
        let paths = try FileManager.default.subpathsOfDirectory(atPath: copy.path).filter { $0.contains(".") }
        return try Dictionary(uniqueKeysWithValues: paths.map { ($0, try Data(contentsOf: URL(filePath: "\(copy.path)/\($0)"))) })
    }

    private var repaired: RunFolder { RunFolder(path: results.appending(path: ".repaired/\((copy.path as NSString).lastPathComponent)-1").path) }

    @Test func aWholeRunIsLeftAlone() throws {
        let result = try doctor("--repair")
        #expect(result.exitCode == 0 && result.output == "1 runs: 1 whole, 0 running, 0 unfinished, 0 damaged\n")
        #expect(try FileManager.default.contentsOfDirectory(atPath: results.path).count == 1)
    }

    @Test func oneChangedBitOfAWeightNamesItsTensor() throws {
        let path = copy.weightsFile(.best)
        var weights = try StoredWeights(reading: path)
        let index = try #require(weights.parameters.firstIndex { $0.name == "head.weight" })
        weights.parameters[index].values[7] = Float(bitPattern: weights.parameters[index].values[7].bitPattern ^ 1)
        try weights.write(to: path)
        let result = try doctor()
        #expect(result.exitCode == 65)
        #expect(result.output.contains(/weights\/best\.h5: head\.weight is not what the run recorded after step \d+\n/), "\(result.output)")
        #expect(result.errors.hasSuffix(": 1 of 1 runs are damaged\n"))
    }

    @Test func missingWeights() throws {
        try FileManager.default.removeItem(atPath: copy.weightsFile(.last))
        let result = try doctor()
        #expect(result.exitCode == 65 && result.output.contains("weights/last.h5: is missing\n"))
    }

    @Test(arguments: [0.3, 0.97])
    func aRunFileThatWasCutShortIsSavedInACopy(share: Double) throws {
        let whole = try RunReader(copy).contents(), file = URL(filePath: copy.runFile)
        let size = try Data(contentsOf: file).count
        try Data(contentsOf: file).prefix(Int(Double(size) * share)).write(to: file)
        let before = try bytes()
        let result = try doctor("--repair")
        #expect(result.exitCode == 65 && result.output.contains("run.h5: is truncated ("))
        #expect(result.output.contains("whole: ") && result.output.contains("weights/best.h5"))
        #expect(result.output.contains("  repaired copy: "))
        #expect(try bytes() == before, "the original stays as it is")
        #expect(try StoredWeights(reading: repaired.weightsFile(.best)) == StoredWeights(reading: copy.weightsFile(.best)))
        // What can be read is right; in a file that lacks only its end that are all metrics.
        var saved = try RunReader(repaired).contents()
        // How the tables of evaluations are laid out stands at the end of the file.
        saved.description.layouts = whole.description.layouts
        #expect(saved.description == whole.description && saved.status == .interrupted && saved.evaluation == nil)
        #expect([whole.steps, []].contains(saved.steps) && [whole.epochs, []].contains(saved.epochs))
        if share > 0.5 { #expect(saved.steps == whole.steps && saved.epochs == whole.epochs && saved.digests == whole.digests) }
    }

    @Test(arguments: [true, false])
    func whatIsNoFileIsNotCopied(isPipe: Bool) throws {
        try FileManager.default.removeItem(atPath: copy.runFile)
        #expect(isPipe ? mkfifo(copy.runFile, 0o600) == 0 : symlink("/dev/zero", copy.runFile) == 0)
        let result = try within(seconds: 300) { try doctor("--repair") }
        #expect(result.exitCode == 65 && result.output.contains("run.h5: is not a regular file, expected an HDF5 file\n"), "\(result.output)")
        #expect(result.output.contains("    run.h5 is not a regular file and is not in the copy\n"), "\(result.output)")
        #expect(!FileManager.default.fileExists(atPath: repaired.runFile))
        #expect(try StoredWeights(reading: repaired.weightsFile(.best)) == StoredWeights(reading: copy.weightsFile(.best)))
    }

    @Test func anUnfinishedRunIsListedAndClosedInACopy() throws {
        let process = try Program.start(runs.words(results.lastPathComponent + "/cut"), in: runs.folder.url)
        let folder = RunFolder(path: runs.runFolder(results.lastPathComponent + "/cut").path)
        while process.isRunning, try folder.checkpoints.count < 2 { usleep(1000) }
        kill(process.processIdentifier, SIGKILL)
        process.waitUntilExit()
        let newest = try #require(try folder.checkpoints.first)
        let result = try doctor("--repair")
        #expect(result.exitCode == 0)
        #expect(result.output.contains(/: unfinished\n  was cut off after step \d+, in epoch \d+\n/), "\(result.output)")
        #expect(result.output.contains("  `harness run` goes on after step \(newest.step)\n"))
        let copy = RunFolder(path: "\((folder.path as NSString).deletingLastPathComponent)/.repaired/\((folder.path as NSString).lastPathComponent)-1")
        let saved = try RunReader(copy)
        #expect(saved.status == .interrupted)
        #expect(try saved.steps() == RunReader(folder).steps())
        #expect(try RunReader(folder).status == .running)
        #expect(FileManager.default.fileExists(atPath: copy.weightsFile(.last)))

        try Data("no".utf8).write(to: URL(filePath: newest.path))
        let damaged = try doctor()
        #expect(damaged.exitCode == 65 && damaged.output.contains("\(newest.step).h5: is damaged: it has no digest of its content\n"))
        try FileManager.default.removeItem(atPath: folder.runFile)
        #expect(try doctor().output.contains("run.h5: is missing\n"))
    }
}
