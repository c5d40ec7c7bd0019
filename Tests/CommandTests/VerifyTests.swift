import Foundation
import RunStore
import Testing

/// `harness verify` on a run, and on copies in whose record something was changed.
@Suite(.serialized, WithSmallRuns()) struct VerifyTests {
    private let runs: SmallRuns
    private let copy: RunFolder

    init() throws {
        runs = try #require(WithSmallRuns.current)
        let source = runs.runFolder("whole"), target = runs.folder.url.appending(path: "copy-\(UUID().uuidString)/\(source.lastPathComponent)")
        try FileManager.default.createDirectory(at: target.deletingLastPathComponent(), withIntermediateDirectories: true)
        try FileManager.default.copyItem(at: source, to: target)
        copy = RunFolder(path: target.path)
    }

    private func verify(_ more: String...) throws -> Program.Result {
        try Program.run(["verify", copy.path, "--threads", "1"] + more, in: runs.folder.url)
    }

    /// Writes the copy's record anew with a change in it.
    private func change(_ status: RunStatus = .finished, _ body: (inout RunContents) -> Void) throws {
        var contents = try RunReader(copy).contents()
        body(&contents)
        try RunWriter(copy).start(contents).finish(status)
    }

    @Test func aRunIsRepeatedToTheBit() throws {
        let steps = try RunReader(copy).stepCount(), digests = try RunReader(copy).digests().count
        let result = try verify()
        #expect(result.exitCode == 0)
        let lines = result.output.split(separator: "\n")
        #expect(lines.first == "identical through step \(steps): every loss and gradient norm, the weights at \(digests) of them, every epoch and the test results")
        #expect(lines.last == "the machine of the run and this one differ in: threads 2 → 1; shards 8, from the definition")
        #expect(try verify("--steps", "60").output.hasPrefix("identical through step 60: every loss and gradient norm, the weights at 3 of them\n"))
    }

    @Test func aChangedBitOfTheStartNamesItsTensor() throws {
        let tensors = try RunReader(copy).wholeDescription().tensors, index = try #require(tensors.firstIndex(of: "blocks.1.attn.qkv.weight"))
        try change { $0.digests[0].checksums[index] ^= 1 }
        let result = try verify()
        #expect(result.exitCode == 1)
        #expect(result.output.hasPrefix("different from the start: the initial weights\n  weights: blocks.1.attn.qkv.weight\nthe machine of the run"))
        let name = (copy.path as NSString).lastPathComponent
        #expect(result.errors.hasSuffix("/\(name): the repetition is different from the start: the initial weights\n"))
    }

    @Test func aLaterDifferenceNamesItsStep() throws {
        try change { $0.steps[30].loss = $0.steps[30].loss.nextUp }
        let loss = try verify()
        #expect(loss.exitCode == 1)
        #expect(loss.output.contains(/^different at step 31\n  loss: [\d.]+ recorded, [\d.]+ now\n  the weights still agreed at the start\n/), "\(loss.output)")
        let steps = try RunReader(copy).digests().map(\.step), row = try #require(steps.firstIndex(of: 50))
        try change {
            $0.steps[30].loss = $0.steps[30].loss.nextDown
            $0.digests[row].checksums[0] ^= 1 << 63
        }
        let weights = try verify()
        #expect(weights.exitCode == 1)
        #expect(weights.output.hasPrefix("different at step 50\n  weights: \(try RunReader(copy).wholeDescription().tensors[0])\n  the weights still agreed after step 40\n"))
        try change {
            $0.digests[row].checksums[0] ^= 1 << 63
            $0.evaluation?.predictions[3] = 11
        }
        #expect(try verify().output.contains("\n  predictions on the test images\n"))
    }

    @Test func aRunThatIsNotFinishedIsRepeatedAsFarAsItCame() throws {
        try change(.interrupted) { $0 = $0.cut(toStep: 47, epoch: 1) }
        #expect(try verify().output.hasPrefix("identical through step 47: every loss and gradient norm, the weights at 2 of them\n"))
    }

    /// A difference where another version of the arithmetic was at work is no fault of the run; one before it is.
    @Test func anotherVersionOfTheArithmeticIsSaid() throws {
        let current = try #require(try RunReader(copy).description.arithmetic.last?.version)
        #expect(current > 1)
        try change { $0.description.arithmetic = ArithmeticSpan.unrecorded }
        let same = try verify()
        #expect(same.exitCode == 0)
        #expect(same.output.contains("\nthe run was trained with version 1 of the arithmetic, this program has version \(current): here they agree\n"))
        try change { $0.steps[30].loss = $0.steps[30].loss.nextUp }
        let earlier = try verify()
        #expect(earlier.exitCode == 65 && earlier.output == "")
        #expect(earlier.errors.hasSuffix("""
            /run.h5: was trained with version 1 of the arithmetic, and this program has version \(current): bits differ between them on purpose \
            (here from step 31 on), so it cannot be verified with this program

            """), "\(earlier.errors)")
        #expect(earlier.errors.split(separator: "\n").count == 1)
        try change { $0.description.arithmetic = [ArithmeticSpan(version: 1), ArithmeticSpan(fromStep: 20, version: current)] }
        let mixed = try verify()
        #expect(mixed.exitCode == 65)
        #expect(mixed.errors.contains("was trained with version 1 through step 20, then version \(current) of the arithmetic"), "\(mixed.errors)")
        try change { $0.description.arithmetic = [ArithmeticSpan(version: current), ArithmeticSpan(fromStep: 40, version: current + 1)] }
        let later = try verify()
        #expect(later.exitCode == 1 && later.output.hasPrefix("different at step 31\n"))
    }

    @Test func whatCannotBeRepeatedIsOneSentence() throws {
        func expect(_ sentence: String, _ body: (inout RunContents) -> Void) throws {
            let original = try Data(contentsOf: URL(filePath: copy.runFile))
            try change(.finished, body)
            let result = try verify()
            #expect(result.exitCode == 65 && result.output == "")
            #expect(result.errors.contains("harness: ") && result.errors.contains(sentence) && result.errors.split(separator: "\n").count == 1, "\(result.errors)")
            try original.write(to: URL(filePath: copy.runFile))
        }
        try expect("run.h5: /config is not the definition with which this run was made: its SHA-256 is ") {
            $0.description.configuration = $0.description.configuration.replacing("\"shards\": 8", with: "\"shards\": 4")
        }
        try expect("/config") { $0.description.configuration = "models: {}" }
        try expect("run.h5: was trained on other images or labels than digits has here: their SHA-256 is ") { $0.description.dataDigest = "5eed" }
        try expect("run.h5: has checksums of other tensors than vit has") { $0.description.tensors[2] = "x" }
        try expect("run.h5: has no whole list of steps to compare with") { $0.steps.removeFirst(3) }
        let none = try Program.run(["verify", "nowhere"], in: runs.folder.url)
        #expect(none.exitCode == 66)
    }
}
