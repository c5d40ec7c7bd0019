import Foundation
import TensorCore
import TestSupport
import Testing

@testable import Layers

/// Names, shapes and roles of parameters, errors, and what differs between training and evaluation.
struct LayerTests {
    private func declared(_ body: (Scope) -> Void) -> [String] {
        let graph = Graph()
        body(graph.root["m"])
        return (graph.parameters + graph.buffers).map { "\($0.name) \($0.shape) \($0.role)" }
    }

    @Test func parametersFollowPyTorch() {
        #expect(declared { _ = Linear(3, 5, in: $0) } == ["m.weight [5, 3] weight", "m.bias [5] bias"])
        #expect(declared { _ = Linear(3, 5, hasBias: false, in: $0) } == ["m.weight [5, 3] weight"])
        #expect(
            declared { _ = Convolution2D(4, 6, kernel: Size2D(3, 5), groups: 2, initialization: .residual, in: $0) }
                == ["m.weight [6, 2, 3, 5] weight", "m.bias [6] bias"])
        #expect(
            declared { _ = BatchNorm(4, in: $0) } == [
                "m.weight [4] normalization", "m.bias [4] normalization", "m.running_mean [4] normalization", "m.running_var [4] normalization",
            ])
        #expect(declared { _ = GroupNorm(4, groups: 2, in: $0) } == ["m.weight [4] normalization", "m.bias [4] normalization"])
        #expect(declared { _ = Normalization(.none, 4, activation: .relu, in: $0) }.isEmpty)
        #expect(declared { _ = LayerNorm(4, in: $0) } == ["m.weight [4] normalization", "m.bias [4] normalization"])
        #expect(declared { _ = ClassToken(width: 4, in: $0) } == ["m.cls_token [1, 1, 4] token"])
        #expect(
            declared { _ = PositionEmbedding(.learned, rows: 2, columns: 3, prefixTokens: 1, width: 4, in: $0) }
                == ["m.pos_embed [1, 7, 4] positionEmbedding"])
        #expect(declared { _ = PositionEmbedding(.none, rows: 2, columns: 3, prefixTokens: 1, width: 4, in: $0) }.isEmpty)
    }

    /// The functions that theory integrates are those that layers compute, and their slopes the gradients.
    @Test(arguments: ActivationKind.allCases)
    func valuesOfActivationsAreThoseOfTheLayers(kind: ActivationKind) throws {
        let points = stride(from: -8, through: 8, by: 0.37).map { Float($0) }
        let graph = Graph()
        let x = graph.input("x", [points.count])
        let y = x.activated(kind.activation)
        let slope = gradients(of: y.sum(axes: [0]).shardSum(), withRespectTo: [x])[0]
        let results = try evaluate([y, slope], feeding: [(x, HostTensor([points.count], points))])
        for (index, point) in points.enumerated() {
            #expect(abs(Double(results[0].floats[index]) - kind.value(Double(point))) < 1e-6 * max(1, abs(Double(point))))
            #expect(abs(Double(results[1].floats[index]) - kind.derivative(Double(point))) < 1e-6)
        }
    }

    @Test func normsStartAsTheIdentityAndBiasesAtZero() throws {
        let graph = Graph()
        _ = BatchNorm(3, in: graph.root["bn"])
        _ = BatchNorm(3, initialScale: 0, in: graph.root["last"])
        _ = LayerNorm(3, in: graph.root["ln"])
        _ = GroupNorm(3, groups: 1, in: graph.root["gn"])
        _ = Normalization(.oneGroup, 3, initialScale: 0, in: graph.root["last_gn"])
        _ = Linear(3, 3, in: graph.root["fc"])
        let store = ParameterStore(graph, seed: 1)
        let expected: [(String, Float)] = [
            ("bn.weight", 1), ("bn.bias", 0), ("bn.running_mean", 0), ("bn.running_var", 1), ("last.weight", 0), ("ln.weight", 1),
            ("ln.bias", 0), ("gn.weight", 1), ("gn.bias", 0), ("last_gn.weight", 0), ("fc.bias", 0),
        ]
        for (name, value) in expected { #expect(try #require(store.tensor(named: name)).floats == [value, value, value], "\(name)") }
    }

    @Test func classTokenComesFirstForEverySample() throws {
        let graph = Graph()
        let x = graph.input("x", [2, 3, 4])
        let y = ClassToken(width: 4, in: graph.root)(x)
        let store = ParameterStore(graph, seed: 0)
        store.set(HostTensor([1, 1, 4], [1, 2, 3, 4] as [Float]), named: "cls_token")
        let tokens = (0..<24).map { Float(100 + $0) }
        let found = try evaluate([y], feeding: [(x, HostTensor(x.shape, tokens))], store: store)[0]
        #expect(found.shape == [2, 4, 4])
        let token: [Float] = [1, 2, 3, 4]
        let expected: [Float] = token + Array(tokens[..<12]) + token + Array(tokens[12...])
        #expect(found.floats == expected)
    }

    @Test(arguments: [(TokenPooling.class, [0, 1, 6, 7] as [Float]), (.mean, [2, 3, 8, 9])])
    func poolingOfTokens(pool: TokenPooling, expected: [Float]) throws {
        let graph = Graph()
        let x = graph.input("x", [2, 3, 2])
        let found = try evaluate([TokenPool(pool, width: 2, heads: 1, hidden: 8, prefixTokens: 0, in: graph.root)(x)], feeding: [(x, HostTensor(x.shape, (0..<12).map(Float.init)))])[0]
        #expect(found == HostTensor([2, 2], expected))
    }

    @Test func averagePoolingCountsPaddingAndMaximumIgnoresIt() throws {
        let graph = Graph()
        let x = graph.input("x", [1, 2, 2, 1])
        let average = Pooling(.average, window: 2, padding: .symmetric(1), in: graph.root["a"])(x)
        let maximum = Pooling(.maximum, window: 2, padding: .symmetric(1), in: graph.root["m"])(x)
        let found = try evaluate([average, maximum], feeding: [(x, HostTensor(x.shape, [-1, -2, -3, -4] as [Float]))])
        #expect(found[0].floats == [-0.25, -0.5, -0.75, -1])
        #expect(found[1].floats == [-1, -2, -3, -4])
    }

    /// What is normalized are two groups of one channel, one group of both, or nothing; then 10 is added, then comes the activation.
    @Test(arguments: [
        (NormalizationKind.none, [9, 12, 11, 18] as [Float]), (.group(groups: 2), [9, 9, 11, 11]),
        (.oneGroup, [-3.5, -0.5, -1.5, 5.5].map { Float(10 + $0 / 11.25.squareRoot()) }),
    ])
    func whatFollowsAConvolution(kind: NormalizationKind, expected: [Float]) throws {
        let graph = Graph(), x = graph.input("x", [1, 2, 1, 2]), ten = graph.constant(HostTensor(x.shape, repeating: Float(10)))
        let y = Normalization(kind, 2, activation: .leakyReLU(slope: 0.5), in: graph.root)(x, residual: ten)
        let values = HostTensor(x.shape, [-1, 2, 1, 8] as [Float])
        let found = try evaluate([y], feeding: [(x, values)], store: ParameterStore(graph, seed: 0))[0]
        assertClose(found, HostTensor(x.shape, expected))
        let alone = Normalization(.none, 2, activation: .leakyReLU(slope: 0.5), in: graph.root["alone"])(x)
        #expect(try evaluate([alone], feeding: [(x, values)], store: ParameterStore(graph, seed: 0))[0].floats == [-0.5, 2, 1, 8])
    }

    // MARK: Random layers

    @Test func dropoutScalesWhatItKeeps() throws {
        let graph = Graph(mode: .training, seed: 3)
        let x = graph.input("x", [64, 500])
        let y = Dropout(rate: 0.2, in: graph.root["drop"])(x)
        let found = try evaluate([y], feeding: [(x, HostTensor(x.shape, repeating: Float(1)))])[0].floats
        #expect(found.allSatisfy { $0 == 0 || $0 == 1.25 })
        let kept = Double(found.count { $0 != 0 }) / Double(found.count)
        #expect(abs(kept - 0.8) < 5 * (0.16 / Double(found.count)).squareRoot())
    }

    @Test func dropPathDropsWholeSamples() throws {
        let graph = Graph(mode: .training, seed: 3)
        let x = graph.input("x", [1000, 2, 3])
        let y = DropPath(rate: 0.5, in: graph.root["path"])(x)
        let found = try evaluate([y], feeding: [(x, HostTensor(x.shape, repeating: Float(1)))])[0].floats
        let samples = stride(from: 0, to: found.count, by: 6).map { Set(found[$0..<$0 + 6]) }
        #expect(samples.allSatisfy { $0 == [0] || $0 == [2] })
        #expect(abs(samples.count { $0 == [0] } - 500) < 80)
    }

    @Test func randomLayersOfDifferentModulesDiffer() throws {
        let graph = Graph(mode: .training, seed: 3)
        let x = graph.input("x", [1, 1000])
        let outputs = ["a", "b"].map { Dropout(rate: 0.5, in: graph.root[$0])(x) }
        let found = try evaluate(outputs, feeding: [(x, HostTensor(x.shape, repeating: Float(1)))])
        #expect(found[0] != found[1])
    }

    @Test func randomLayersDoNothingInEvaluation() throws {
        let graph = Graph(mode: .evaluation)
        let x = graph.input("x", [4, 3])
        let y = DropPath(rate: 0.9, in: graph.root["b"])(Dropout(rate: 0.9, in: graph.root["a"])(x))
        let values = HostTensor(x.shape, (0..<12).map(Float.init))
        #expect(try evaluate([y], feeding: [(x, values)])[0] == values)
    }

    // MARK: Errors

    private func failure(_ shape: Shape, _ body: (Scope, Tensor) -> Tensor) -> String {
        let graph = Graph()
        let y = body(graph.root, graph.input("x", shape))
        #expect(!y.isValid)
        return graph.failure?.description ?? "none"
    }

    @Test func headsMustDivideTheWidth() {
        let found = failure([1, 4, 10]) { MultiHeadAttention(width: 10, heads: 3, in: $0["blocks"][2]["attn"])($1) }
        #expect(found == "blocks.2.attn: 3 heads do not divide the width 10")
    }

    @Test func patchesMustDivideTheImage() {
        let found = failure([1, 28, 30, 1]) { PatchEmbedding(channels: 1, patch: 4, width: 8, in: $0["patch_embed"])($1) }
        #expect(found == "patch_embed: the patch 4 does not divide 28×30")
    }

    @Test(arguments: [4, 10])
    func sineCosinePositionsNeedAFittingWidth(width: Int) {
        let found = failure([1, 4, width]) { scope, x in
            PositionEmbedding(.sinCos, rows: 2, columns: 2, prefixTokens: 0, width: width, in: scope)(x)
        }
        #expect(found == "2-D sine-cosine positions need a width that is a multiple of 4 and at least 8, found \(width)")
    }

    @Test func theFirstErrorNamesTheModule() {
        let found = failure([1, 4, 10]) { TransformerBlock(width: 12, heads: 3, hidden: 24, in: $0["blocks"][0])($1) }
        #expect(found.hasPrefix("blocks.0.norm1: layer norm "))
    }
}
