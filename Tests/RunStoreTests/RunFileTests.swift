import Configuration
import Foundation
import HDF5
import Measures
import TestSupport
import Testing

@testable import RunStore

struct RunFileTests {
    @Test(arguments: [RunStatus.finished, .interrupted, .diverged])
    func aRunReadsBackAsItWasWritten(status: RunStatus) throws {
        try withTemporaryFolder { results in
            let folder = RunFolder(results: results, experiment: "e", model: "resnet20", seed: 3, hash: "0123456789")
            #expect(folder.path == "\(results)/e/resnet20-s3-01234567")
            try Example.writeRun(folder, status: status)
            let reader = try RunReader(folder)
            #expect(reader.status == status)
            #expect(try reader.contents() == Example.contents(steps: 300, status: status))
            #expect(try MachineRecord(folder) == Example.machine)
            #expect(try Set(FileManager.default.contentsOfDirectory(atPath: folder.path)) == ["run.h5", "weights", "machine.json"])
        }
    }

    @Test("Columns are looked up by their names: measures less, measures more, and measures of training or evaluation alone", arguments: [
        [Measure.loss], [.loss, .accuracy, Measure("top_5", unit: "1", better: .larger, bounds: 0...1)],
        [
            .loss, Measure("aux1_cross_entropy", unit: "nat", better: .smaller, occasion: .training), .accuracy,
            Measure("median_error", unit: "m", better: .smaller, occasion: .evaluation),
        ],
    ])
    func columnsHaveNames(measures: [Measure]) throws {
        try withTemporaryFolder { results in
            let folder = RunFolder(path: "\(results)/a")
            var description = Example.description
            (description.measures, description.layouts) = (measures, [.test: EvaluationLayout()])
            let training = measures.indices.map { measures[$0].isOfTraining ? Double($0) + 0.5 : .nan }
            let evaluated = measures.indices.map { measures[$0].isOfEvaluation ? Double($0) + 0.25 : nil }
            do {
                let live = try RunWriter(folder).start(RunContents(description: description))
                try live.append(StepRecord(step: 1, epoch: 1, values: training, learningRate: 0.1, gradientNorm: 2))
                try live.append(EpochRecord(epoch: 1, training: training, validation: evaluated))
                try live.append(EvaluationRecord(values: evaluated))
                try live.finish(.interrupted)
            }
            let contents = try RunReader(folder).contents()
            #expect(contents.description.measures == measures)
            #expect("\(contents.steps[0].values) \(contents.epochs[0].training)" == "\(training) \(training)")
            #expect(contents.epochs[0].validation == evaluated && contents.evaluations[.test]?.values == evaluated)

            // Whoever expects other measures finds those that are there, whatever stands beside them.
            let file = try HDF5Reader(folder.runFile), expected = [Measure.accuracy, Measure("recall", unit: "1", better: .larger), .loss]
            let places = expected.map { measure in measures.firstIndex { $0.name == measure.name } }
            let epoch = try MetricTable<EpochRecord>.read(from: file, measures: expected)[0]
            #expect("\(epoch.training)" == "\(places.map { $0.map { training[$0] } ?? .nan })")
            #expect(epoch.validation == places.map { $0.flatMap { evaluated[$0] } })
            #expect(try EvaluationColumns.readValues(from: file, .test, measures: expected) == places.map { $0.flatMap { evaluated[$0] } })
        }
    }

    @Test("A bit of machine.json that flips is found, also in the name of its digest; a record of an earlier version has none")
    func everyFlippedBitOfTheMachineRecordIsFound() throws {
        try withTemporaryFolder { results in
            let folder = RunFolder(path: "\(results)/run")
            try FileManager.default.createDirectory(atPath: folder.path, withIntermediateDirectories: true)
            try Example.machine.write(to: folder.machineFile)
            let stored = try Data(contentsOf: URL(filePath: folder.machineFile))
            var missed: [Int] = []
            for bit in 0..<8 * stored.count {
                var copy = stored
                copy[bit / 8] ^= 1 << (bit % 8)
                try copy.write(to: URL(filePath: folder.machineFile))
                if (try? MachineRecord(folder)) != nil { missed.append(bit) }
            }
            #expect(missed == [])
            let encoder = JSONEncoder()
            encoder.outputFormatting = [.prettyPrinted, .sortedKeys]
            try encoder.encode(Example.machine).write(to: URL(filePath: folder.machineFile))
            #expect(try MachineRecord(folder) == Example.machine)
        }
    }

