import Configuration
import Foundation
import RunStore
import TestSupport
import Testing

@Suite struct CheckpointFileTests {
    private func withWriter(_ body: (RunWriter, RunFolder) throws -> Void) throws {
        try withTemporaryFolder { results in
            let folder = RunFolder(path: "\(results)/run")
            try body(RunWriter(folder), folder)
        }
    }

    private func save(_ weights: StoredWeights, _ step: Int, _ writer: RunWriter) throws {
        try weights.write(with: writer.makeCheckpoint(step: step))
        try writer.removeOldCheckpoints()
    }

    @Test func theNewestTwoAreKept() throws {
        try withWriter { writer, folder in
            #expect(try folder.checkpoints == [])
            for step in [9, 100, 20, 101] { try save(Example.weights, step, writer) }
            #expect(try folder.checkpoints.map(\.step) == [101, 100])
            #expect(try StoredWeights(folder.checkpoints[0].open()) == Example.weights)
            // Under its seal it is a weights file like any other.
            #expect(try StoredWeights(reading: folder.checkpoints[1].path) == Example.weights)
            try writer.remove(folder.checkpoints[0])
            #expect(try folder.checkpoints.map(\.step) == [100])
            try writer.removeCheckpoints()
            try writer.removeCheckpoints()
            #expect(try FileManager.default.contentsOfDirectory(atPath: folder.path) == ["weights"])
        }
    }

    @Test func everyChangedByteAndEveryCutIsNoticed() throws {
        try withWriter { writer, folder in
            let small = StoredWeights(parameters: [NamedArray(name: "fc.weight", shape: [8, 4], values: (0..<32).map { Float($0) })])
            try save(small, 1, writer)
            let file = try folder.checkpoints[0]
            let whole = try Data(contentsOf: URL(filePath: file.path))
            let damaged = UserError(.data, "\(file.path): is damaged: its digest is not that of its content")
            let unsealed = UserError(.data, "\(file.path): is damaged: it has no digest of its content")
            for position in Array(0..<600) + Array(stride(from: 600, to: whole.count, by: 37)) {
                var bytes = whole
                bytes[position] ^= 1 << UInt8(position % 8)
                try bytes.write(to: URL(filePath: file.path))
                // The first bytes say that there is a digest.
                #expect(throws: position < 48 ? unsealed : damaged) { try file.open() }
            }
            for count in [0, 47, 100, 512, 513, whole.count - 1] {
                try whole.prefix(count).write(to: URL(filePath: file.path))
                let error = #expect(throws: UserError.self) { try file.open() }
                #expect(error?.kind == .data, "\(String(describing: error))")
            }
            try whole.write(to: URL(filePath: file.path))
            #expect(try StoredWeights(file.open()) == small)
            try FileManager.default.removeItem(atPath: file.path)
            #expect(throws: UserError(.noInput, "\(file.path): there is no such file")) { try file.open() }
        }
    }

    @Test func whatAKilledWriterLeftIsRemoved() throws {
        try withTemporaryFolder { results in
            let folder = RunFolder(path: "\(results)/run")
            do { try save(Example.weights, 1, RunWriter(folder)) }
            for name in ["run.h5.tmp", "weights/best.h5.tmp", "checkpoints/step-2.h5.tmp"] {
                try Data("half".utf8).write(to: URL(filePath: "\(folder.path)/\(name)"))
            }
            _ = try RunWriter(folder)
            let left = try FileManager.default.subpathsOfDirectory(atPath: folder.path)
            #expect(Set(left) == ["weights", "checkpoints", "checkpoints/step-1.h5"])
        }
    }
}
