import Foundation
import HDF5
import RunStore
import TestSupport
import Testing

struct ErrorPicturesTests {
    private func errors(channels: Int) -> ErrorPictures {
        ErrorPictures(
            height: 2, width: 3, channels: channels, pixels: (0..<12 * channels).map { UInt8($0) }, predicted: [1, 0], labels: [0, 2], confidences: [0.99, 0.5], places: [17, 3])
    }

    private func contents(_ errors: ErrorPictures?) -> RunContents {
        RunContents(
            description: Example.description, status: .finished, steps: [Example.step(1)], epochs: [Example.epoch(1)], evaluations: [.test: Example.evaluation], errors: errors)
    }

    private func write(_ errors: ErrorPictures?, to folder: RunFolder) throws {
        let run = try RunWriter(folder).start(RunContents(description: Example.description))
        try run.append(Example.step(1))
        try run.append(Example.epoch(1))
        run.keep(errors)
        try run.append(Example.evaluation)
        #expect(try RunReader(folder).errors() == nil, "a file that grows has none")
        try run.finish(.finished)
    }

    @Test(arguments: [1, 3]) func areWrittenWhenTheRunEnds(channels: Int) throws {
        try withTemporaryFolder { results in
            let folder = RunFolder(path: "\(results)/run"), errors = errors(channels: channels)
            try write(errors, to: folder)
            #expect(try RunReader(folder).contents() == contents(errors))
            #expect(errors.picture(1).first == UInt8(6 * channels))

            // As h5web and silx know pictures.
            let file = try HDF5Reader(folder.runFile), image = "/evaluation/test/errors/image"
            #expect(try file.shape(of: image) == [2, 2, 3] + (channels == 1 ? [] : [3]) && file.elementType(of: image) == .uint8)
            let attributes = try ["CLASS", "IMAGE_SUBCLASS", "interpretation"].map { try file.attributeStrings($0, of: image)?.first }
            #expect(attributes == (channels == 1 ? ["IMAGE", "IMAGE_GRAYSCALE", "image"] : ["IMAGE", "IMAGE_TRUECOLOR", "rgb-image"]))
            #expect(try file.attributeStrings("signal", of: "/evaluation/test/errors")?.first == "image")
            #expect(try file.attribute("format_version", of: "/", as: Int64.self) == [4])

            // Another note in the definition leaves them.
            try RunWriter(folder).replaceConfiguration("models: {}\n")
            #expect(try RunReader(folder).errors() == errors && RunReader(folder).description.configuration == "models: {}\n")
            // The pictures are no table of the test.
            #expect(try RunReader(folder).evaluation() == Example.evaluation)
        }
    }

    /// What an earlier program can read stays as it is.
    @Test func aRunWithoutThemIsOfTheFormatBefore() throws {
        try withTemporaryFolder { results in
            let folder = RunFolder(path: "\(results)/run")
            try write(nil, to: folder)
            #expect(try RunReader(folder).errors() == nil && RunReader(folder).contents() == contents(nil))
            #expect(try HDF5Reader(folder.runFile).attribute("format_version", of: "/", as: Int64.self) == [3])
        }
    }

    @Test func salvageKeepsThoseOfAWholeFile() throws {
        try withTemporaryFolder { results in
            let folder = RunFolder(path: "\(results)/run")
            try write(errors(channels: 1), to: folder)
            let bytes = try Data(contentsOf: URL(filePath: folder.runFile))
            #expect(try RunWriter(folder).salvage()?.errors == errors(channels: 1))
            #expect(try Data(contentsOf: URL(filePath: folder.runFile)) == bytes)
        }
    }
}
