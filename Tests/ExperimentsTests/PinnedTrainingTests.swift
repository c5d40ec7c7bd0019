import Checksums
import Configuration
import TensorCore
import Testing
import Training

@testable import Experiments

/// The bits of small trainings are what they were: nothing changes the arithmetic unnoticed.
@Suite struct PinnedTrainingTests {
    static let models = [
        "mlp": "{mlp: {widths: [32, 16]}}",
        "resnet": "{resnet: {depth: 8, width: 8}}",
        "vit": "{vit: {patch: 2, width: 32, depth: 2, heads: 2, dropout: 0.1}}",
        "hybrid": "{backbone: {resnet: {depth: 8, width: 8, cut_after: stage2}}, tokens: {patch: 1}, transformer: {width: 16, depth: 1, heads: 2}}",
    ]

    private final class LastDigest: TrainingListener {
        var checksums: [UInt64] = []

        func receive(_ event: TrainingEvent, from loop: TrainingLoop) {
            if case .digested(let digest) = event { checksums = digest.checksums }
        }
    }

    /// One epoch on the embedded digits.
    private func digest(of name: String) throws -> String {
        let definition = try definition("""
            data:   {name: digits, augment: [{shift: 1}]}
            train:  {epochs: 1, batch_size: 96, label_smoothing: 0.1, clip_gradient_norm: 1, optimizer: {adamw: {learning_rate: 2e-3}}}
            models: {\(name): \(Self.models[name]!)}
            """)
        let experiment = try Experiment(definition, dataDirectory: nil)
        let loop = try experiment.training(of: definition.trials[0], pool: WorkerPool(threads: 2)), last = LastDigest()
        _ = try loop.run([last])
        return String(TensorChecksum.combine(last.checksums), radix: 16)
    }

    @Test func bitsAreWhatTheyWere() throws {
        let found = try Self.models.keys.sorted().map { ($0, try digest(of: $0)) }
        #expect(PinnedDigests.version == arithmeticVersion, "the table of digests is of another version of the arithmetic")
        guard let known = PinnedDigests.table[PinnedDigests.kindOfMachine] else {
            let line = found.map { "\"\($0)\": \"\($1)\"" }.joined(separator: ", ")
            print("not compared: PinnedDigests.swift has no line for this kind of machine; its line is\n\"\(PinnedDigests.kindOfMachine)\": [\(line)],")
            return
        }
        for (name, digest) in found {
            #expect(known[name] == digest, "the bits of \(name) changed on \(PinnedDigests.kindOfMachine)")
        }
    }
}
