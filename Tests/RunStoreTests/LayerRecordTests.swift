import Foundation
import HDF5
import TestSupport
import Testing

@testable import RunStore

/// Statistics of layers in a run file, where they are asked for.
struct LayerRecordTests {
    private let moments = (0...3).map(Example.layers)

    @Test func theyReadBackAsTheyWereWritten() throws {
        try withTemporaryFolder { results in
            let folder = RunFolder(path: "\(results)/run")
            try Example.writeRun(folder, description: Example.measured)
            let contents = try RunReader(folder).contents()
            #expect(contents.description == Example.measured)
            #expect(contents.layers == moments)
            var others = contents
            (others.description, others.layers) = (Example.description, [])
            #expect(others == Example.contents(steps: 300, status: .finished))
            let file = try HDF5Reader(folder.runFile)
            #expect(try file.shape(of: "/metrics/layers/activation_variance") == [4, 2])
            #expect(try file.read("/metrics/layers/epoch", as: Int64.self) == [0, 1, 2, 3])
        }
    }

    @Test func withoutThemThereIsNoGroup() throws {
        try withTemporaryFolder { results in
            let folder = RunFolder(path: "\(results)/run")
            try Example.writeRun(folder)
            #expect(try !HDF5Reader(folder.runFile).exists("/metrics/layers"))
            #expect(try RunReader(folder).wholeDescription().layers == nil)
            #expect(try RunReader(folder).layers() == [])
        }
    }

    @Test func withoutTheoryThereAreNoPredictions() throws {
        try withTemporaryFolder { results in
            let folder = RunFolder(path: "\(results)/run")
            var description = Example.measured
            description.layers = LayerDescription(names: ["conv1", "fc"])
            try Example.writeRun(folder, description: description)
            #expect(try !HDF5Reader(folder.runFile).exists("/metrics/layers/predicted_activation_variance"))
            #expect(try RunReader(folder).wholeDescription() == description)
        }
    }

    /// A run that was cut off in its third epoch and gone on with from the end of its second has the bytes of one that was not.
    @Test func theyAreCutBackToTheCheckpoint() throws {
        try withTemporaryFolder { results in
            let whole = RunFolder(path: "\(results)/whole"), resumed = RunFolder(path: "\(results)/resumed")
            try Example.writeRun(whole, pauseAfter: [150], description: Example.measured)
            try Example.writeRun(resumed, status: .interrupted, description: Example.measured)
            let contents = try RunReader(resumed).contents().cut(toStep: 200, epoch: 2)
            #expect(contents.layers == Array(moments[...2]))
            let live = try RunWriter(resumed).start(contents)
            for index in 201...300 {
                if index % 50 == 0 { try live.append(Example.digest(index)) }
                try live.append(Example.step(index))
            }
            try live.append(Example.layers(3))
            try live.append(Example.epoch(3))
            try live.append(Example.evaluation)
            try live.finish(.finished)
            #expect(try Data(contentsOf: URL(filePath: whole.runFile)) == Data(contentsOf: URL(filePath: resumed.runFile)))
        }
    }

    /// What `harness doctor --repair` keeps of a file that lost its end.
    @Test func aRunThatWasNotClosedKeepsThem() throws {
        try withTemporaryFolder { results in
            let folder = RunFolder(path: "\(results)/run")
            let writer = try RunWriter(folder)
            let live = try writer.start(RunContents(description: Example.measured))
            try live.append(Example.layers(0))
            try live.append(Example.step(1))
            try live.synchronize()
            let copy = RunFolder(path: "\(results)/copy")
            let mender = try RunWriter(copy)
            try FileManager.default.copyItem(atPath: folder.runFile, toPath: copy.runFile)
            #expect(try mender.salvage()?.layers == [Example.layers(0)])
            #expect(try RunReader(copy).contents().layers == [Example.layers(0)])
            withExtendedLifetime(live) {}
        }
    }
}
