import Foundation
import RunStore
import Testing

/// What reaches the terminal, how the program ends when it is asked to, and what it may use.
@Suite struct TerminalTests {
    private let folder: TemporaryFolder

    init() throws {
        folder = try TemporaryFolder()
        try folder.add("Experiments/tiny.yaml", "data: {name: digits}\ntrain: {epochs: 1, batch_size: 64}\nmodels: {line: logistic-regression}\n")
        try folder.add(
            "Experiments/long.yaml", "data: {name: digits}\ntrain: {epochs: 100000, batch_size: 64}\nmodels: {line: logistic-regression}\n")
    }

    private func run(_ words: String..., environment: [String: String] = [:]) throws -> Program.Result {
        try Program.run(words, in: folder.url, environment: environment)
    }

    /// Whether a text has nothing that a terminal would obey.
    private func isHarmless(_ text: String) -> Bool {
        !text.unicodeScalars.contains { $0 != "\n" && ($0.value < 0x20 || (0x7F..<0xA0).contains($0.value) || (0x202A...0x202E).contains($0.value)) }
    }

    // MARK: Control characters

    private static let title = "\u{1B}]0;mine\u{7}\u{9B}31m\u{202E}"

    @Test("Names from the command line, from files and of files are written out", arguments: [
        ["run", "x\(title)"], ["\(title)"], ["run", "tiny", "--\(title)"], ["run", "tiny", "--only", title], ["run", "tiny", "train.\(title)=1"],
        ["check", "named"], ["check", "valued"], ["inspect", title], ["compare", "odd\(title)"],
        ["models", title], ["models", "{\(title): {}}"], ["data", "--data-dir", title], ["why", "named", title], ["bench", title],
        ["check", "odd\(title)/x"], ["run", "tiny", "--seeds", title],
    ])
    func controlCharactersNeverReachTheTerminal(words: [String]) throws {
        try folder.add("Experiments/named.yaml", "data: {name: digits}\nmodels: {\"a\\e]0;mine\\a\\x9b31m\\u202e\": lenet5}\n")
        try folder.add("Experiments/valued.yaml", "data: {name: digits}\ntrain: {epochs: \"\\e[31m\", optimizer: \"\\e[31m\"}\nmodels: {a: \"\\a\"}\n")
        try folder.add("odd\(Self.title)/x.yaml", "data: {}\n")
        let result = try Program.run(words, in: folder.url)
        #expect(isHarmless(result.output) && isHarmless(result.errors), "\(result.errors.debugDescription)")
        #expect(result.exitCode != 0 || words[0] == "data")
        #expect((result.output + result.errors).contains(#"\u001b"#) || (result.output + result.errors).contains(#"\u0007"#))
    }

    @Test func resultsInAFolderWithAnOddNameAreShown() throws {
        let results = "odd\(Self.title)"
        let trained = try run("run", "tiny", "--results", results)
        #expect(trained.exitCode == 0 && isHarmless(trained.output + trained.errors))
        for words in [["inspect"], ["inspect", "--json"], ["compare"], ["compare", "--format", "json"], ["doctor"], ["tail"], ["verify"]] {
            let result = try Program.run([words[0], "\(results)/tiny"] + words.dropFirst(), in: folder.url)
            #expect(result.exitCode == 0 && isHarmless(result.output + result.errors), "\(words) \(result.errors)")
            if words.last == "json" || words.last == "--json" { _ = try JSONSerialization.jsonObject(with: Data(result.output.utf8)) }
        }
    }

    @Test("A text file that is no definition is not shown at length") func extendsSomethingElse() throws {
        let lines = (0..<500).map { "account\($0): x\u{1B}[31m: secret of \(String(repeating: "y", count: 200))\n" }
        try folder.add("Experiments/accounts", lines.joined())
        try folder.add("Experiments/pairs", (0..<500).map { "\(String(repeating: "k", count: 300))\($0): \(String(repeating: "v", count: 300))\n" }.joined())
        for base in ["accounts", "pairs"] {
            try folder.add("Experiments/extending.yaml", "extends: \(base)\nmodels: {line: logistic-regression}\n")
            let result = try run("check", "extending")
            #expect(result.exitCode == 64 && isHarmless(result.errors))
            let said = result.errors.split(separator: "\n")
            #expect(!said.isEmpty && said.count <= 41, "\(said.count)")
            #expect(said.allSatisfy { $0.count < 400 }, "\(said.map(\.count).max() ?? 0)")
            #expect(!result.errors.contains(String(repeating: "y", count: 100)) && !result.errors.contains(String(repeating: "v", count: 100)))
        }
    }

    // MARK: Signals

