import Foundation

/// The built program, run as a user runs it.
struct Program {
    struct Result: Equatable {
        let exitCode: Int32
        let output: String
        let errors: String
    }

    /// The executable lies beside the test bundle in the build folder.
    static let url: URL = {
        let bundles = [Bundle.main.bundleURL, Bundle.main.executableURL].compactMap(\.self)
            + ProcessInfo.processInfo.arguments.map { URL(filePath: $0) }
        for bundle in bundles {
            var folder = bundle
            for _ in 0..<3 {
                let program = folder.appending(path: "harness")
                var isFolder: ObjCBool = false
                if FileManager.default.fileExists(atPath: program.path, isDirectory: &isFolder), !isFolder.boolValue { return program }
                folder.deleteLastPathComponent()
            }
        }
        preconditionFailure("the program harness was not built beside the tests: \(bundles)")
    }()

    /// The folder that holds Package.swift.
    static let packageRoot = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()

    /// Runs `executable` (the program, unless another is named) to its end.
    static func run(
        _ arguments: [String], in folder: URL? = nil, environment: [String: String] = [:], executable: URL = url
    ) throws -> Result {
        // Files rather than pipes: nothing has to be read while the program runs.
        let scratch = try TemporaryFolder()
        let files = try ["output", "errors"].map { try scratch.add($0) }
        let process = try start(arguments, in: folder, environment: environment, executable: executable, output: files[0], errors: files[1])
        process.waitUntilExit()
        return Result(
            exitCode: process.terminationStatus, output: try String(contentsOf: files[0], encoding: .utf8),
            errors: try String(contentsOf: files[1], encoding: .utf8))
    }

    /// Starts it, with what it says going to files or nowhere.
    static func start(
        _ arguments: [String], in folder: URL?, environment: [String: String] = [:], executable: URL = url, output: URL? = nil,
        errors: URL? = nil
    ) throws -> Process {
        let process = Process()
        process.executableURL = executable
        process.arguments = arguments
        process.currentDirectoryURL = folder
        process.environment = ProcessInfo.processInfo.environment.merging(environment) { _, new in new }
        process.standardOutput = try output.map(FileHandle.init(forWritingTo:)) ?? .nullDevice
        process.standardError = try errors.map(FileHandle.init(forWritingTo:)) ?? .nullDevice
        process.standardInput = FileHandle.nullDevice
        try process.run()
        return process
    }
}

/// A folder that is removed with this object.
final class TemporaryFolder: Sendable {
    let url = FileManager.default.temporaryDirectory.appending(path: "harness-\(UUID().uuidString)")

    init() throws { try FileManager.default.createDirectory(at: url, withIntermediateDirectories: true) }
    deinit { try? FileManager.default.removeItem(at: url) }

    @discardableResult
    func add(_ path: String, _ text: String = "", isExecutable: Bool = false) throws -> URL {
        let file = url.appending(path: path)
        try FileManager.default.createDirectory(at: file.deletingLastPathComponent(), withIntermediateDirectories: true)
        try Data(text.utf8).write(to: file)
        if isExecutable { try FileManager.default.setAttributes([.posixPermissions: 0o755], ofItemAtPath: file.path) }
        return file
    }
}
