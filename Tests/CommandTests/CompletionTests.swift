import Foundation
import Testing

/// `./harness install` with a home of its own, and what bash offers then.
@Suite struct CompletionTests {
    private let home: TemporaryFolder
    private let launcher = Program.packageRoot.appending(path: "harness")
    private static let files = [".local/share/bash-completion/completions/harness", ".local/share/zsh/site-functions/_harness", ".config/fish/completions/harness.fish"]

    init() throws {
        home = try TemporaryFolder()
        try home.add("work/Experiments/deep/pair.yaml", """
            data:   {name: digits}
            train:  {epochs: 3, batch_size: 64}
            models: {first: {mlp: {widths: [8]}}, second: lenet5}
            """)
        try home.add("work/Experiments/plain.yaml", "data: {name: digits}\nmodels: {m: lenet5}\n")
        try home.add("work/Results/earlier/vit-s0-0123abcd/run.h5")
        // The program under the name that shells know, without a build by the launcher.
        try FileManager.default.createDirectory(at: home.url.appending(path: "bin"), withIntermediateDirectories: true)
        try FileManager.default.createSymbolicLink(at: home.url.appending(path: "bin/harness"), withDestinationURL: Program.url)
    }

    private var environment: [String: String] {
        let path = ProcessInfo.processInfo.environment["PATH"] ?? ""
        return ["HOME": home.url.path, "XDG_DATA_HOME": "", "XDG_CONFIG_HOME": "", "HARNESS_HOME": "", "PATH": "\(home.url.path)/bin:\(path)"]
    }

    private func install(_ words: String..., executable: URL? = nil) throws -> Program.Result {
        try Program.run(["install"] + words, environment: environment, executable: executable ?? launcher)
    }

    /// What bash offers for the last of the words, as its own machinery would ask.
    private func offered(_ words: String...) throws -> [String] {
        let script = """
            source <("\(home.url.path)/bin/harness" --generate-completion-script bash)
            COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); COMP_LINE="$*"; COMP_POINT=${#COMP_LINE}
            _harness harness "${@: -1}" "${@: -2:1}"
            printf '%s\\n' "${COMPREPLY[@]}"
            """
        let result = try Program.run(
            ["-c", script, "bash", "harness"] + words, in: home.url.appending(path: "work"), environment: environment, executable: URL(filePath: "/bin/bash"))
        #expect(result.errors == "", "\(result.errors)")
        return result.output.split(separator: "\n").map(String.init).sorted()
    }

    @Test func bashOffersWhatThereIs() throws {
        #expect(try offered("").contains("run") && offered("co") == ["compare", "convert"])
        let experiments = try offered("run", "")
        #expect(Set(experiments).isSuperset(of: ["deep/pair", "plain", "earlier", "Experiments", "Results"]), "\(experiments)")
        #expect(try offered("run", "deep/p") == ["deep/pair"])
        #expect(try offered("run", "Experiments/pl") == ["Experiments/plain.yaml"])
        #expect(try offered("run", "deep/pair", "--only", "") == ["first", "second"])
        #expect(try offered("run", "deep/pair", "train.ep") == ["train.epochs=3"])
        #expect(try offered("run", "deep/pair", "data.name", "=", "fash") == ["fashion-mnist", "fashion-scenes"])
        #expect(try offered("run", "deep/pair", "--more-e") == ["--more-epochs"])
        #expect(try offered("explain", "data.na") == ["data.name"])
        let data = try offered("explain", "data.")
        #expect(data.contains("data.augment") && data.contains("data.name") && data.allSatisfy { $0.hasPrefix("data.") }, "\(data)")
        #expect(try offered("explain", "train.optimizer.adamw.w") == ["train.optimizer.adamw.weight_decay"])
        #expect(try offered("explain", "vit.wid").contains("vit.width"))
        #expect(try offered("models", "resnet1").contains("resnet18"))
        #expect(try offered("verify", "earlier/") == ["earlier/vit-s0-0123abcd"])
        #expect(try offered("why", "deep/pair", "train.b") == ["train.batch_size"])
        // Nothing is said where there is nothing to offer.
        #expect(try offered("run", "nothing-of-that-name", "train.") == [])
    }

    @Test func installingTwiceIsInstallingOnceAndRemovingTakesAllAway() throws {
        for _ in 0..<2 {
            let result = try install()
            #expect(result.exitCode == 0 && result.output == "", "\(result.errors)")
            for (shell, file) in zip(["bash", "zsh", "fish"], Self.files) {
                let path = home.url.appending(path: file).path
                #expect(result.errors.contains("harness: \(shell) completes words with \(path)\n"))
                let text = try String(contentsOfFile: path, encoding: .utf8)
                #expect(text.contains("'\(launcher.path)' --generate-completion-script \(shell)"), "\(text)")
            }
        }
        let removed = try install("--remove")
        #expect(removed.exitCode == 0 && removed.errors.split(separator: "\n").count == 4, "\(removed.errors)")
        for file in Self.files + [".local/bin/harness"] { #expect(!FileManager.default.fileExists(atPath: home.url.appending(path: file).path)) }
        #expect(try install("--remove").errors == "harness: nothing of this is installed in \(home.url.path)\n")
    }

    @Test func whatIsSomebodyElsesStays() throws {
        let file = try home.add(Self.files[2], "mine")
        let refused = try install()
        #expect(refused.exitCode == 74 && refused.errors.hasSuffix("harness: \(file.path) is already there and is not from harness install; move it away first\n"))
        #expect(try install("--remove").exitCode == 0)
        #expect(try String(contentsOf: file, encoding: .utf8) == "mine")
        let words = try install("--delete")
        #expect(words.exitCode == 64 && words.errors == "harness: install: expected nothing or --remove after it, found '--delete'\n")
    }

    /// A shell asks the launcher while somebody types: it answers by the program that is there, and builds and installs nothing.
    @Test func theLauncherBuildsNothingForAShell() throws {
        let copy = try home.add("tree of 'mine'/harness", String(contentsOf: launcher, encoding: .utf8), isExecutable: true)
        #expect(try install(executable: copy).exitCode == 0)
        let bash = ["-c", "source \(home.url.path)/\(Self.files[0]); complete -p harness"]
        func complete() throws -> Program.Result { try Program.run(bash, environment: environment, executable: URL(filePath: "/bin/bash")) }
        #expect(try complete().errors.contains("no completion specification"))
        try home.add("tree of 'mine'/.build/release/harness", "#!/bin/sh\nexec '\(Program.url.path)' \"$@\"\n", isExecutable: true)
        let result = try complete()
        #expect(result.output == "complete -o filenames -F _harness harness\n" && result.errors == "", "\(result)")
    }
}
