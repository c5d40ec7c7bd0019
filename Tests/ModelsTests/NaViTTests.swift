import TensorCore
import TestSupport
import Testing

@testable import Models

/// Images that share a sequence, against the same images alone.
struct NaViTTests {
    /// An image of random patches of 4 numbers, as tokens: their numbers, row, column, centre, and the image's place in the sequence.
    private static func tokens(_ rows: Int, _ columns: Int, image: Int, place: Int) -> [Float] {
        (0..<rows).flatMap { row in
            (0..<columns).flatMap { column -> [Float] in
                let pixels = FormulaValues.uniform("image \(image) \(row) \(column)", 4).map { Float($0) }
                return pixels + [Float(row), Float(column), Float(2 * column + 1) / Float(columns) - 1, Float(2 * row + 1) / Float(rows) - 1, Float(place)]
            }
        }
    }

    private static let grids = [(2, 3), (1, 4), (3, 3)]

    private func logits(_ text: String, _ values: [Float], images count: Int) throws -> [Float] {
        let graph = Graph(), images = graph.input("images", [count, values.count / 9 / count, 1, 9])
        let logits = try definition(text).logits(images), store = ParameterStore(graph, seed: 0)
        for parameter in graph.parameters { store.set(HostTensor(parameter.shape, FormulaValues.values(parameter.name, parameter.shape)), named: parameter.name) }
        return try evaluate([logits], feeding: [(images, HostTensor(images.shape, values))], store: store)[0].floats
    }

    @Test(arguments: ["factorized", "coordinates", "none"], ["mean", "attention"])
    func packedImagesEqualThemselvesAlone(position: String, pool: String) throws {
        let text = #"{"navit": {"width": 24, "depth": 2, "heads": 3, "position": "\#(position)", "pool": "\#(pool)"}}"#
        // A place that stays free, between images and behind them.
        var sequence = Self.tokens(2, 3, image: 0, place: 0) + Self.tokens(1, 4, image: 1, place: 2) + Self.tokens(3, 3, image: 2, place: 3)
        let count = sequence.count / 9, length = 28
        for _ in count..<length { sequence += [Float](repeating: 0, count: 8) + [-1] }
        let packed = try logits(text, sequence, images: 4)
        for (image, place) in [(0, 0), (1, 2), (2, 3)] {
            let alone = try logits(text, Self.tokens(Self.grids[image].0, Self.grids[image].1, image: image, place: 0), images: 1)
            let found = Array(packed[place * 10..<(place + 1) * 10]), range = alone.max()! - alone.min()!
            let difference = zip(found, alone).map { abs($0 - $1) }.max()!
            #expect(difference <= 1e-5 * range, "image \(image): \(difference / range) of the range")
        }
        #expect(packed.allSatisfy { $0.isFinite })
    }

    /// The same pixels elsewhere give other logits where positions count.
    @Test func positionsCount() throws {
        let text = #"{"navit": {"width": 24, "depth": 1, "heads": 3}}"#
        let upright = try logits(text, Self.tokens(2, 3, image: 0, place: 0), images: 1)
        var turned = Self.tokens(2, 3, image: 0, place: 0)
        for token in 0..<6 { turned.swapAt(token * 9 + 4, token * 9 + 5) }
        #expect(try logits(text, turned, images: 1) != upright)
    }
}
