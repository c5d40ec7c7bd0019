import Foundation
import Testing

@Suite struct LauncherTests {
    private let launcher = Program.packageRoot.appending(path: "harness")

    /// A `PATH` on which these programs come before the system's.
    private func path(_ folder: TemporaryFolder, _ programs: [String: String]) throws -> [String: String] {
        for (name, script) in programs { try folder.add("bin/\(name)", "#!/bin/sh\n\(script)\n", isExecutable: true) }
        return ["PATH": "\(folder.url.path)/bin:\(ProcessInfo.processInfo.environment["PATH"] ?? "")"]
    }

    /// With root's rights the installation is tried (and fails here), without them the command is printed: 69 either way.
    @Test func namesMissingPackagesAndWhatTheyAreFor() throws {
        let folder = try TemporaryFolder()
        let environment = try path(folder, [
            "dpkg-query": "printf 'libhdf5-dev installed\\nlibjpeg-dev installed\\nlibpng-dev installed\\nlibwebp-dev installed\\nlibmatio-dev installed\\nzlib1g-dev installed\\nlibssl-dev installed\\npkg-config installed\\nlibdnnl-dev not-installed\\n'",
            "apt-get": "echo \"apt-get $*\"; exit 100", "sudo": "exit 1",
        ])
        let result = try Program.run(["models"], in: folder.url, environment: environment, executable: launcher)
        #expect(result.exitCode == 69)
        #expect(result.output == "")
        #expect(result.errors.contains("libdnnl-dev (oneDNN: convolutions and matrix products)"))
        #expect(result.errors.contains("dataset-fashion-mnist (Fashion-MNIST: 60,000 images of clothing, 10 classes)"))
        #expect(!result.errors.contains("libhdf5-dev"))
        #expect(result.errors.contains(
            "run: sudo apt-get update && sudo apt-get install --yes --no-install-recommends libdnnl-dev dataset-fashion-mnist"))
        if geteuid() == 0 { #expect(result.errors.contains("\napt-get update\n"), "updates the lists first") }
    }

    @Test func saysThatSwiftIsMissing() throws {
        let folder = try TemporaryFolder()
        // Only what the launcher itself calls, so that no swift can be found.
        for tool in ["bash", "readlink", "cat", "find"] {
            let script = "#!/bin/bash\nexec /usr/bin/\(tool) \"$@\"\n"
            try folder.add("bin/\(tool)", script, isExecutable: true)
        }
        let installed = ["libhdf5-dev", "libdnnl-dev", "libjpeg-dev", "libpng-dev", "libwebp-dev", "libmatio-dev", "zlib1g-dev", "libssl-dev", "pkg-config", "dataset-fashion-mnist"]
        try folder.add(
            "bin/dpkg-query", "#!/bin/bash\n\(installed.map { "echo '\($0) installed'" }.joined(separator: "\n"))\n", isExecutable: true)
        try folder.add("bin/apt-get", "#!/bin/bash\nexit 1\n", isExecutable: true)
        let result = try Program.run(["test"], environment: ["PATH": folder.url.path + "/bin"], executable: launcher)
        #expect(result.exitCode == 69)
        #expect(result.errors == "harness: needs the Swift toolchain, 6.3 or later, on PATH; see https://www.swift.org/install\n")
    }

    /// Runs a copy of the launcher, with a program and sources of one line, as somebody who may not write into its folder.
    private func runAsStranger(_ folder: TemporaryFolder, _ environment: [String: String]) throws -> Program.Result {
        let tree = folder.url.appending(path: "tree")
        func allow(_ permissions: Int) throws {
            for path in ["tree", "tree/.build", "tree/.build/release"] {
                let place = folder.url.appending(path: path)
                if FileManager.default.fileExists(atPath: place.path) {
                    try FileManager.default.setAttributes([.posixPermissions: permissions], ofItemAtPath: place.path)
                }
            }
        }
        try allow(0o555)
        defer { try? allow(0o755) }
        let copy = tree.appending(path: "harness")
        // Root may write everywhere.
        guard geteuid() == 0 else { return try Program.run(["models"], environment: environment, executable: copy) }
        return try Program.run(
            ["--reuid=65534", "--regid=65534", "--clear-groups", copy.path, "models"], in: folder.url, environment: environment,
            executable: URL(filePath: "/usr/bin/setpriv"))
    }

    @Test func aTreeThatMayNotBeWrittenIsUsedWhereItIsUpToDate() throws {
        let folder = try TemporaryFolder()
        let installed = ["libhdf5-dev", "libdnnl-dev", "libjpeg-dev", "libpng-dev", "libwebp-dev", "libmatio-dev", "zlib1g-dev", "libssl-dev", "pkg-config", "dataset-fashion-mnist"]
        let environment = try path(folder, [
            "dpkg-query": "printf '\(installed.map { "\($0) installed\\n" }.joined())'", "apt-get": "exit 1", "swift": "echo must not build >&2; exit 1",
        ])
        try folder.add("tree/harness", String(contentsOf: launcher, encoding: .utf8), isExecutable: true)
        try folder.add("tree/Package.swift")
        try folder.add("tree/Sources/main.swift")
        let tree = folder.url.appending(path: "tree").path

        // Nothing was built yet.
        let sentence = "harness: has to be built, and \(tree)/.build cannot be written by "
        let unbuilt = try runAsStranger(folder, environment)
        #expect(unbuilt.exitCode == 74 && unbuilt.output == "")
        #expect(unbuilt.errors.hasPrefix(sentence) && unbuilt.errors.split(separator: "\n").count == 1, "\(unbuilt.errors)")

        try folder.add("tree/.build/release/harness", "#!/bin/sh\necho the program: $*\n", isExecutable: true)
        let stamp = try folder.add("tree/.build/launcher-built")
        try FileManager.default.setAttributes([.modificationDate: Date.now.addingTimeInterval(60)], ofItemAtPath: stamp.path)
        let built = try runAsStranger(folder, environment)
        #expect(built == Program.Result(exitCode: 0, output: "the program: models\n", errors: ""))

        // The sources are newer than the program.
        try FileManager.default.setAttributes([.modificationDate: Date.now.addingTimeInterval(-3_600)], ofItemAtPath: stamp.path)
        let outdated = try runAsStranger(folder, environment)
        #expect(outdated.exitCode == 74 && outdated.errors.hasPrefix(sentence) && outdated.errors.split(separator: "\n").count == 1, "\(outdated.errors)")
    }

    @Test func linksItselfEvenThroughItsLink() throws {
        let home = try TemporaryFolder()
        let link = home.url.appending(path: ".local/bin/harness")
        for executable in [launcher, link] {
            let result = try Program.run(["install"], environment: ["HOME": home.url.path], executable: executable)
            #expect(result.exitCode == 0)
            #expect(result.errors.contains("is not on PATH"))
            #expect(try FileManager.default.destinationOfSymbolicLink(atPath: link.path) == launcher.path)
        }
    }

    @Test func doesNotReplaceAFile() throws {
        let home = try TemporaryFolder()
        let file = try home.add(".local/bin/harness", "mine")
        let result = try Program.run(["install"], environment: ["HOME": home.url.path], executable: launcher)
        #expect(result.exitCode == 74)
        #expect(result.errors == "harness: \(file.path) is already there and is not a link; move it away first\n")
        #expect(try String(contentsOf: file, encoding: .utf8) == "mine")
    }
}
