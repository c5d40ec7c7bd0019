import Foundation
import Testing

/// The pictures of README and Results: each is there and small, says in words what it shows, and none is left over.
@Suite struct DocumentPictureTests {
    /// A picture in a document: `![words](path)`.
    private struct Picture {
        let document: String
        let words: String
        /// Below the package.
        let path: String
    }

    /// As documents may be stored: a picture, and all of them together.
    private static let largestSize = 100_000, largestSum = 3_000_000

    /// README.md and the pages of Results, by their paths below the package.
    private static func documents() throws -> [String] {
        let results = Program.packageRoot.appending(path: "Results")
        return ["README.md"] + (try FileManager.default.contentsOfDirectory(atPath: results.path).filter { $0.hasSuffix(".md") }.sorted().map { "Results/\($0)" })
    }

    private static func pictures() throws -> [Picture] {
        try documents().flatMap { document -> [Picture] in
            let text = try String(contentsOf: Program.packageRoot.appending(path: document), encoding: .utf8)
            let folder = (document as NSString).deletingLastPathComponent
            return text.matches(of: /!\[([^\]]*)\]\(([^)]+)\)/).map { match in
                Picture(document: document, words: String(match.1), path: folder.isEmpty ? String(match.2) : "\(folder)/\(match.2)")
            }
        }
    }

    /// The files of Results/figures.
    private static func files() throws -> Set<String> {
        let folder = Program.packageRoot.appending(path: "Results/figures")
        return Set(try FileManager.default.subpathsOfDirectory(atPath: folder.path).map { "Results/figures/\($0)" })
    }

    @Test func everyPictureIsThereAndIsShown() throws {
        let pictures = try Self.pictures(), files = try Self.files()
        for picture in pictures {
            #expect(files.contains(picture.path), "\(picture.document) shows \(picture.path)")
            #expect(picture.words.count > 10, "\(picture.document): \(picture.path) in words, for who cannot see it")
        }
        #expect(files.subtracting(pictures.map(\.path)).sorted() == [], "no document shows them")
        for document in ["README.md", "Results/lectures.md", "Results/vit_vs_resnet.md", "Results/ablations.md", "Results/transfer.md"] {
            #expect(pictures.contains { $0.document == document }, "\(document) has a picture")
        }
    }

    @Test func theREADMEBeginsWithAPicture() throws {
        let readme = try String(contentsOf: Program.packageRoot.appending(path: "README.md"), encoding: .utf8)
        #expect(readme.prefix { $0 != "`" }.contains("]("), "before the first command")
    }

    @Test func picturesAreSmall() throws {
        var sum = 0
        for file in try Self.files().sorted() {
            let data = try Data(contentsOf: Program.packageRoot.appending(path: file))
            #expect(data.count <= Self.largestSize, "\(file): \(data.count) bytes")
            #expect(data.starts(with: file.hasSuffix(".png") ? [0x89, 0x50, 0x4e, 0x47] : Array("<svg".utf8)), "\(file) is what it is called")
            sum += data.count
        }
        #expect(sum <= Self.largestSum, "\(sum) bytes together")
    }
}
