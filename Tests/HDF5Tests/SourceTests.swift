import Configuration
import Foundation
import HDF5
import TestSupport
import Testing

/// Datasets whose content lies in other files (`Tests/Reference/sources.py`): read when it is below the data file's folder, refused otherwise.
struct SourceTests {
    /// A copy of the fixtures in `data`, with files outside of it beside.
    private final class Folder: Sendable {
        let path = FileManager.default.temporaryDirectory.appending(path: "sources-\(UUID().uuidString)").resolvingSymlinksInPath().path

        init() throws {
            let files = FileManager.default
            let fixtures = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent().appending(path: "Fixtures/sources")
            try files.createDirectory(atPath: path, withIntermediateDirectories: true)
            try files.copyItem(atPath: fixtures.path, toPath: "\(path)/data")
            try files.copyItem(atPath: fixtures.appending(path: "below/part.h5").path, toPath: "\(path)/outside.h5")
            try Data("a text that is nobody's image".utf8).write(to: URL(filePath: "\(path)/outside.txt"))
            try files.createSymbolicLink(atPath: "\(path)/data/below/escape.h5", withDestinationPath: "../../outside.h5")
        }

        deinit { try? FileManager.default.removeItem(atPath: path) }
    }

    private let folder: Folder
    init() throws { folder = try Folder() }

    private func file(_ name: String) throws -> HDF5Reader { try HDF5Reader("\(folder.path)/data/\(name).h5") }

    @Test(arguments: [
        ("link_below", Array(0..<12)), ("link_through_group", Array(0..<12)), ("external_below", Array(0..<12)), ("virtual_here", Array(0..<12)),
        ("virtual_below", [0, 1, 2, 3, 4, 5, 0, 1, 2, 3, 4, 5]), ("virtual_of_virtual", [0, 1, 2, 3, 4, 5, 0, 1, 2, 3, 4, 5]),
    ] as [(String, [UInt8])])
    func whatLiesBelowTheFolderIsRead(name: String, numbers: [UInt8]) throws {
        let file = try file(name)
        #expect(file.exists("/images"))
        #expect(try file.shape(of: "/images") == [4, 3])
        #expect(try file.read("/images", as: UInt8.self) == numbers)
        #expect(try file.read("/images", rows: 1..<2, as: UInt8.self) == Array(numbers[3..<6]))
    }

    @Test("A file that has to hold all its content itself may refer to itself and to no other", arguments: [
        ("link_below", false), ("link_through_group", false), ("external_below", false), ("virtual_below", false), ("virtual_here", true),
    ])
    func aloneFiles(name: String, isRead: Bool) throws {
        let file = try HDF5Reader("\(folder.path)/data/\(name).h5", isAlone: true)
        if isRead {
            #expect(try file.read("/images", as: UInt8.self) == Array(0..<12))
        } else {
            let error = #expect(throws: UserError.self) { try file.read("/images", as: UInt8.self) }
            #expect(error?.kind == .data && error!.message.contains("takes its content from another file"), "\(error!)")
        }
    }

    /// From wherever the file is opened, and under whatever other name.
    @Test func aSymbolicLinkToTheDataFileChangesNothing() throws {
        let link = "\(folder.path)/elsewhere.h5"
        try FileManager.default.createSymbolicLink(atPath: link, withDestinationPath: "data/virtual_below.h5")
        #expect(try HDF5Reader(link).read("/images", rows: 0..<1, as: UInt8.self) == [0, 1, 2])
        let external = "\(folder.path)/elsewhere_too.h5"
        try FileManager.default.createSymbolicLink(atPath: external, withDestinationPath: "data/external_below.h5")
        #expect(try HDF5Reader(external).read("/images", rows: 0..<1, as: UInt8.self) == [0, 1, 2])
    }

    private static let outside = "which lies outside the folder of this file; expected a source below it"

    @Test(arguments: [
        ("link_outside", .data, "takes its content from {}/outside.h5, \(outside)"),
        ("link_twice", .data, "takes its content from {}/outside.h5, \(outside)"),
        ("link_by_symbolic_link", .data, "takes its content from {}/outside.h5, \(outside)"),
        ("link_missing", .noInput, "takes its content from {}/data/below/nowhere.h5, which is not there"),
        ("link_to_itself", .data, "is a link that leads to itself"),
        ("virtual_outside", .data, "takes its content from {}/outside.h5, \(outside)"),
        ("virtual_missing_file", .noInput, "takes its content from {}/data/below/nowhere.h5, which is not there"),
        ("virtual_missing_dataset", .noInput, "takes its content from {}/data/below/part.h5: nothing, which is not there"),
        ("virtual_of_itself", .data, "takes its content from {}/data/virtual_of_itself.h5: /images, and that from itself"),
        ("virtual_in_a_circle", .data, "takes its content from {}/data/virtual_in_a_circle.h5, which is this file; expected the name '.' for it"),
        ("virtual_gap", .data, "is a virtual dataset of which some parts have no source"),
        ("virtual_overlap", .data, "is a virtual dataset of which some parts have no source"),
        ("virtual_larger_than_its_source", .data,
            "takes its content from {}/data/below/part.h5: /first, which has the shape [2, 3] and not all that is taken"),
        ("external_outside", .data, "takes its content from {}/outside.txt, \(outside)"),
        ("external_missing", .noInput, "takes its content from {}/data/below/nowhere.bin, which is not there"),
        ("external_short", .data, "takes its content from {}/data/below/short.bin, which has 7 bytes, expected at least 12"),
    ] as [(String, UserError.Kind, String)])
    func whatDoesNotIsRefusedByName(name: String, kind: UserError.Kind, sentence: String) throws {
        let path = "\(folder.path)/data/\(name).h5", expected = sentence.replacing("{}", with: folder.path)
        let file = try file(name)
        #expect(file.exists("/images"), "whoever opens it hears why not")
        #expect(throws: UserError(kind, "\(path): /images: \(expected)")) { try file.read("/images", as: UInt8.self) }
        #expect(throws: UserError(kind, "\(path): /images: \(expected)")) { try file.shape(of: "/images") }
    }

    /// Opening a pipe waits for its other end.
    @Test func aPipeIsNoFile() throws {
        let pipe = "\(folder.path)/pipe.h5", source = "\(folder.path)/data/below/nowhere.h5"
        #expect(mkfifo(pipe, 0o600) == 0 && mkfifo(source, 0o600) == 0)
        #expect(throws: UserError(.data, "\(pipe): is not a regular file, expected an HDF5 file")) {
            try within(seconds: 300) { _ = try HDF5Reader(pipe) }
        }
        let sentence = "takes its content from \(source), which is not a regular file"
        #expect(throws: UserError(.data, "\(folder.path)/data/link_missing.h5: /images: \(sentence)")) {
            try within(seconds: 300) { [folder] in try HDF5Reader("\(folder.path)/data/link_missing.h5").read("/images", as: UInt8.self) }
        }
        #expect(throws: UserError(.data, "\(folder.path)/data/virtual_missing_file.h5: /images: \(sentence)")) {
            try within(seconds: 300) { [folder] in try HDF5Reader("\(folder.path)/data/virtual_missing_file.h5").read("/images", as: UInt8.self) }
        }
    }
}
