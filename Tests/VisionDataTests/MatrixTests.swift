import Configuration
import Foundation
import Testing
import TestSupport
@testable import VisionData

/// SVHN in small MATLAB files as SciPy writes them (Tests/Reference/matlab_files.py).
@Suite struct MatrixTests {
    private static let fixtures = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent().appending(path: "Fixtures/matlab").path

    @Test(arguments: ["compressed", "plain"])
    func svhn(form: String) throws {
        let images = try NamedDataset.svhn.find(in: "\(Self.fixtures)/\(form)").load()
        #expect(images.labels == [1, 0, 9, 5, 0, 7] && images.train == 0..<4 && images.test == 4..<6)
        guard case .bytes(let pixels, 255) = images.pixels else { Issue.record("expected bytes"); return }
        // The fixture's value at image, row, column and channel.
        for image in 0..<6 {
            for (row, column, channel) in [(0, 0, 0), (31, 2, 1), (4, 30, 2)] {
                let place = image < 4 ? image : image - 4, part = image < 4 ? 0 : 100
                #expect(pixels[((image * 32 + row) * 32 + column) * 3 + channel] == UInt8((part + place * 31 + row * 7 + column * 3 + channel * 50) % 256))
            }
        }
    }

    /// Cut off, changed, or something else: one sentence with the file.
    @Test func damagedFilesAreNamed() throws {
        let folder = try TemporaryFolder()
        let whole = ["train", "test"].map { try! Data(contentsOf: URL(filePath: "\(Self.fixtures)/compressed/\($0)_32x32.mat")) }
        func load(_ train: Data) -> UserError? {
            try! train.write(to: URL(filePath: folder.path("train_32x32.mat")))
            try! whole[1].write(to: URL(filePath: folder.path("test_32x32.mat")))
            do {
                _ = try NamedDataset.svhn.find(in: folder.path).load()
                return nil
            } catch { return error as? UserError }
        }
        #expect(load(whole[0]) == nil)
        #expect(load(whole[0].prefix(500))?.message == "\(folder.path("train_32x32.mat")): is cut off")
        #expect(load(Data("MATLAB 7.3 MAT-file".utf8) + Data(count: 200))?.message.hasSuffix("is a MATLAB 7.3 file, expected MATLAB 5 (save -v7)") == true)
        #expect(load(Data())?.message.hasSuffix("is no MATLAB 5 file") == true)
        var state: UInt64 = 1
        for _ in 0..<200 {
            var changed = whole[0]
            for _ in 0..<3 {
                state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
                let place = Int(state >> 33) % changed.count
                changed[place] ^= UInt8(truncatingIfNeeded: state >> 24) | 1
            }
            if let error = load(changed) { #expect(error.kind == .data || error.kind == .noInput, "\(error.message)") }
        }
    }
}
