import Configuration
import Foundation
import RunStore
import TestSupport
import Testing
import Training

@testable import Experiments

/// Parameters that are frozen for the first epoch, through run files, resuming and verification.
@Suite(.serialized) struct UnfreezingTests {
    private static let text = """
        data:   {name: digits}
        train:
          epochs: 2
          batch_size: 96
          checkpoint_every_steps: 5
          layer_statistics: true
          parameters: [{match: "conv1.*", freeze_until_epoch: 1}, {match: "bn1.*", freeze_until_epoch: 1}]
        models: {net: {resnet: {depth: 8, width: 8}}}

        """

    /// Ends the process's work on a run after a step, as a kill does: what comes after the last checkpoint is lost.
    private final class Killer: TrainingListener {
        struct Kill: Error {}
        let step: Int
        init(after step: Int) { self.step = step }
        func receive(_ event: TrainingEvent, from loop: TrainingLoop) throws {
            if case .stepFinished(let metrics) = event, metrics.step + 1 == step { throw Kill() }
        }
    }

    private func run(in results: String, until limit: Int? = nil, killedAfter step: Int? = nil, threads: Int = 1) throws -> RunFolder {
        let experiment = try Experiment(definition(Self.text), dataDirectory: nil)
        let options = Runner.Options(threads: threads, results: URL(filePath: results), startsOver: false, command: [], epochLimit: limit)
        return try Runner(experiment, options: options, terminal: .silent, watchedBy: step.map { [Killer(after: $0)] } ?? []).run { false }.folders[0]
    }

    @Test("Interrupted at the boundary or killed on either side of it, the run ends in the same bytes, and verifies")
    func isExact() throws {
        try withTemporaryFolder { results in
            let whole = try run(in: "\(results)/whole", threads: 2)
            _ = try run(in: "\(results)/cut", until: 1)
            #expect(throws: Killer.Kill.self) { try run(in: "\(results)/early", killedAfter: 8) }
            #expect(throws: Killer.Kill.self) { try run(in: "\(results)/late", killedAfter: 17) }
            for name in ["cut", "early", "late"] {
                let folder = try run(in: "\(results)/\(name)")
                #expect(FileManager.default.contentsEqual(atPath: whole.runFile, andPath: folder.runFile), "\(name)")
                #expect(FileManager.default.contentsEqual(atPath: whole.weightsFile(.last), andPath: folder.weightsFile(.last)), "\(name)")
            }
            let verification = try Verification(whole, threads: 1, steps: nil, dataDirectory: nil, command: [], terminal: .silent) { false }
            #expect(verification.failure == nil)
            // The frozen weights keep their checksum through the first epoch, and then change.
            let contents = try RunReader(whole).contents(), place = try #require(contents.description.tensors.firstIndex(of: "conv1.weight"))
            let checksums = contents.digests.map { ($0.step, $0.checksums[place]) }, firstEpoch = contents.epochs.count == 2 ? contents.steps.count / 2 : 0
            #expect(Set(checksums.filter { $0.0 <= firstEpoch }.map(\.1)).count == 1)
            #expect(checksums.last?.1 != checksums.first?.1)
        }
    }
}
