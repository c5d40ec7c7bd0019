import Configuration
import TensorCore
import Testing
import VisionData

/// Images that a program has in memory.
@Suite struct MemoryDataTests {
    private static let shape = ImageShape(height: 1, width: 2, channels: 1)

    private func images(
        _ values: [Float] = (0..<20).map(Float.init), labels: [Int32] = (0..<10).map { $0 % 3 }, classes: Int? = nil, names: [String]? = nil,
        validation: Int = 0, test: Int = 2
    ) throws -> LabeledImages {
        try LabeledImages(
            "mine", shape: Self.shape, pixels: .floats(values), labels: labels, classCount: classes, classNames: names, validationCount: validation,
            testCount: test)
    }

    @Test func partsAreInTheirOrder() throws {
        let plain = try images(), dataset = try ImageDataset(plain, validation: .count(3), normalization: .none)
        #expect(plain.classCount == 3 && plain.train == 0..<8 && plain.validation == nil && plain.test == 8..<10)
        #expect(dataset.indices(of: .train).count == 5 && dataset.indices(of: .validation).count == 3 && dataset.indices(of: .test) == [8, 9])
        let other = try ImageDataset(plain, validation: .count(3), splitSeed: 1, normalization: .none)
        #expect(other.indices(of: .validation) != dataset.indices(of: .validation))
        let brought = try ImageDataset(images(classes: 4, validation: 3))
        #expect(brought.indices(of: .train) == [0, 1, 2, 3, 4] && brought.indices(of: .validation) == [5, 6, 7] && brought.classCount == 4)
        #expect(brought.normalization.mean == [4.5], "of the values 0 to 9 of the training images")
    }

    @Test func saysWhatDoesNotFit() throws {
        func message(_ body: () throws -> LabeledImages) -> String? {
            let error = #expect(throws: UserError.self) { _ = try body() }
            #expect(error?.kind == .data)
            return error?.message
        }
        #expect(message { try images([1, 2, 3]) } == "mine: found 3 values for 10 labels, expected 2 for each image of 1×2×1")
        #expect(message { try images(labels: [0, 1, -1, 0, 0, 0, 0, 0, 0, 0]) } == "mine: label -1 at index 2, expected 0 to 1")
        #expect(message { try images(classes: 2) } == "mine: label 2 at index 2, expected 0 to 1")
        #expect(message { try images(classes: 3, names: ["a"]) } == "mine: found 1 names of classes, expected 3")
        #expect(message { try images([.nan] + (1..<20).map(Float.init)) } == "mine: the value at index 0 is not finite")
        for (validation, test) in [(0, 0), (8, 2), (-1, 2), (0, 11)] {
            let sentence = message { try images(validation: validation, test: test) }
            #expect(sentence?.hasSuffix("expected at least one for training and one for the test") == true, "\(sentence ?? "")")
        }
    }
}
