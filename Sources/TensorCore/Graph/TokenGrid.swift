/// The places that position embeddings `[1, P + depth · rows · columns, D]` stand for: P tokens without a place first, then a grid row by row, of volumes
/// plane by plane.
public struct TokenGrid: Sendable, Equatable {
    /// P: how many tokens stand for no place, such as a class token.
    public let prefixTokens: Int
    /// Of the grid: along how many axes it extends, 1 to 3.
    public let axes: Int
    /// Of the grid; 1 unless it has three axes.
    public let depth: Int
    /// Of the grid; 1 where it has one axis.
    public let rows: Int
    /// Of the grid.
    public let columns: Int

    /// A grid of two axes, or of as many as are said, with so many tokens before it.
    public init(prefixTokens: Int, axes: Int = 2, depth: Int = 1, rows: Int, columns: Int) {
        precondition((1...3).contains(axes) && (axes == 3 || depth == 1) && (axes > 1 || rows == 1), "a grid of \(axes) axes has no others")
        (self.prefixTokens, self.axes, self.depth, self.rows, self.columns) = (prefixTokens, axes, depth, rows, columns)
    }

    /// P + depth · rows · columns.
    public var tokenCount: Int { prefixTokens + depth * rows * columns }

    /// The grid of as many axes, all of one length, with as many tokens before it that has `tokenCount` tokens in all: a line, a square or a cube; nil where
    /// none has.
    public func equilateral(tokenCount: Int) -> TokenGrid? {
        let count = max(tokenCount - prefixTokens, 0)
        func power(_ side: Int) -> Int { (1...axes).reduce(1) { product, _ in product * side } }
        var side = 0
        while power(side) < count { side += 1 }
        guard side > 0, power(side) == count else { return nil }
        return TokenGrid(prefixTokens: prefixTokens, axes: axes, depth: axes > 2 ? side : 1, rows: axes > 1 ? side : 1, columns: side)
    }
}
