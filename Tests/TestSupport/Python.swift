import Foundation

/// A Python with h5py, which some tests use to check what other programs make of our files, and we of theirs.
public enum Python {
    /// `HARNESS_PYTHON`, or `python3` from the path, when it has h5py; nil otherwise.
    public static let withH5py: String? = {
        let candidate = ProcessInfo.processInfo.environment["HARNESS_PYTHON"] ?? "python3"
        return run([candidate, "-c", "import h5py"]).status == 0 ? candidate : nil
    }()

    /// Whether that Python also has silx, whose reader of `NXdata` is the one of its viewer.
    public static let hasSilx = withH5py.map { run([$0, "-c", "import silx.io.nxdata"]).status == 0 } ?? false

    /// The same Python when it has PyTorch, torchvision, timm and safetensors too; nil otherwise.
    public static let withTorch = withH5py.flatMap { run([$0, script("vision_libraries.py")]).status == 0 ? $0 : nil }

    public static let missingTorch = "needs a Python with h5py, torch, torchvision, timm and safetensors; set HARNESS_PYTHON to one"

    /// The path of a script in `Tests/Reference`.
    public static func script(_ name: String) -> String {
        URL(filePath: #filePath).deletingLastPathComponent().appending(path: "../Reference/\(name)").path
    }

    public static let missing = "needs a Python with h5py; set HARNESS_PYTHON to one"

    /// Runs a command, and returns its exit status and what it printed, errors included.
    public static func run(_ words: [String]) -> (status: Int32, output: String) {
        let process = Process(), pipe = Pipe()
        process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
        process.arguments = words
        process.standardOutput = pipe
        process.standardError = pipe
        guard (try? process.run()) != nil else { return (127, "") }
        let output = pipe.fileHandleForReading.readDataToEndOfFile()
        process.waitUntilExit()
        return (process.terminationStatus, String(decoding: output, as: UTF8.self))
    }
}
