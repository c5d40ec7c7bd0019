import Foundation
import HDF5
import RunStore
import TensorCore
import TestSupport
import Testing

/// Measures by groups of test images, from a definition to tables.
@Suite struct SubgroupTests {
    private let folder: TemporaryFolder
    private let sites = ["north", "south"]

    init() throws { folder = try TemporaryFolder() }

    private func run(_ words: String...) throws -> Program.Result { try Program.run(words, in: folder.url, environment: ["HARNESS_HOME": ""]) }

    private func runFolder(_ experiment: String) throws -> RunFolder {
        let place = folder.url.appending(path: "Results/\(experiment)").path
        return RunFolder(path: "\(place)/\(try #require(try FileManager.default.contentsOfDirectory(atPath: place).first { $0.contains("-s0-") }))")
    }

    /// Bright and dark images; each third one is of the north.
    private func writeHDF5(_ name: String, sites: [String]?) throws {
        let file = try HDF5Writer(folder.url.appending(path: name).path)
        for (part, count) in [("train", 60), ("test", 30)] {
            let pixels = (0..<count * 16).map { (place: Int) -> UInt8 in
                let brightness = place / 16 % 2 * 100
                return UInt8(brightness + place * 37 % 90)
            }
            try file.write(pixels, to: "/\(part)/images", shape: [count, 1, 4, 4])
            try file.write((0..<count).map { Int32($0 % 2) }, to: "/\(part)/labels")
            if let sites { try file.write((0..<count).map { sites[$0 % 3 == 0 ? 0 : 1] }, to: "/\(part)/site") }
            try file.write((0..<count).map { Int32($0 % 11) }, to: "/\(part)/age")
        }
        try file.close()
    }

    @Test func groupsOfAnHDF5File() throws {
        try writeHDF5("cells.h5", sites: sites)
        let definition = "data: {hdf5: {path: cells.h5}}\ntrain: {epochs: 1, batch_size: 8}\nmodels: {line: logistic_regression}\n"
        try folder.add("Experiments/plain.yaml", definition.replacing("cells.h5", with: "../cells.h5"))
        #expect(try run("run", "plain").exitCode == 0)
        let before = try runFolder("plain")
        #expect(try RunReader(before).subgroups() == nil)

        // The key changes no hash, and gives the groups to a run that is finished.
        try folder.add("Experiments/plain.yaml", definition.replacing("cells.h5", with: "../cells.h5") + "measures: {by: site}\n")
        let again = try run("run", "plain")
        #expect(again.exitCode == 0 && again.errors.contains("already done"), "\(again.errors)")
        let reader = try RunReader(before), groups = try #require(try reader.subgroups()), test = try #require(try reader.evaluation())
        #expect(groups == Subgroups(field: "site", names: sites, groups: (0..<30).map { $0 % 3 == 0 ? 0 : 1 }))
        let shares = try #require(groups.shares(of: test))
        #expect(shares.map(\.imageCount) == [10, 20] && shares.reduce(0) { $0 + $1.rightCount } == zip(test.labels, test.predictions).count { $0 == $1 })

        // The same bytes as of a run that had it from the start.
        let fresh = try run("run", "plain", "--results", "Fresh")
        #expect(fresh.exitCode == 0)
        let other = folder.url.appending(path: "Fresh/plain/\((before.path as NSString).lastPathComponent)/run.h5")
        #expect(try Data(contentsOf: URL(filePath: before.runFile)) == Data(contentsOf: other))

        // Readers need no data.
        try FileManager.default.removeItem(at: folder.url.appending(path: "cells.h5"))
        let inspected = try run("inspect", before.path)
        #expect(inspected.output.contains("test images by site\ngroup  images  accuracy ") && inspected.output.contains("\nsouth      20 "), "\(inspected.output)")
        let compared = try run("compare", "plain")
        #expect(compared.output.contains("line  site=north  1      10 ") && compared.output.contains("Wilson's interval over the images of the group"), "\(compared.output)")
        #expect(try run("compare", "plain", "--format", "latex").output.contains("\n    line & site=south & 1 & 20 & "))
        let json = try #require(try JSONSerialization.jsonObject(with: Data(run("compare", "plain", "--format", "json").output.utf8)) as? [[String: Any]])
        #expect((json.first?["groups"] as? [[String: Any]])?.compactMap { $0["images"] as? Int } == [10, 20])
        let reported = try run("report", "plain", "--figures", "figures")
        let table = try String(contentsOf: folder.url.appending(path: "figures/groups.tex"), encoding: .utf8)
        #expect(reported.exitCode == 0 && table.contains("\n    line & site=south & 1 & 20 & "), "\(reported.errors) \(table)")
    }

    @Test func aColumnOfAList() throws {
        var list = "path,label,Sex\n"
        for number in 0..<40 {
            let brightness = number % 2 * 120
            let pixels = (0..<64).map { (place: Int) -> UInt8 in UInt8(brightness + (place * 7 + number * 13) % 100) }
            try Data(PNGFile(pixels, Size2D(8, 8), channels: 1).bytes).write(to: folder.add("faces/\(number).png"))
            list += "faces/\(number).png,\(number % 2 == 0 ? "dark" : "bright"),\(number % 4 < 3 ? "f" : "")\n"
        }
        try folder.add("faces.csv", list)
        try folder.add("Experiments/faces.yaml", """
            data: {folder: {path: ../faces.csv, channels: 1}}
            train: {epochs: 1, batch_size: 8}
            models: {line: {logistic_regression: {}, measures: {by: sex}}}
            """)
        #expect(try run("run", "faces").exitCode == 0)
        let reader = try RunReader(runFolder("faces")), groups = try #require(try reader.subgroups()), data = try #require(try reader.wholeDescription().data)
        let places = try #require(data.split?.test), files = try #require(data.files?.test)
        let expected = places.map { place -> String in
            let number = Int(files[Int(place)].dropFirst("faces/".count).dropLast(".png".count))!
            return number % 4 < 3 ? "f" : "(empty)"
        }
        #expect(!expected.isEmpty && groups.groups.map { groups.names[Int($0)] } == expected)
    }

    @Test func whatIsNoField() throws {
        try writeHDF5("cells.h5", sites: nil)
        try folder.add("Experiments/wrong.yaml", "data: {hdf5: {path: ../cells.h5}}\ntrain: {epochs: 1, batch_size: 8}\nmodels: {line: logistic_regression}\nmeasures: {by: site}\n")
        let result = try run("check", "wrong")
        #expect(result.exitCode == 64 && result.errors == "harness: Experiments/wrong.yaml:4: measures.by: the images of cells.h5 have no field 'site', expected label, a column of a list of image files, or an array beside the images of an HDF5 file\n", "\(result.errors)")
        for (value, sentence) in [
            ("{}", "measures.by: expected the name of a field"), ("{on: site}", "unknown key 'on'"), ("{by: ''}", "found '', expected the name of a field"),
        ] {
            try folder.add("Experiments/wrong.yaml", "data: {hdf5: {path: ../cells.h5}}\ntrain: {epochs: 1, batch_size: 8}\nmodels: {line: logistic_regression}\nmeasures: \(value)\n")
            let result = try run("check", "wrong")
            #expect(result.exitCode == 64 && result.errors.contains(sentence), "\(result.errors)")
        }
        for field in ["label", "age"] {
            try folder.add("Experiments/wrong.yaml", "data: {hdf5: {path: ../cells.h5}}\ntrain: {epochs: 1, batch_size: 8}\nmodels: {line: logistic_regression}\nmeasures: {by: \(field)}\n")
            #expect(try run("check", "wrong").exitCode == 0)
        }
    }
}
