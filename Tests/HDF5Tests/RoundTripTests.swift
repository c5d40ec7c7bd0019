import Configuration
import Foundation
import HDF5
import TestSupport
import Testing

struct RoundTripTests {
    private func roundTrip<Element: HDF5Element & Equatable>(_ values: [Element], shape: [Int], rowsPerChunk: Int?) throws {
        try withTemporaryFolder { folder in
            let writer = try HDF5Writer("\(folder)/a.h5")
            try writer.write(values, to: "/group/inner/values", shape: shape, rowsPerChunk: rowsPerChunk)
            try writer.close()
            let reader = try HDF5Reader("\(folder)/a.h5")
            #expect(try reader.shape(of: "/group/inner/values") == shape)
            #expect(try reader.elementType(of: "/group/inner/values") == Element.elementType)
            #expect(try reader.read("/group/inner/values", as: Element.self) == values)
        }
    }

    @Test(arguments: [nil, 1, 2, 100])
    func everyElementType(rowsPerChunk: Int?) throws {
        try roundTrip([1.5, -2, 3e30, 0, .infinity, 7] as [Float], shape: [3, 2], rowsPerChunk: rowsPerChunk)
        try roundTrip([1.5, -2, 3e300, 0] as [Double], shape: [4], rowsPerChunk: rowsPerChunk)
        try roundTrip([.min, .max] as [Int8], shape: [2, 1], rowsPerChunk: rowsPerChunk)
        try roundTrip([.min, .max] as [Int16], shape: [2], rowsPerChunk: rowsPerChunk)
        try roundTrip([.min, .max] as [Int32], shape: [2], rowsPerChunk: rowsPerChunk)
        try roundTrip([.min, .max, 0] as [Int64], shape: [3, 1, 1], rowsPerChunk: rowsPerChunk)
        try roundTrip([.min, .max] as [UInt8], shape: [2], rowsPerChunk: rowsPerChunk)
        try roundTrip([.min, .max] as [UInt16], shape: [2], rowsPerChunk: rowsPerChunk)
        try roundTrip([.min, .max] as [UInt32], shape: [2], rowsPerChunk: rowsPerChunk)
        try roundTrip([.min, .max] as [UInt64], shape: [2], rowsPerChunk: rowsPerChunk)
        try roundTrip([42] as [Int64], shape: [], rowsPerChunk: rowsPerChunk)
        try roundTrip([] as [Float], shape: [0, 5], rowsPerChunk: rowsPerChunk)
    }

    @Test func readingConvertsNumbersAndTakesRows() throws {
        try withTemporaryFolder { folder in
            let writer = try HDF5Writer("\(folder)/a.h5")
            try writer.write((0..<12).map { UInt8($0 * 20) }, to: "/pixels", shape: [4, 3])
            try writer.close()
            let reader = try HDF5Reader("\(folder)/a.h5")
            #expect(try reader.read("/pixels", rows: 1..<3, as: Float.self) == [60, 80, 100, 120, 140, 160])
            #expect(try reader.read("/pixels", rows: 2..<2, as: Float.self) == [])
            #expect(try reader.read("/pixels", as: Int8.self).last == 127)
            #expect(throws: UserError(.data, "\(folder)/a.h5: /pixels: has 4 rows, expected at least 5")) {
                try reader.read("/pixels", rows: 3..<5, as: Float.self)
            }
        }
    }

    @Test func textsAttributesAndGroups() throws {
        try withTemporaryFolder { folder in
            let writer = try HDF5Writer("\(folder)/a.h5")
            try writer.write("naïve: {α: 1}\n", to: "/config")
            try writer.write("", to: "/empty")
            for index in 0..<12 { try writer.write(Float(index), to: "/blocks/\(11 - index)/weight") }
            try writer.setAttribute("seed", of: "/", to: Int64(-3))
            try writer.setAttribute("name", of: "/", to: "größe")
            try writer.setAttribute("axes", of: "/blocks", to: ["x", "longer"])
            try writer.close()
            let reader = try HDF5Reader("\(folder)/a.h5")
            #expect(try reader.readString("/config") == "naïve: {α: 1}\n")
            #expect(try reader.readString("/empty") == "")
            #expect(try reader.children(of: "/") == ["config", "empty", "blocks"])
            #expect(try reader.children(of: "/blocks") == (0..<12).map { "\(11 - $0)" })
            #expect(try reader.kind(of: "/blocks/3") == .group)
            #expect(try reader.kind(of: "/blocks/3/weight") == .dataset)
            #expect(try reader.attribute("seed", of: "/", as: Int64.self) == [-3])
            #expect(try reader.attributeStrings("name", of: "/") == ["größe"])
            #expect(try reader.attributeStrings("axes", of: "/blocks") == ["x", "longer"])
            #expect(try reader.attributeStrings("missing", of: "/blocks") == nil)
            #expect(try reader.attributeNames(of: "/") == ["name", "seed"])
            #expect(reader.exists("/") && reader.exists("/blocks/0/weight") && reader.exists("config"))
            #expect(!reader.exists("/blocks/12") && !reader.exists("/config/inner") && !reader.exists("/a/b/c"))
        }
    }

    @Test func sameContentGivesSameBytes() throws {
        try withTemporaryFolder { folder in
            for name in ["a", "b"] {
                let writer = try HDF5Writer("\(folder)/\(name).h5")
                try writer.write((0..<5000).map { Float($0) }, to: "/x/y", shape: [50, 100], rowsPerChunk: 7)
                try writer.write([Int64](0..<100), to: "/x/z")
                try writer.write("text", to: "/t")
                try writer.setAttribute("units", of: "/x/z", to: "s")
                try writer.close()
                if name == "a" { sleep(1) }
            }
            #expect(try Data(contentsOf: URL(filePath: "\(folder)/a.h5")) == Data(contentsOf: URL(filePath: "\(folder)/b.h5")))
        }
    }

    @Test func threadsShareTheLibrary() throws {
        try withTemporaryFolder { folder in
            DispatchQueue.concurrentPerform(iterations: 8) { index in
                for round in 0..<20 {
                    let path = "\(folder)/\(index)-\(round).h5"
                    let values = [Float](repeating: Float(index), count: 1000)
                    do {
                        let writer = try HDF5Writer(path)
                        try writer.write(values, to: "/values")
                        try writer.close()
                        #expect(try HDF5Reader(path).read("/values", as: Float.self) == values)
                        #expect(throws: UserError(.data, "\(path): there is no /nothing in this file")) {
                            try HDF5Reader(path).shape(of: "/nothing")
                        }
                    } catch {
                        Issue.record(error)
                    }
                }
            }
        }
    }

    /// Every process that a thread starts holds copies of the others' descriptors, and their locks, until it has closed them.
    @Test func aLockThatAStartedProcessHoldsForAnInstantIsWaitedFor() throws {
        try withTemporaryFolder { folder in
            let path = "\(folder)/a.h5"
            let writer = try HDF5Writer(path)
            try writer.write([Float(1)], to: "/values")
            let words: [UnsafeMutablePointer<CChar>?] = [strdup("sleep"), strdup("0.06"), nil]
            defer { words.forEach { free($0) } }
            var process = pid_t()
            try #require(posix_spawnp(&process, "sleep", nil, nil, words, environ) == 0)
            defer { waitpid(process, nil, 0) }
            try writer.close()
            #expect(try HDF5Reader(path).read("/values", as: Float.self) == [1])
        }
    }
}