    @Test("A signal ends a training with its own code, and the same command resumes", arguments: [(SIGINT, 130), (SIGTERM, 143), (SIGHUP, 129)] as [(Int32, Int32)])
    func signalsHaveTheirCodes(signal: Int32, code: Int32) throws {
        let errors = try folder.add("errors.txt")
        let process = try Program.start(["run", "long", "--results", "r\(signal)"], in: folder.url, errors: errors)
        let deadline = ContinuousClock.now + .seconds(120)
        while try !String(contentsOf: errors, encoding: .utf8).contains("epoch 1/"), ContinuousClock.now < deadline { usleep(20_000) }
        kill(process.processIdentifier, signal)
        process.waitUntilExit()
        #expect(process.terminationReason == .exit && process.terminationStatus == code)
        #expect(try String(contentsOf: errors, encoding: .utf8).contains("interrupted; the same command goes on from here"))
    }

    // MARK: A narrow terminal

    @Test("Progress on a terminal of 72 columns is never cut in a number") func narrowTerminal() throws {
        let command = "stty cols 72; exec \(Program.url.path) run tiny train.epochs=4"
        let result = try Program.run(
            ["-qec", command, "/dev/null"], in: folder.url, environment: ["TERM": "xterm", "SHELL": "/bin/sh"],
            executable: URL(filePath: "/usr/bin/script"))
        #expect(result.exitCode == 0)
        let lines = result.output.components(separatedBy: "\r\u{1B}[K").dropFirst().map { $0.prefix { !$0.isNewline } }
        let status = lines.filter { $0.contains("epoch ") }
        #expect(!status.isEmpty)
        for line in status {
            #expect(line.count <= 71 && line.contains(" images/s"), "\(line)")
            #expect(line.wholeMatch(of: /line  ([━╌]+  )?epoch \d\/4(  loss \d+\.\d\d(\d\d)?)?(  accuracy \d\.\d\d(\d\d)?)?(  val(idation)?( \d+\.\d\d(\d\d)?){1,2})?  [\d,]+ images\/s(  \d+ s left)?/) != nil, "\(line)")
        }
    }

    // MARK: Threads

    /// What the one run in these results recorded.
    private func threads(of results: String) throws -> Int? {
        let runs = try RunFolder.discover(under: folder.url.appending(path: results).path)
        return try MachineRecord(runs[0])?.threads
    }

    @Test("A thousand threads are as many as there are shards") func threadsAreCapped() throws {
        func seconds(threads: String) throws -> Double {
            let start = ContinuousClock.now
            #expect(try run("run", "tiny", "--threads", threads, "--results", threads).exitCode == 0)
            return (.now - start) / .seconds(1)
        }
        let few = try seconds(threads: "8"), many = try seconds(threads: "1000")
        #expect(many < 3 * few + 2, "\(few) s with 8 threads, \(many) s with 1000")
        #expect(try threads(of: "1000") == 8)
    }

    @Test("The default number of threads is that of the processors on which the process may run") func affinity() throws {
        let result = try Program.run(
            ["-c", "0", Program.url.path, "run", "tiny", "--results", "pinned"], in: folder.url, executable: URL(filePath: "/usr/bin/taskset"))
        #expect(result.exitCode == 0, "\(result.errors)")
        #expect(try threads(of: "pinned") == 1)
    }

    // MARK: Folders

    @Test("Links that lead back count no run twice") func cyclesOfLinks() throws {
        #expect(try run("run", "tiny", "--seeds", "0..1").exitCode == 0)
        let results = folder.url.appending(path: "Results")
        for (name, target) in [("loop", "."), ("up", ".."), ("tiny/self", "."), ("tiny/again", "../tiny")] {
            try FileManager.default.createSymbolicLink(atPath: results.appending(path: name).path, withDestinationPath: target)
        }
        let compared = try run("compare", "Results", "--format", "json").output
        #expect(compared.contains("\"n\" : 2,"), "\(compared)")
        #expect(try run("doctor", "Results").output == "2 runs: 2 whole, 0 running, 0 unfinished, 0 damaged\n")
        #expect(try (JSONSerialization.jsonObject(with: Data(try run("inspect", "Results", "--json").output.utf8)) as? [Any])?.count == 2)
        #expect(try run("tail", "Results").exitCode != 0)
    }

    @Test("An empty name is no folder", arguments: [
        (["run", "tiny", "--results", ""], "--results: expected a folder, found an empty name"),
        (["sweep", "tiny", "--results", ""], "--results: expected a folder, found an empty name"),
        (["run", "tiny", "--results="], "--results"),
        (["check", "tiny", "--results", ""], "--results: expected a folder, found an empty name"),
        (["run", "tiny", "--data-dir", ""], "--data-dir: expected a folder, found an empty name"),
        (["data", "--data-dir", ""], "--data-dir: expected a folder, found an empty name"),
    ])
    func emptyNames(words: [String], sentence: String) throws {
        let result = try Program.run(words, in: folder.url)
        #expect(result.exitCode == 64 && result.errors.contains(sentence), "\(result.errors)")
        #expect(try FileManager.default.contentsOfDirectory(atPath: folder.url.path) == ["Experiments"])
    }
}
