import Layers
import TensorCore
import TestSupport
import Testing

/// Position embeddings for another grid, against timm (`Tests/Reference/position_embeddings.py`).
struct PositionResamplingTests {
    @Test(arguments: [
        (TokenGrid(prefixTokens: 1, rows: 14, columns: 14), TokenGrid(prefixTokens: 1, rows: 7, columns: 10)),
        (TokenGrid(prefixTokens: 1, rows: 14, columns: 14), TokenGrid(prefixTokens: 1, rows: 24, columns: 24)),
        (TokenGrid(prefixTokens: 0, rows: 14, columns: 14), TokenGrid(prefixTokens: 0, rows: 14, columns: 14)),
        (TokenGrid(prefixTokens: 0, rows: 7, columns: 7), TokenGrid(prefixTokens: 0, rows: 3, columns: 16)),
        (TokenGrid(prefixTokens: 1, rows: 1, columns: 1), TokenGrid(prefixTokens: 1, rows: 2, columns: 3)),
    ])
    func asTimm(old: TokenGrid, new: TokenGrid) throws {
        let file = try FixtureFile("position_embeddings.h5"), path = "/\(old.rows)x\(old.columns)_\(new.rows)x\(new.columns)"
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
        #expect(grid.square(tokenCount: 197) == TokenGrid(prefixTokens: 1, rows: 14, columns: 14))
        #expect([196, 1, 0, -3].allSatisfy { grid.square(tokenCount: $0) == nil })
    }
}