    @Test func bytesDoNotDependOnWhenRowsWereFlushed() throws {
        try withTemporaryFolder { results in
            let a = RunFolder(path: "\(results)/a"), b = RunFolder(path: "\(results)/b")
            try Example.writeRun(a)
            try Example.writeRun(b, pauseAfter: [37, 250])
            #expect(try bytes(a.runFile) == bytes(b.runFile))
            #expect(try bytes(a.weightsFile(.best)) == bytes(b.weightsFile(.best)))
        }
    }

    @Test func bytesDoNotDependOnWhetherTheRunWentOnFromEarlierContents() throws {
        try withTemporaryFolder { results in
            let whole = RunFolder(path: "\(results)/whole"), resumed = RunFolder(path: "\(results)/resumed")
            try Example.writeRun(whole)
            do {
                let writer = try RunWriter(resumed)
                let live = try writer.start(RunContents(description: Example.description))
                for index in 1...230 {
                    if index % 50 == 0 { try live.append(Example.digest(index)) }
                    try live.append(Example.step(index))
                }
                try live.append(Example.epoch(1))
                try live.append(Example.epoch(2))
                try live.finish(.interrupted)
                try Example.weights.write(with: writer.makeWeights(.best))
            }
            let writer = try RunWriter(resumed)
            var contents = try RunReader(resumed).contents()
            contents = contents.cut(toStep: 200, epoch: 2)
            #expect(contents.steps.count == 200 && contents.digests.count == 4)
            let live = try writer.start(contents)
            #expect(FileManager.default.fileExists(atPath: resumed.weightsFile(.best)))
            for index in 201...300 {
                if index % 50 == 0 { try live.append(Example.digest(index)) }
                try live.append(Example.step(index))
            }
            try live.append(Example.epoch(3))
            try live.append(Example.evaluation)
            try live.finish(.finished)
            #expect(try bytes(whole.runFile) == bytes(resumed.runFile))
        }
    }

