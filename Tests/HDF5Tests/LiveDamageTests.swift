import Configuration
import Foundation
import HDF5
import TestSupport
import Testing

@Suite struct LiveDamageTests {
    /// The library would go on reading damaged metadata of such a file for ages, in case that a writer is about to mend them.
    @Test func aLiveFileThatWasCutShortIsAnErrorSoon() throws {
        try withTemporaryFolder { folder in
            let path = "\(folder)/live.h5"
            do {
                let file = try HDF5Writer(path)
                let column = try file.makeColumn("/metrics/loss", of: Double.self, rowsPerChunk: 64)
                // More than are kept with the group itself.
                for index in 0..<70 { try file.setAttribute("name\(index)", of: "/metrics", to: "value \(index)") }
                let live = try file.startAppending()
                try column.append((0..<100).map(Double.init))
                try column.flush()
                try live.flush(toDisk: false)
                try FileManager.default.copyItem(atPath: path, toPath: "\(folder)/copy.h5")
                try live.close()
            }
            let whole = try Data(contentsOf: URL(filePath: "\(folder)/copy.h5"))
            var errorCount = 0
            for count in stride(from: 300, to: whole.count, by: whole.count / 8) {
                try whole.prefix(count).write(to: URL(filePath: path))
                // Unless what is missing is not needed, it is an error.
                do {
                    let (names, loss) = try within(seconds: 300) {
                        let reader = try HDF5Reader(path, live: true)
                        let names = try (0..<70).map { try reader.attributeStrings("name\($0)", of: "/metrics") }
                        return (names, try reader.read("/metrics/loss", as: Double.self))
                    }
                    #expect(names == (0..<70).map { ["value \($0)"] } && loss == (0..<100).map(Double.init))
                } catch let error as UserError {
                    errorCount += 1
                    #expect(error.kind == .data, "\(error)")
                }
            }
            #expect(errorCount > 4)
        }
    }
}
