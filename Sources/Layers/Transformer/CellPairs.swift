import TensorCore

/// Pairs of cells of a grid.
public enum CellPairs {
    /// More would take a quarter of a gigabyte for each layer.
    static let limit = 1 << 26

    /// For each pair of cells where in a table the number lies that belongs to their distance, as a constant `[queries, cells]` of 32-bit integers: a query
    /// is every `step`-th cell of every `step`-th row. Too many pairs are the scope's failure.
    ///
    /// - Parameter index: of the distances in rows and in columns, from the second cell to the first.
    public static func indices(
        rows: Int, columns: Int, step: Int = 1, in scope: Scope, _ index: (_ rows: Int, _ columns: Int) -> Int
    ) -> Tensor {
        let queryRows = (rows + step - 1) / step, queryColumns = (columns + step - 1) / step, cellCount = rows * columns
        let (count, overflows) = (queryRows * queryColumns).multipliedReportingOverflow(by: cellCount)
        guard !overflows, count <= limit else {
            return scope.fail("relative positions of \(queryRows * queryColumns) × \(cellCount) tokens: more than \(limit) pairs")
        }
        let values = [Int32](unsafeUninitializedCapacity: count) { values, initialized in
            for query in 0..<queryRows * queryColumns {
                let (row, column) = (query / queryColumns * step, query % queryColumns * step)
                for cell in 0..<cellCount { values[query * cellCount + cell] = Int32(index(row - cell / columns, column - cell % columns)) }
            }
            initialized = count
        }
        return scope.record { scope.graph.constant(HostTensor([queryRows * queryColumns, cellCount], values)) }
    }
}
