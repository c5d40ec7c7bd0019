import Foundation
import RunStore
import Testing

/// `harness run … --more-epochs N` on finished runs, as a user calls it.
@Suite(.serialized) struct LongerTrainingTests {
    private let folder: TemporaryFolder
    private static let text = """
        data:  {name: digits, augment: [{shift: 1}]}
        train:
          epochs: 3
          batch_size: 32
          checkpoint_every_steps: 7
          optimizer: {adamw: {learning_rate: 2e-3}}
          schedule: {cosine: {warmup_epochs: 1}}
        seeds: [0, 1]
        models:
          vit: {vit: {patch: 2, width: 32, depth: 1, heads: 2, dropout: 0.1}}
          net: {resnet: {depth: 8, width: 4}, train: {schedule: constant, optimizer: {sgd: {learning_rate: 0.05, momentum: 0.9}}}}

        """

    init() throws {
        folder = try TemporaryFolder()
        try folder.add("Experiments/pair.yaml", Self.text)
    }

    private func run(_ words: String...) throws -> Program.Result { try Program.run(["run"] + words, in: folder.url) }

    /// The run folders of an experiment, by the number of their epochs; those of one model and seed.
    private func runs(_ results: String = "Results", of trial: String) throws -> [Int: RunFolder] {
        let place = folder.url.appending(path: "\(results)/pair").path
        let names = try FileManager.default.contentsOfDirectory(atPath: place).filter { $0.hasPrefix("\(trial)-") }
        return try Dictionary(uniqueKeysWithValues: names.map { name in
            let folder = RunFolder(path: "\(place)/\(name)")
            return (try RunReader(folder).epochCount(), folder)
        })
    }

    private func files(_ run: RunFolder) throws -> [Data] {
        try [run.runFile, run.weightsFile(.last), run.weightsFile(.best)].map { try Data(contentsOf: URL(filePath: $0)) }
    }

