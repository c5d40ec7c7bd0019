import TensorCore
import Testing

@testable import Layers

@Suite struct FrozenBatchNormTests {
    /// It normalizes by its buffers in training too, leaves them as they are, and has nothing to train.
    @Test func buffersNormalizeAndStay() throws {
        let graph = Graph(mode: .training), x = graph.input("x", [2, 1, 2, 2]), residual = graph.input("residual", [2, 1, 2, 2])
        let norm = Normalization(.frozenBatch, 2, activation: .relu, in: graph.root["bn"]), y = norm(x, residual: residual)
        #expect(graph.parameters.isEmpty && graph.buffers.map(\.name) == ["bn.weight", "bn.bias", "bn.running_mean", "bn.running_var"])
        let store = ParameterStore(graph, seed: 0)
        for (name, values) in [("weight", [2, -1]), ("bias", [0.5, 1]), ("running_mean", [1, -2]), ("running_var", [4, 0.25])] as [(String, [Float])] {
            #expect(store.set(HostTensor([2], values), named: "bn.\(name)"))
        }
        let values: [Float] = [1, 2, 3, -4, 5, 6, -7, 8], added: [Float] = [0, 1, -1, 2, 0, 20, 9, 0], loss = y.sum(axes: [0, 1, 2, 3]).shardSum()
        let results = try evaluate(
            [y] + gradients(of: loss, withRespectTo: [x]), feeding: [(x, HostTensor([2, 1, 2, 2], values)), (residual, HostTensor([2, 1, 2, 2], added))], store: store)
        for (place, found) in results[0].floats.enumerated() {
            let isFirst = place % 2 == 0, scale: Float = isFirst ? 2 / (4 + 1e-5 as Float).squareRoot() : -1 / (0.25 + 1e-5 as Float).squareRoot()
            let expected = (values[place] - (isFirst ? 1 : -2)) * scale + (isFirst ? 0.5 : 1) + added[place]
            #expect(abs(found - max(0, expected)) < 1e-5 && abs(results[1].floats[place] - (expected > 0 ? scale : 0)) < 1e-6, "\(place)")
        }
        #expect(store.tensor(named: "bn.running_mean")?.floats == [1, -2] && store.tensor(named: "bn.running_var")?.floats == [4, 0.25])
    }
}
