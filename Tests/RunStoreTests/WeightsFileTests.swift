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
            #expect(try WeightsFile(reading: path) == Example.weights)
            let shapes = try WeightsFile.shapes(in: path, under: "/parameters")
            #expect(shapes.map(\.name) == Example.weights.parameters.map(\.name))
            #expect(shapes.map(\.shape) == Example.weights.parameters.map(\.shape))
            #expect(try WeightsFile.progress(in: path).map(\.name) == ["best_val_accuracy", "epoch", "step"])
            #expect(try FileManager.default.contentsOfDirectory(atPath: folder) == ["last.h5"])
        }
    }

    @Test func parametersOfAnotherModel() throws {
        let weights = Example.weights
        let right = weights.parameters.map { (name: $0.name, shape: $0.shape) }
        try weights.check(parameters: right, path: "w.h5")
        let wrong = [(name: "head.weight", shape: [10, 64]), (name: "head.bias", shape: [10])] + right.dropLast(2)
        let message =
            "w.h5: these weights are of another model: head.weight has the shape [3, 100000], expected [10, 64]; head.bias is missing; "
            + "blocks.2.norm1.bias is not a parameter of the model"
        #expect(throws: UserError(.data, message)) { try weights.check(parameters: wrong, path: "w.h5") }
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
                try WeightsFile(reading: path)
            }
        }
    }

    @Test func everyFlippedByteOfTheNumbersIsDetected() throws {
        try withTemporaryFolder { folder in
            let path = "\(folder)/last.h5"
            let small = WeightsFile(parameters: [NamedArray(name: "fc.weight", shape: [40, 25], values: (0..<1000).map { Float($0) })])
            try small.write(to: path)
            let whole = try Data(contentsOf: URL(filePath: path))
            var undetected = 0
            for position in stride(from: 0, to: whole.count, by: 61) {
                var bytes = whole
                bytes[position] ^= 0x10
                try bytes.write(to: URL(filePath: path))
                // Either the damage is noticed, or it hit a byte that means nothing.
                if let read = try? WeightsFile(reading: path), read != small { undetected += 1 }
            }
            #expect(undetected == 0)
        }
    }

    @Test func wrongFiles() throws {
        try withTemporaryFolder { folder in
            let path = "\(folder)/w.h5"
            #expect(throws: UserError(.noInput, "\(path): there is no such file")) { try WeightsFile(reading: path) }
            let writer = try HDF5Writer(path)
            try writer.write([Float](repeating: 0, count: 3), to: "/train/images")
            try writer.close()
            #expect(throws: UserError(.data, "\(path): is not a weights file (it has no /parameters)")) { try WeightsFile(reading: path) }
            let text = try HDF5Writer(path)
            try text.write("text", to: "/parameters/head/weight")
            try text.close()
            #expect(throws: UserError(.data, "\(path): /parameters/head/weight: holds text, expected numbers")) { try WeightsFile(reading: path) }
        }
    }
}
