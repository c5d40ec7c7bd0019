import Foundation
import TensorCore
import TestSupport
import Testing

@testable import Models

/// The networks of torchvision and timm under their names, against these libraries (`Tests/Reference/zoo.py`).
struct ZooTests {
    struct Case: Decodable, CustomTestStringConvertible, Sendable {
        let definition: String
        /// Of the images, which are squares unless there is a width.
        let side: Int
        let width: Int?
        let tensors: [String]
        let logits: [Float]

        var testDescription: String { definition }
    }

    static let cases = try! ["zoo.json", "zoo_hybrids.json", "image_sizes.json"].flatMap {
        try JSONDecoder().decode([Case].self, from: Data(contentsOf: fixture($0)))
    }

    private static func fixture(_ name: String) -> URL {
        URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent().appending(path: "Fixtures/\(name)")
    }

    @Test("Names, shapes and logits are those of the reference", arguments: cases)
    func reference(_ reference: Case) throws {
        let graph = Graph()
        let images = graph.input("images", [2, reference.side, reference.width ?? reference.side, 3])
        let logits = try definition(reference.definition).logits(images)
        let store = ParameterStore(graph, seed: 0)
        let tensors = (graph.parameters.map { ($0.name, $0.shape) } + store.bufferEntries.map { ($0.name, $0.shape) })
        // A hybrid has names of its own, but for the reference those of timm.
        let names = HybridNames.timm(of: tensors.map(\.0))
        #expect(Set(zip(names, tensors).map { "\($0) \($1.1.dimensions)" }) == Set(reference.tensors))
        for (name, (own, shape)) in zip(names, tensors) { store.set(HostTensor(shape, FormulaValues.values(name, shape)), named: own) }
        let input = HostTensor(images.shape, FormulaValues.values("images", images.shape))
        let found = try evaluate([logits], feeding: [(images, input)], store: store)[0].floats
        let range = reference.logits.max()! - reference.logits.min()!
        let difference = zip(found, reference.logits).map { abs($0 - $1) }.max()!
        #expect(found.count == reference.logits.count && difference <= 1e-4 * range, "\(difference / range) of the range")
    }
}

/// The weights of `Tests/Reference/zoo.py`, by the same formula.
enum FormulaValues {
    static func values(_ name: String, _ shape: Shape) -> [Float] {
        let fanIn = shape.dimensions.dropFirst().reduce(1, *), scale = (6 / Double(fanIn)).squareRoot()
        let (start, factor): (Double, Double) =
            name.hasSuffix("running_var") ? (1, 0.5) : shape.rank > 1 ? (0, scale) : name.hasSuffix("weight") ? (1, 0.25) : (0, 0.1)
        return uniform(name, shape.elementCount).map { Float(start == 0 ? factor * $0 : start + factor * $0) }
    }

    /// Numbers from -1 up to but not 1: FNV-1a of the name, then splitmix64 of that and the place.
    static func uniform(_ name: String, _ count: Int) -> [Double] {
        let seed = name.utf8.reduce(0xCBF2_9CE4_8422_2325 as UInt64) { ($0 ^ UInt64($1)) &* 0x100_0000_01B3 }
        return (0..<count).map { index in
            var z = seed &+ UInt64(index + 1) &* 0x9E37_79B9_7F4A_7C15
            z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
            z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
            z ^= z >> 31
            return Double(z >> 40) / Double(1 << 23) - 1
        }
    }
}
