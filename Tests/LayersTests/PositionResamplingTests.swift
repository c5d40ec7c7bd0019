import Layers
import TensorCore
import TestSupport
import Testing

/// Position embeddings for another grid, against timm and torch (`Tests/Reference/position_embeddings.py`).
struct PositionResamplingTests {
    @Test(arguments: [
        (TokenGrid(prefixTokens: 1, rows: 14, columns: 14), TokenGrid(prefixTokens: 1, rows: 7, columns: 10)),
        (TokenGrid(prefixTokens: 1, rows: 14, columns: 14), TokenGrid(prefixTokens: 1, rows: 24, columns: 24)),
        (TokenGrid(prefixTokens: 0, rows: 14, columns: 14), TokenGrid(prefixTokens: 0, rows: 14, columns: 14)),
        (TokenGrid(prefixTokens: 0, rows: 7, columns: 7), TokenGrid(prefixTokens: 0, rows: 3, columns: 16)),
        (TokenGrid(prefixTokens: 1, rows: 1, columns: 1), TokenGrid(prefixTokens: 1, rows: 2, columns: 3)),
    ])
    func asTimm(old: TokenGrid, new: TokenGrid) throws {
        try compare(old, new, at: "/\(old.rows)x\(old.columns)_\(new.rows)x\(new.columns)")
    }

    @Test("Lines and volumes are interpolated as torch does", arguments: [
        (1, [2, 3, 4], [3, 2, 7]), (0, [6, 4, 4], [2, 2, 2]), (2, [1, 2, 3], [2, 4, 6]), (1, [9], [21]), (0, [16], [5]),
    ])
    func asTorch(prefix: Int, old: [Int], new: [Int]) throws {
        func grid(_ lengths: [Int]) -> TokenGrid {
            let isLine = lengths.count == 1
            return TokenGrid(prefixTokens: prefix, axes: lengths.count, depth: isLine ? 1 : lengths[0], rows: isLine ? 1 : lengths[1], columns: lengths.last!)
        }
        func text(_ lengths: [Int]) -> String { lengths.map(String.init).joined(separator: "x") }
        try compare(grid(old), grid(new), at: "/\(text(old))_\(text(new))")
    }

    private func compare(_ old: TokenGrid, _ new: TokenGrid, at path: String) throws {
        let file = try FixtureFile("position_embeddings.h5")
        let values = try file.tensor("\(path)/values"), expected = try file.tensor("\(path)/resampled")
        let found = PositionEmbedding.resampled(values.floats, from: old, to: new, width: 4)
        #expect(values.shape == [1, old.tokenCount, 4] && expected.shape == [1, new.tokenCount, 4] && found.count == expected.floats.count)
        let difference = zip(found, expected.floats).map { abs($0 - $1) }.max() ?? .infinity
        #expect(difference < 2e-6, "the values are about 1")
        let prefix = old.prefixTokens * 4
        #expect(found[..<prefix] == values.floats[..<prefix])
    }

    @Test func squares() {
        let grid = TokenGrid(prefixTokens: 1, rows: 7, columns: 10)
        #expect(grid.tokenCount == 71)
        #expect(grid.equilateral(tokenCount: 197) == TokenGrid(prefixTokens: 1, rows: 14, columns: 14))
        #expect([196, 1, 0, -3].allSatisfy { grid.equilateral(tokenCount: $0) == nil })
        let cubes = TokenGrid(prefixTokens: 1, axes: 3, depth: 2, rows: 3, columns: 4)
        #expect(cubes.tokenCount == 25 && cubes.equilateral(tokenCount: 28) == TokenGrid(prefixTokens: 1, axes: 3, depth: 3, rows: 3, columns: 3))
        #expect(cubes.equilateral(tokenCount: 26) == nil)
        #expect(TokenGrid(prefixTokens: 0, axes: 1, rows: 1, columns: 4).equilateral(tokenCount: 7) == TokenGrid(prefixTokens: 0, axes: 1, rows: 1, columns: 7))
    }
}