    @Test func continuesEveryFinishedTrial() throws {
        #expect(try run("pair", "--seeds", "0").exitCode == 0)
        #expect(try run("pair", "--only", "net", "--seeds", "1").exitCode == 0)
        let result = try run("pair", "--more-epochs", "2", "--threads", "1")
        #expect(result.exitCode == 0, "\(result.errors)")
        #expect(result.errors.contains("harness: note: vit s1: has no run in "), "\(result.errors)")
        #expect(result.errors.contains("; harness run pair trains it first\n"), "\(result.errors)")
        #expect(result.errors.contains(
            /vit s0  goes on for 2 epochs after the 3 of vit-s0-\w{8}; the cosine starts again: the learning rate falls from 0.002 to 0 over these 2 epochs\n/))
        #expect(result.errors.contains(/net s1  goes on for 2 epochs after the 3 of net-s1-\w{8}; the learning rate stays at 0.05\n/), "\(result.errors)")
        // The table shows each beside its original.
        let rows = result.output.split(separator: "\n").prefix { !$0.hasPrefix("test accuracy") }.dropFirst(2)
        #expect(rows.count == 4 && rows.contains { $0.contains("epochs=3 after_epoch=–") } && rows.contains { $0.contains("epochs=5 after_epoch=3") }, "\(result.output)")

        let vit = try #require(try runs(of: "vit-s0")[5]), net = try runs(of: "net-s1")
        #expect(try runs(of: "vit-s0").count == 2 && runs(of: "vit-s1").isEmpty && net.count == 2)
        let verified = try Program.run(["verify", vit.path], in: folder.url)
        #expect(verified.exitCode == 0 && verified.output.hasPrefix("identical through step 200: "), "\(verified.output)\(verified.errors)")
        let doctor = try Program.run(["doctor", "Results/pair"], in: folder.url)
        #expect(doctor.exitCode == 0, "\(doctor.output)")
        // With a constant rate it is the training that five epochs are.
        #expect(try run("pair", "train.epochs=5", "--only", "net", "--seeds", "1", "--results", "whole").exitCode == 0)
        let whole = try #require(try runs("whole", of: "net-s1")[5])
        #expect(try files(whole)[1...] == files(#require(net[5]))[1...])

        // By its folder, or the beginning of its name, it is the same trial; with other numbers it is another.
        let again = try run(try #require(try runs(of: "vit-s0")[3]).path, "--more-epochs", "2")
        #expect(again.exitCode == 0 && again.errors == "vit  already done (--fresh repeats it)\n", "\(again.errors)")
        let more = try run("pair/\((vit.path as NSString).lastPathComponent)", "--more-epochs", "1")
        #expect(more.exitCode == 0 && more.errors.contains("vit  goes on for one epoch after the 5 of "), "\(more.errors)")
        #expect(try runs(of: "vit-s0").keys.sorted() == [3, 5, 6])
        let longest = try #require(try runs(of: "vit-s0")[6])
        try FileManager.default.removeItem(atPath: vit.path)
        #expect(try Program.run(["verify", longest.path], in: folder.url).exitCode == 0, "the runs before it are made again for a moment")
    }

    /// Killed at several moments, and resumed at another number of threads: the files of one that was left alone. From its first checkpoint on it needs
    /// the other run no more.
    @Test func killedAndResumedItEndsTheSame() throws {
        let words = ["pair", "--only", "vit", "--seeds", "0"]
        for results in ["whole", "cut"] { #expect(try Program.run(["run", "--results", results] + words, in: folder.url).exitCode == 0) }
        let more = words + ["--more-epochs", "4"]
        #expect(try Program.run(["run", "--threads", "2", "--results", "whole"] + more, in: folder.url).exitCode == 0)
        let expected = try files(#require(try runs("whole", of: "vit-s0")[7]))
        var kills = 0
        for step in [1, 130, 150, 215] {
            let process = try Program.start(["run", "--threads", "1", "--results", "cut"] + more, in: folder.url)
            while process.isRunning, try newestCheckpoint("cut") < step { usleep(300) }
            if process.isRunning { kills += 1 }
            kill(process.processIdentifier, SIGKILL)
            process.waitUntilExit()
        }
        #expect(kills > 0)
        let rest = try Program.run(["run", "--threads", "1", "--results", "cut"] + more, in: folder.url)
        #expect(rest.exitCode == 0 && rest.errors.contains(/vit  goes on after step \d+\n/), "\(rest.errors)")
        #expect(try files(#require(try runs("cut", of: "vit-s0")[7])) == expected)
    }

    /// The step of the newest checkpoint of any run; 0 where there is none.
    private func newestCheckpoint(_ results: String) throws -> Int {
        let paths = (try? FileManager.default.subpathsOfDirectory(atPath: folder.url.appending(path: results).path)) ?? []
        return paths.compactMap { $0.firstMatch(of: /checkpoints\/step-(\d+)\.h5$/).flatMap { Int($0.1) } }.max() ?? 0
    }

    @Test func whatCannotGoOnIsOneSentence() throws {
        func expect(_ code: Int32, _ sentence: Regex<Substring>, _ words: String...) throws {
            let result = try Program.run(["run"] + words, in: folder.url)
            #expect(result.exitCode == code && result.output == "" && result.errors.contains(sentence), "\(result.exitCode) \(result.errors)")
            #expect(result.errors.split(separator: "\n").count == 1, "\(result.errors)")
        }
        let one = ["pair", "--only", "vit", "--seeds", "0"]
        for count in ["0", "-3"] {
            let result = try Program.run(["run"] + one + ["--more-epochs", count], in: folder.url)
            #expect(result.exitCode == 64 && result.errors.contains("--more-epochs: expected a number from 1, found \(count)"), "\(result.errors)")
        }
        try expect(66, /^harness: vit s0: has no run in .*Results\/pair; harness run pair trains it first\n/, "pair", "--only", "vit", "--seeds", "0", "--more-epochs", "2")
        try expect(66, /^harness: there is no experiment 'pears'; .*; and there is no run of that name\n/, "pears", "--more-epochs", "2")

        let process = try Program.start(["run"] + one, in: folder.url)
        while process.isRunning, try newestCheckpoint("Results") == 0 { usleep(500) }
        kill(process.processIdentifier, SIGKILL)
        process.waitUntilExit()
        try expect(66, /vit-s0-\w+: vit s0 was cut off; harness run pair finishes it first\n/, "pair", "--only", "vit", "--seeds", "0", "--more-epochs", "2")
        try expect(66, /vit-s0-\w+: the run was cut off; --more-epochs continues finished runs\n/, "pair/vit-s0", "--more-epochs", "2")

        #expect(try Program.run(["run"] + one, in: folder.url).exitCode == 0)
        try expect(64, /^harness: --more-epochs: 999,998 epochs after 3 are more than the 1,000,000 of a training\n/, "pair", "--only", "vit", "--seeds", "0", "--more-epochs", "999998")
        try expect(64, /: is a run, whose definition is in it; --only, --seeds, --precision, --smoke and changed values go with/, "pair/vit-s0", "--seeds", "1", "--more-epochs", "2")
        // The definition is another now.
        try folder.add("Experiments/pair.yaml", Self.text.replacing("dropout: 0.1", with: "dropout: 0.2"))
        try expect(66, /^harness: vit s0: has no run by this definition; .*\/vit-s0-\w+ is one by another, which harness run .* --more-epochs 2 continues\n/,
            "pair", "--only", "vit", "--seeds", "0", "--more-epochs", "2")
        try folder.add("Experiments/pair.yaml", Self.text)
        #expect(try Program.run(["run", "pair", "--only", "vit", "--seeds", "1"], in: folder.url).exitCode == 0)
        try expect(64, /^harness: 'pair\/vit' is the beginning of 2 runs' names:/, "pair/vit", "--more-epochs", "2")

        let original = try #require(try runs(of: "vit-s0")[3]), last = URL(filePath: original.weightsFile(.last))
        var bytes = try Data(contentsOf: last)
        bytes[5_000] ^= 4
        try bytes.write(to: last)
        try expect(65, /weights\/last\.h5: is damaged:/, "pair", "--only", "vit", "--seeds", "0", "--more-epochs", "2")
        try FileManager.default.removeItem(at: last)
        try expect(65, /weights\/last\.h5: is missing\n/, "pair/vit-s0", "--more-epochs", "2")
        try Data(count: 100).write(to: URL(filePath: original.runFile))
        try expect(65, /run\.h5:/, "pair/vit-s0", "--more-epochs", "2")
    }
}
