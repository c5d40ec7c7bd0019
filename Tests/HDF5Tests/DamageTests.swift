import Configuration
import Foundation
import HDF5
import TestSupport
import Testing

struct DamageTests {
    private func makeFile(_ path: String) throws {
        let writer = try HDF5Writer(path)
        try writer.write((0..<10_000).map { Float($0) }, to: "/values", shape: [100, 100], rowsPerChunk: 10)
        try writer.write("text", to: "/text")
        try writer.close()
    }

    @Test func missingFileFolderAndEmptyFile() throws {
        try withTemporaryFolder { folder in
            #expect(throws: UserError(.noInput, "\(folder)/none.h5: there is no such file")) { try HDF5Reader("\(folder)/none.h5") }
            #expect(throws: UserError(.data, "\(folder): is a folder, expected an HDF5 file")) { try HDF5Reader(folder) }
            try Data().write(to: URL(filePath: "\(folder)/empty.h5"))
            #expect(throws: UserError(.data, "\(folder)/empty.h5: is empty, expected an HDF5 file")) { try HDF5Reader("\(folder)/empty.h5") }
        }
    }

    @Test func garbageIsNotAnHDF5File() throws {
        try withTemporaryFolder { folder in
            let path = "\(folder)/garbage.h5"
            try Data((0..<5000).map { UInt8(truncatingIfNeeded: $0 &* 37) }).write(to: URL(filePath: path))
            #expect(throws: UserError(.data, "\(path): is not an HDF5 file")) { try HDF5Reader(path) }
        }
    }

    @Test(arguments: [5000, 20_000, 40_000])
    func truncatedFileNamesBothSizes(size: Int) throws {
        try withTemporaryFolder { folder in
            let path = "\(folder)/a.h5"
            try makeFile(path)
            let whole = try Data(contentsOf: URL(filePath: path))
            try whole.prefix(size).write(to: URL(filePath: path))
            let message = "\(path): is truncated (it has \(size) bytes and should have \(whole.count))"
            #expect(throws: UserError(.data, message)) { try HDF5Reader(path) }
        }
    }

    @Test func flippedBitFailsTheChecksum() throws {
        try withTemporaryFolder { folder in
            let path = "\(folder)/a.h5"
            try makeFile(path)
            var bytes = try Data(contentsOf: URL(filePath: path))
            bytes[bytes.count / 2] ^= 1
            try bytes.write(to: URL(filePath: path))
            let message = "\(path): /values: cannot be read: data error detected by Fletcher32 checksum"
            #expect(throws: UserError(.data, message)) { try HDF5Reader(path).read("/values", as: Float.self) }
            let tolerant = try HDF5Reader(path, verifyingChecksums: false)
            #expect(try tolerant.read("/values", rows: 0..<1, as: Float.self) == (0..<100).map { Float($0) })
        }
    }

    @Test func wrongKindsOfObject() throws {
        try withTemporaryFolder { folder in
            let path = "\(folder)/a.h5"
            try makeFile(path)
            let reader = try HDF5Reader(path)
            #expect(throws: UserError(.data, "\(path): there is no /train/images in this file")) { try reader.shape(of: "/train/images") }
            #expect(throws: UserError(.data, "\(path): /: is a group, expected a dataset")) { try reader.read("/", as: Float.self) }
            #expect(throws: UserError(.data, "\(path): /values: is a dataset, expected a group")) { try reader.children(of: "/values") }
            #expect(throws: UserError(.data, "\(path): /text: holds text, expected numbers")) { try reader.read("/text", as: Float.self) }
            #expect(throws: UserError(.data, "\(path): /values: holds numbers, expected text")) { try reader.readString("/values") }
        }
    }

    @Test func unwritableTargets() throws {
        try withTemporaryFolder { folder in
            #expect(throws: UserError(.io, "\(folder)/none/a.h5: its folder does not exist")) { try HDF5Writer("\(folder)/none/a.h5").close() }
            #expect(throws: UserError(.data, "\(folder): is a folder, expected an HDF5 file")) { try HDF5Writer(folder).close() }
            #expect(throws: UserError(.io, "/proc/a.h5: its folder does not exist")) { try HDF5Writer("/proc/a.h5").close() }
        }
    }

    @Test func aFileBeingWrittenIsLocked() throws {
        try withTemporaryFolder { folder in
            let path = "\(folder)/a.h5"
            let writer = try HDF5Writer(path)
            #expect(throws: UserError.self) { try HDF5Reader(path) }
            try writer.close()
            #expect(try HDF5Reader(path).children(of: "/") == [])
        }
    }

    @Test func replacingKeepsTheOldFileOnFailure() throws {
        try withTemporaryFolder { folder in
            let path = "\(folder)/a.txt"
            try replaceFile(at: path, with: Data("old".utf8))
            do {
                let replacement = try FileReplacement(of: path)
                try Array("ne".utf8).withUnsafeBytes { try replacement.write($0, at: 0) }
                // Never committed.
            }
            #expect(try String(contentsOfFile: path, encoding: .utf8) == "old")
            #expect(try FileManager.default.contentsOfDirectory(atPath: folder) == ["a.txt"])
            try replaceFile(at: path, with: Data("new".utf8))
            #expect(try String(contentsOfFile: path, encoding: .utf8) == "new")
        }
    }

    /// What a killed process left is removed after an hour, by whoever writes the same file; what belongs to somebody stays.
    @Test func leftoversOfKilledProcessesAreRemoved() throws {
        try withTemporaryFolder { folder in
            // No process has a number above the kernel's limit of 4,194,304.
            let old = ".a.txt.4194999.tmp", others = [".a.txt.4194998.tmp", ".a.txt.1.tmp", ".a.txt.x.tmp", ".b.txt.4194999.tmp", "a.txt.4194999.tmp"]
            for name in [old] + others { try Data("x".utf8).write(to: URL(filePath: "\(folder)/\(name)")) }
            let hours = Date(timeIntervalSinceNow: -7200)
            for name in [old] + others.dropFirst() {
                try FileManager.default.setAttributes([.modificationDate: hours], ofItemAtPath: "\(folder)/\(name)")
            }
            try replaceFile(at: "\(folder)/a.txt", with: Data("new".utf8), isForeign: true)
            #expect(try Set(FileManager.default.contentsOfDirectory(atPath: folder)) == Set(others + ["a.txt"]))
        }
    }
}
