import Configuration
import Foundation
import Testing
@testable import VisionData

/// Lists of image files.
@Suite struct ManifestTests {
    private func rows(_ text: String, _ name: String = "list.csv") throws -> [Manifest.Row] {
        let folder = try TemporaryFolder(), path = folder.path(name)
        try Data(text.utf8).write(to: URL(filePath: path))
        do { return try Manifest(path).rows } catch let error as UserError { throw UserError(error.kind, error.message.replacing(path, with: name)) }
    }

    @Test func columnsQuotesAndLineEnds() throws {
        let rows = try rows("\u{FEFF}path,Label,group,split\r\n\"a, \"\"b\"\".png\",oak,1,train\r\nc.png,beech,2,TEST\r\n\r\n")
        #expect(rows == [
            Manifest.Row(path: "a, \"b\".png", label: "oak", split: .train, group: "1"), Manifest.Row(path: "c.png", label: "beech", split: .test, group: "2"),
        ])
        #expect(try self.rows("label\tpath\nx\t\"a\".png", "list.tsv") == [Manifest.Row(path: "\"a\".png", label: "x", split: nil, group: nil)])
    }

    @Test(arguments: [
        ("", "list.csv: is empty, expected a line that names the columns path and label"),
        ("file,label\na,b\n", "list.csv:1: found the columns file, label, expected path and label, with commas between them"),
        ("path,label\na.png\n", "list.csv:2: found 1 fields, expected 2"),
        ("path,label\na.png,x\nb.png,\n", "list.csv:3: the label is empty"),
        ("path,label\na.png,x\na.png,y\n", "list.csv:3: names a.png again, after line 2"),
        ("path,label,split\na.png,x,dev\n", "list.csv:2: found the split 'dev', expected train, val or test"),
        ("path,label\n\"a.png,x\n", "list.csv:2: a quote is never closed"),
        ("path,label,split,group\na,x,train,g\nb,x,test,g\n", "list.csv: the group 'g' is in two splits"),
        ("path,label\n", "list.csv: lists no images"),
    ])
    func badLists(text: String, sentence: String) throws {
        let error = #expect(throws: UserError.self) { try rows(text) }
        #expect(error?.message == sentence && error?.kind == .data)
    }

    @Test func groupsStayWhole() {
        let order: [Int32] = [4, 1, 0, 3, 2, 5], groups: [String?] = ["a", "a", "b", "b", nil, nil]
        #expect(wholeGroups(of: order, by: { groups[Int($0)] }, atLeast: 2) == [4, 1, 0])
        #expect(Set(wholeGroups(of: order, by: { groups[Int($0)] }, atLeast: 6)).count < 6)
    }
}