    @Test func aCopyOfALiveFileHoldsEveryFlushedRow() throws {
        try withTemporaryFolder { results in
            let folder = RunFolder(path: "\(results)/run")
            let writer = try RunWriter(folder)
            let live = try writer.start(RunContents(description: Example.description))
            #expect(try RunReader(folder).contents() == RunContents(description: Example.description))
            for index in 1...150 {
                try live.append(Example.step(index))
                if index == 100 { try live.append(Example.epoch(1)) }
            }
            try FileManager.default.copyItem(atPath: folder.runFile, toPath: "\(results)/copy.h5")
            let copy = try RunReader("\(results)/copy.h5")
            #expect(copy.status == .running)
            let steps = try copy.steps()
            #expect(steps.count >= 100)
            #expect(steps == (1...steps.count).map(Example.step))
            #expect(try copy.epochs() == [Example.epoch(1)])
            #expect(try copy.evaluation() == nil)
            #expect(throws: UserError(.io, "\(results)/copy.h5: is being written, or its writer was killed")) {
                try HDF5Reader("\(results)/copy.h5")
            }
        }
    }

    @Test func notANumberKeepsOneForm() throws {
        try withTemporaryFolder { results in
            for (name, value) in [("a", Double.nan), ("b", -Double.nan)] {
                let live = try RunWriter(RunFolder(path: "\(results)/\(name)")).start(RunContents(description: Example.description))
                var step = Example.step(1)
                step.loss = value
                try live.append(step)
                try live.finish(.diverged)
            }
            #expect(try bytes("\(results)/a/run.h5") == bytes("\(results)/b/run.h5"))
            #expect(try RunReader("\(results)/a/run.h5").steps()[0].loss.isNaN)
        }
    }

    @Test func startingOverRemovesWhatAnEarlierRunLeft() throws {
        try withTemporaryFolder { results in
            let folder = RunFolder(path: "\(results)/run")
            try Example.writeRun(folder)
            let writer = try RunWriter(folder)
            _ = try writer.start(RunContents(description: Example.description))
            #expect(try FileManager.default.contentsOfDirectory(atPath: "\(folder.path)/weights") == [])
            #expect(try MachineRecord(folder) == nil)
        }
    }

    @Test func theSecondWriterIsRefused() throws {
        try withTemporaryFolder { results in
            let folder = RunFolder(path: "\(results)/run")
            #expect(!folder.isBeingWritten)
            do {
                let first = try RunWriter(folder)
                #expect(folder.isBeingWritten)
                #expect(throws: UserError(.io, "\(folder.path): another process is writing this run; wait until it ends")) {
                    try RunWriter(folder)
                }
                withExtendedLifetime(first) {}
            }
            #expect(!folder.isBeingWritten)
            _ = try RunWriter(folder)
        }
    }

    @Test func aFolderThatCannotBeMade() throws {
        try withTemporaryFolder { results in
            try Data("x".utf8).write(to: URL(filePath: "\(results)/file"))
            #expect(throws: UserError(.io, "\(results)/file/run: the run folder cannot be made: Not a directory")) {
                try RunWriter(RunFolder(path: "\(results)/file/run"))
            }
            #expect(throws: UserError(.io, "/proc/run: the run folder cannot be made: No such file or directory")) {
                try RunWriter(RunFolder(path: "/proc/run"))
            }
        }
    }

    @Test func damagedRunFiles() throws {
        try withTemporaryFolder { results in
            let folder = RunFolder(path: "\(results)/run")
            try Example.writeRun(folder)
            let whole = try bytes(folder.runFile)
            let path = "\(results)/damaged.h5"
            try whole.prefix(whole.count - 100).write(to: URL(filePath: path))
            #expect(throws: UserError(.data, "\(path): is truncated (it has \(whole.count - 100) bytes and should have \(whole.count))")) {
                try RunReader(path)
            }
            try Example.weights.write(to: path)
            #expect(throws: UserError(.data, "\(path): is not a run file (it has no /status)")) { try RunReader(path) }
            let newer = try HDF5Writer(path)
            try newer.write(UInt8(0), to: "/status")
            try newer.setAttribute("format_version", of: "/", to: Int64(99))
            try newer.close()
            #expect(throws: UserError(.data, "\(path): has format 99, which is newer than this program's 4")) { try RunReader(path) }
            #expect(throws: UserError(.noInput, "\(results)/none.h5: there is no such file")) { try RunReader("\(results)/none.h5") }
            try Data("{}".utf8).write(to: URL(filePath: folder.machineFile))
            #expect(throws: UserError(.data, "\(folder.machineFile): is damaged: expected the JSON that this program writes")) {
                try MachineRecord(folder)
            }
        }
    }

    @Test func runsAreFoundBelowAFolder() throws {
        try withTemporaryFolder { results in
            for name in ["e/vit-s10-0", "e/vit-s2-0", "d/lenet-s0-0"] { try Example.writeRun(RunFolder(path: "\(results)/\(name)"), steps: 1) }
            try FileManager.default.createDirectory(atPath: "\(results)/empty", withIntermediateDirectories: true)
            let found = try RunFolder.discover(under: results).map(\.path)
            #expect(found == ["d/lenet-s0-0", "e/vit-s2-0", "e/vit-s10-0"].map { "\(results)/\($0)" })
            #expect(try RunFolder.discover(under: "\(results)/e/vit-s2-0").map(\.path) == ["\(results)/e/vit-s2-0"])
            #expect(try RunFolder.discover(under: "\(results)/empty") == [])
            #expect(throws: UserError(.noInput, "\(results)/none: there is no such folder")) {
                try RunFolder.discover(under: "\(results)/none")
            }
        }
    }

    @Test("However many links lead to a run, it is found once, under its own path") func linksAreFollowedOnce() throws {
        try withTemporaryFolder { root in
            let results = "\(root)/results"
            func link(_ path: String, to target: String) throws {
                try FileManager.default.createSymbolicLink(atPath: "\(root)/\(path)", withDestinationPath: target)
            }
            for name in ["results/e/vit-s0-0", "results/e/vit-s1-0", "elsewhere/deep/vit-s2-0"] {
                try Example.writeRun(RunFolder(path: "\(root)/\(name)"), steps: 1)
            }
            // Cycles, links before and behind the folder itself in any order of names, a link to another place, one to nothing.
            try link("results/a", to: "e")
            try link("results/z", to: ".")
            try link("results/e/up", to: "../..")
            try link("results/e/a", to: "vit-s1-0")
            try link("results/gone", to: "nothing")
            try link("elsewhere/back", to: "../results")
            let own = ["e/vit-s0-0", "e/vit-s1-0"].map { "\(results)/\($0)" }
            let found = try RunFolder.discover(under: results).map(\.path)
            #expect(Array(found.prefix(2)) == own || Array(found.suffix(2)) == own, "\(found)")
            #expect(found.count == 3 && found.contains { $0.hasSuffix("elsewhere/deep/vit-s2-0") }, "\(found)")
            // A link is as good a beginning as a folder.
            #expect(try RunFolder.discover(under: "\(results)/a").count == 3)
            #expect(try RunFolder.discover(under: "\(root)/elsewhere", includingRemains: true).count == 3)
        }
    }

    private func bytes(_ path: String) throws -> Data { try Data(contentsOf: URL(filePath: path)) }
}
