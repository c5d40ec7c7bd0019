import Foundation
import Testing

/// SwiftPM rebuilds a target when a module that it names changes, and not when it imports one without naming it: then old
/// object code stays in the program, with an old idea of the module's types, and overwrites memory.
@Suite struct PackageTests {
    @Test func everyImportedModuleIsADeclaredDependency() throws {
        let root = Program.packageRoot, files = FileManager.default
        let manifest = try String(contentsOf: root.appending(path: "Package.swift"), encoding: .utf8)
        // A target's declaration reaches from its name to the next one's; products come before all targets.
        let declarations = manifest.components(separatedBy: "arget(").dropFirst().reduce(into: [String: String]()) { table, text in
            guard let name = text.firstMatch(of: /name: "(\w+)"/)?.1 else { return }
            table[String(name)] = text.components(separatedBy: ".testTarget")[0]
        }
        let own = Set(try files.contentsOfDirectory(atPath: root.appending(path: "Sources").path))
        #expect(declarations["Experiments"]?.contains("\"Models\"") == true)

        for (target, declaration) in declarations {
            let folder = ["Sources/\(target)", "Tests/\(target)"].map { root.appending(path: $0) }.first { files.fileExists(atPath: $0.path) }
            let sources = try files.subpathsOfDirectory(atPath: #require(folder, "\(target) has a folder").path).filter { $0.hasSuffix(".swift") }
            for source in sources {
                let text = try String(contentsOf: try #require(folder).appending(path: source), encoding: .utf8)
                for module in text.matches(of: /(?m)^(?:@testable )?import (\w+)/).map({ String($0.1) }) where own.contains(module) && module != target {
                    #expect(declaration.contains("\"\(module)\""), "\(target)/\(source) imports \(module), which Package.swift does not name for \(target)")
                }
            }
        }
    }
}
