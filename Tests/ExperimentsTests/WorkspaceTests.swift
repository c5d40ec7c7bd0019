import Configuration
import Foundation
import Testing

@testable import Experiments

/// A package and a project beside it, in a temporary folder of their own.
private final class Folders {
    let root = FileManager.default.temporaryDirectory.appending(path: "workspace-\(UUID().uuidString)").standardizedFileURL
    deinit { try? FileManager.default.removeItem(at: root) }

    func add(_ files: String...) throws {
        for file in files {
            let url = root.appending(path: file)
            try FileManager.default.createDirectory(at: url.deletingLastPathComponent(), withIntermediateDirectories: true)
            try Data().write(to: url)
        }
    }

    func workspace(_ folder: String) -> Workspace {
        Workspace(currentFolder: root.appending(path: folder), packageRoot: root.appending(path: "package"))
    }
}

@Suite struct WorkspaceTests {
    private let folders = Folders()

    init() throws {
        try folders.add(
            "package/Experiments/vit_vs_resnet.yaml", "package/Experiments/ablations/depth.yaml", "package/Results/README.md",
            "project/Experiments/own.yaml", "project/deep/below/note.txt", "elsewhere/note.txt")
    }

    private func found(_ word: String, from folder: String) throws -> String {
        let url = try folders.workspace(folder).definition(word)
        return String(url.path.dropFirst(folders.root.path.count + 1))
    }

    @Test(arguments: [
        ("vit_vs_resnet", "package"), ("experiments/vit_vs_resnet", "package"), ("Experiments/vit_vs_resnet.yaml", "package"),
        ("EXPERIMENTS/VIT_VS_RESNET.YAML", "package"), ("vit_vs_resnet", "elsewhere"), ("experiments/vit_vs_resnet", "project/deep/below"),
        ("../package/Experiments/vit_vs_resnet", "project"), ("vit_vs_resnet.yaml", "package/Experiments"),
    ])
    func findsADefinition(word: String, folder: String) throws {
        #expect(try found(word, from: folder) == "package/Experiments/vit_vs_resnet.yaml")
    }

    @Test func findsItAboveTheCurrentFolderAndInSubfolders() throws {
        #expect(try found("own", from: "project/deep/below") == "project/Experiments/own.yaml")
        #expect(try found("ablations/depth", from: "elsewhere") == "package/Experiments/ablations/depth.yaml")
        let absolute = folders.root.appending(path: "project/Experiments/own").path
        #expect(try found(absolute, from: "elsewhere") == "project/Experiments/own.yaml")
    }

    @Test(arguments: [
        ("vit_vs_resnt", "package", "did you mean 'vit_vs_resnet'? Experiments has: ablations/depth, vit_vs_resnet"),
        ("experiments/vit_vs_resnt.yaml", "package", "did you mean 'vit_vs_resnet'? Experiments has: ablations/depth, vit_vs_resnet"),
        ("zzzzzz", "project", "there is no experiment 'zzzzzz'; Experiments has: own"),
    ])
    func unknownExperiments(word: String, folder: String, sentence: String) throws {
        let error = try #require(throws: UserError.self) { try folders.workspace(folder).definition(word) }
        #expect(error.exitCode == 66)
        #expect(error.message.hasSuffix(sentence), "\(error.message)")
    }

    @Test(arguments: [
        ("package", "package/Results"), ("project", "project/Results"), ("project/deep/below", "project/Results"),
        ("elsewhere", "package/Results"),
    ])
    func resultsLieBesideExperiments(folder: String, results: String) {
        #expect(folders.workspace(folder).results.standardizedFileURL.path == folders.root.appending(path: results).path)
    }

    @Test func findsResultsByName() throws {
        try folders.add("package/Results/vit_vs_resnet/vit-s0-00000000/run.h5")
        for (word, folder) in [("vit_vs_resnet", "elsewhere"), ("results/vit_vs_resnet", "package"), ("Results/vit_vs_resnet", "package/Experiments")] {
            #expect(try folders.workspace(folder).result(word).path == folders.root.appending(path: "package/Results/vit_vs_resnet").path)
        }
        let error = try #require(throws: UserError.self) { try folders.workspace("package").result("vit_vs_resne") }
        #expect(error.exitCode == 66 && error.message == "there is no file or folder 'vit_vs_resne'; did you mean 'vit_vs_resnet'?")
    }

    @Test func findsResultsByTheEndOfTheirExperimentsName() throws {
        try folders.add(
            "package/Results/ablations/depth/vit-s0-00000000/run.h5", "package/Results/ablations/vit-s0-00000000/run.h5", "package/Results/a/heads/sweep.h5",
            "package/Results/b/heads/vit-s0-00000000/run.h5", "package/Results/heads.md")
        let workspace = folders.workspace("package"), root = folders.root.appending(path: "package/Results").path
        #expect(try workspace.result("depth").path == "\(root)/ablations/depth")
        #expect(try workspace.result("ABLATIONS/depth").path == "\(root)/ablations/depth")
        #expect(throws: UserError(.usage, "'heads' is the end of several experiments' names: a/heads, b/heads")) { try workspace.result("heads") }
        #expect(try workspace.result("b/heads").path == "\(root)/b/heads")
        #expect(throws: UserError(.noInput, "there is no file or folder 'epth'; did you mean 'depth'?")) { try workspace.result("epth") }
        #expect(throws: UserError(.noInput, "there is no file or folder 'nothing'; known: a/heads, ablations, ablations/depth, b/heads")) {
            try workspace.result("nothing")
        }
        // What is there under the very name counts.
        try folders.add("package/Results/depth/vit-s0-00000000/run.h5")
        #expect(try workspace.result("depth").path == "\(root)/depth")
    }

    @Test func displaysPathsAsAUserWritesThem() {
        let workspace = folders.workspace("package")
        #expect(workspace.display(folders.root.appending(path: "package/Experiments/a.yaml")) == "Experiments/a.yaml")
        #expect(workspace.display(URL(filePath: "/usr/share")) == "/usr/share")
    }
}
