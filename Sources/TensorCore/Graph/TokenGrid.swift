/// The places that position embeddings `[1, P + rows · columns, D]` stand for: P tokens without a place first, then a grid row by row.
public struct TokenGrid: Sendable, Equatable {
    /// P: how many tokens stand for no place, such as a class token.
    public let prefixTokens: Int
    /// Of the grid.
    public let rows: Int
    /// Of the grid.
    public let columns: Int

    /// A grid with so many tokens before it.
    public init(prefixTokens: Int, rows: Int, columns: Int) {
        (self.prefixTokens, self.rows, self.columns) = (prefixTokens, rows, columns)
    }

    /// P + rows · columns.
    public var tokenCount: Int { prefixTokens + rows * columns }

    /// The square grid with as many tokens before it that has `tokenCount` tokens in all; nil where no square has.
    public func square(tokenCount: Int) -> TokenGrid? {
        let side = Int(Double(max(tokenCount - prefixTokens, 0)).squareRoot())
        guard side > 0, prefixTokens + side * side == tokenCount else { return nil }
        return TokenGrid(prefixTokens: prefixTokens, rows: side, columns: side)
    }
}
