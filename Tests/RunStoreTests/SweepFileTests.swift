import Configuration
import Foundation
import TestSupport
import Testing

@testable import RunStore

@Suite struct SweepFileTests {
    private func example() -> SweepFile {
        let outcomes: [SweepFile.Outcome] = [.planned, .finished, .diverged, .failed("too large: 4 < 5"), .stopped(epoch: 3)]
        return SweepFile(
            experiment: "größe", halving: SweepFile.Halving(metric: "val_loss", factor: 3, first: 1), sweep: "grid: {train.epochs: [1]}",
            entries: outcomes.enumerated().map { index, outcome in
                SweepFile.Entry(
                    model: "m", seed: 9 - index, hash: "0000000\(index)", cell: index, values: index == 0 ? [:] : ["train.epochs": "\(index)", "a": "[]"],
                    configuration: "{}\n", outcome: outcome)
            })
    }

    @Test func readsWhatWasWritten() throws {
        try withTemporaryFolder { folder in
            var file = example()
            try file.write(to: "\(folder)/sweep.h5")
            #expect(try SweepFile(reading: "\(folder)/sweep.h5") == file)
            file.halving = nil
            file.entries[0].outcome = .finished
            try file.write(to: "\(folder)/sweep.h5")
            #expect(try SweepFile(reading: "\(folder)/sweep.h5") == file)
            try file.write(to: "\(folder)/again.h5")
            #expect(try Data(contentsOf: URL(filePath: "\(folder)/sweep.h5")) == Data(contentsOf: URL(filePath: "\(folder)/again.h5")))
        }
    }

    @Test func whatIsNoPlanIsNamed() throws {
        try withTemporaryFolder { folder in
            try Data("garbage".utf8).write(to: URL(filePath: "\(folder)/a.h5"))
            #expect(throws: UserError(.data, "\(folder)/a.h5: is not an HDF5 file")) { try SweepFile(reading: "\(folder)/a.h5") }
            try StoredWeights(parameters: []).write(to: "\(folder)/b.h5")
            #expect(throws: UserError(.data, "\(folder)/b.h5: is not the plan of a sweep (it has no /trials)")) { try SweepFile(reading: "\(folder)/b.h5") }
        }
    }
}
