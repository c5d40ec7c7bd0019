import Foundation
import Models
import Testing

/// Whose names families have: what README.md promises.
struct WeightNameTests {
    @Test func theTableOfTheReadmeIsComplete() throws {
        let root = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()
        let text = try String(contentsOf: root.appending(path: "README.md"), encoding: .utf8)
        let table = try #require(text.split(separator: "| family | names of |\n| --- | --- |\n").last).split(separator: "\n\n")[0]
        var promised: [String: [String]] = [:]
        for line in table.split(separator: "\n") {
            let cells = line.split(separator: "|").map { $0.trimmingCharacters(in: .whitespaces) }
            let names = cells[1].split(separator: ";")[0].split(separator: ", ").map(String.init)
            for family in cells[0].matches(of: /`([^`]+)`/) { promised[String(family.1)] = names == ["its own"] ? [] : names }
        }
        #expect(promised == Dictionary(uniqueKeysWithValues: ModelRegistry.standard.families.map { ($0.family, $0.weightNames.map(\.rawValue)) }))
    }
}
