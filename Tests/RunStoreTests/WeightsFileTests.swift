import Configuration
import Foundation
import HDF5
import RunStore
import TestSupport
import Testing

struct WeightsFileTests {
    @Test func weightsReadBackInOrder() throws {
        try withTemporaryFolder { folder in
            let path = "\(folder)/last.h5"
            try Example.weights.write(to: path)
            #expect(try StoredWeights(reading: path) == Example.weights)
            let shapes = try WeightsReader(path).parameters
            #expect(shapes.map(\.name) == Example.weights.parameters.map(\.name))
            #expect(shapes.map(\.shape) == Example.weights.parameters.map(\.shape))
            #expect(try FileManager.default.contentsOfDirectory(atPath: folder) == ["last.h5"])
        }
    }

    @Test(arguments: [0.2, 0.5, 0.99])
    func truncatedWeights(share: Double) throws {
        try withTemporaryFolder { folder in
            let path = "\(folder)/last.h5"
            try Example.weights.write(to: path)
            let whole = try Data(contentsOf: URL(filePath: path))
            let size = Int(Double(whole.count) * share)
            try whole.prefix(size).write(to: URL(filePath: path))
            #expect(throws: UserError(.data, "\(path): is truncated (it has \(size) bytes and should have \(whole.count))")) {
                try StoredWeights(reading: path)
            }
        }
    }

    @Test func everyFlippedByteOfTheNumbersIsDetected() throws {
        try withTemporaryFolder { folder in
            let path = "\(folder)/last.h5"
            let small = StoredWeights(parameters: [NamedArray(name: "fc.weight", shape: [40, 25], values: (0..<1000).map { Float($0) })])
            try small.write(to: path)
            let whole = try Data(contentsOf: URL(filePath: path))
            var undetected = 0
            for position in stride(from: 0, to: whole.count, by: 61) {
                var bytes = whole
                bytes[position] ^= 0x10
                try bytes.write(to: URL(filePath: path))
                // Either the damage is noticed, or it hit a byte that means nothing.
                if let read = try? StoredWeights(reading: path), read != small { undetected += 1 }
            }
            #expect(undetected == 0)
        }
    }

    @Test func wrongFiles() throws {
        try withTemporaryFolder { folder in
            let path = "\(folder)/w.h5"
            #expect(throws: UserError(.noInput, "\(path): there is no such file")) { try StoredWeights(reading: path) }
            let writer = try HDF5Writer(path)
            try writer.write([Float](repeating: 0, count: 3), to: "/train/images")
            try writer.close()
            #expect(throws: UserError(.data, "\(path): is not a weights file (it has no /parameters)")) { try StoredWeights(reading: path) }
            let text = try HDF5Writer(path)
            try text.write("text", to: "/parameters/head/weight")
            try text.close()
            #expect(throws: UserError(.data, "\(path): /parameters/head/weight: holds text, expected numbers")) { try StoredWeights(reading: path) }
        }
    }
}
