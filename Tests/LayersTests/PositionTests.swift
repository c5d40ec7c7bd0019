import TensorCore
import TestSupport
import Testing

@testable import Layers

/// Every kind of position against timm, or its paper's formula (`Tests/Reference/positions.py`).
struct PositionTests {
    private static let grids = [(3, 5, 16), (7, 7, 24), (1, 4, 8)]
    private let prefix = 2

    private func file(_ grid: (rows: Int, columns: Int, width: Int)) throws -> (file: FixtureFile, path: String) {
        (try FixtureFile("positions.h5"), "/\(grid.rows)x\(grid.columns)")
    }

    /// What positions add to tokens of zeros behind two prefix tokens, which get nothing.
    private func added(_ kind: PositionEmbedding.Kind, _ grid: (rows: Int, columns: Int, width: Int), _ parameters: [String: HostTensor] = [:]) throws -> HostTensor {
        let graph = Graph(), x = graph.input("x", [1, prefix + grid.rows * grid.columns, grid.width])
        let y = PositionEmbedding(kind, rows: grid.rows, columns: grid.columns, prefixTokens: prefix, width: grid.width, in: graph.root)(x)
        let store = ParameterStore(graph, seed: 0)
        #expect(Set(graph.parameters.map(\.name)) == Set(parameters.keys))
        for (name, value) in parameters { #expect(store.set(value, named: name), "\(name)") }
        let values = try evaluate([y], feeding: [(x, HostTensor(x.shape, repeating: Float(0)))], store: store)[0].floats
        #expect(values.prefix(prefix * grid.width).allSatisfy { $0 == 0 })
        return HostTensor([grid.rows * grid.columns, grid.width], Array(values.dropFirst(prefix * grid.width)))
    }

    @Test(arguments: grids)
    func sinesAndCosines(grid: (rows: Int, columns: Int, width: Int)) throws {
        let (file, path) = try file(grid)
        assertClose(try added(.sinCosMAE, grid), try file.tensor("\(path)/sincos_mae"), tolerance: 1e-7)
        assertClose(try added(.sinCos, grid), try file.tensor("\(path)/sincos"), tolerance: 1e-7)
    }

    @Test(arguments: grids)
    func trainedTablesAndPerceptrons(grid: (rows: Int, columns: Int, width: Int)) throws {
        let (file, path) = try file(grid)
        assertClose(try added(.factorized, grid, file.tensors(in: "\(path)/factorized")), try file.tensor("\(path)/factorized_sum"), tolerance: 1e-7)
        assertClose(try added(.coordinates, grid, file.tensors(in: "\(path)/coordinates")), try file.tensor("\(path)/coordinates_vectors"), tolerance: 1e-6)
    }

    @Test(arguments: grids)
    func rotations(grid: (rows: Int, columns: Int, width: Int)) throws {
        let (file, path) = try file(grid), queries = try file.tensor("\(path)/rotary/x"), graph = Graph()
        // Two tokens without a place stay as they are.
        let x = graph.input("x", [1, prefix + queries.shape[1], 2, grid.width]), front = (0..<prefix * 2 * grid.width).map { Float($0) }
        let turned = RotaryPositions(rows: grid.rows, columns: grid.columns, prefixTokens: prefix, headWidth: grid.width, in: graph.root)(x)
        let values = try evaluate([turned], feeding: [(x, HostTensor(x.shape, front + queries.floats))])[0].floats
        #expect(Array(values.prefix(front.count)) == front)
        assertClose(HostTensor(queries.shape, Array(values.dropFirst(front.count))), try file.tensor("\(path)/rotary/turned"), tolerance: 1e-6)
    }

    @Test(arguments: grids)
    func relativeBias(grid: (rows: Int, columns: Int, width: Int)) throws {
        let (file, path) = try file(grid), table = try file.tensor("\(path)/relative/table"), graph = Graph()
        let bias = RelativePositionBias(rows: grid.rows, columns: grid.columns, heads: table.shape[1], in: graph.root)()
        let store = ParameterStore(graph, seed: 0)
        #expect(store.set(table, named: "relative_position_bias_table"))
        #expect(try evaluate([bias], store: store)[0] == file.tensor("\(path)/relative/bias"))
    }
}
