import TensorCore
import Testing

/// The first error of a recording names the module, the op and the shapes, and stops nothing.
struct RecordingTests {
    static let failures: [(String, @Sendable (Scope) -> Tensor)] = [
        ("m: matmul [64, 50, 192] × [256, 576]: 192 ≠ 256", { $0.zeros([64, 50, 192]).matmul($0.zeros([256, 576])) }),
        ("m: matmul [2, 3]ᵀ × [3, 4]: 2 ≠ 3", { $0.zeros([2, 3]).matmul($0.zeros([3, 4]), transposeA: true) }),
        ("m: add of [2, 3] and [4]: the shapes do not broadcast", { $0.zeros([2, 3]) + $0.zeros([4]) }),
        ("m: linear of [5, 7] with weights [3, 6]: 7 ≠ 6", { $0.zeros([5, 7]).linear(weight: $0.zeros([3, 6])) }),
        (
            "m: convolution of [1, 4, 4, 3] with weights [8, 2, 3, 3] in 1 groups: the channels do not fit",
            { $0.zeros([1, 4, 4, 3]).convolution2D(weight: $0.zeros([8, 2, 3, 3])) }
        ),
        (
            "m: convolution of [1, 2, 2, 3] with weights [8, 3, 3, 3]: a window of 3×3 does not fit into the padded input of 2×2",
            { $0.zeros([1, 2, 2, 3]).convolution2D(weight: $0.zeros([8, 3, 3, 3])) }
        ),
        ("m: group norm statistics of [2, 3, 3, 6]: 4 groups do not divide 6 channels", {
            $0.zeros([2, 3, 3, 6]).groupNorm(groups: 4, scale: $0.zeros([6]), offset: $0.zeros([6]))
        }),
        ("m: group norm statistics of [6]: expected float32 or bfloat16 [batch, …, channels]", {
            $0.zeros([6]).groupNorm(groups: 2, scale: $0.zeros([6]), offset: $0.zeros([6]))
        }),
        ("m: group norm of [2, 3, 3, 6]: expected scale and offset [6] in float32, found [5]", {
            $0.zeros([2, 3, 3, 6]).groupNorm(groups: 2, scale: $0.zeros([6]), offset: $0.zeros([5]))
        }),
        ("m: reshape [2, 3] → [4]: 6 ≠ 4 elements", { $0.zeros([2, 3]).reshaped([4]) }),
        ("m: transpose of [2, 3] by [0, 0]: expected a permutation of its axes", { $0.zeros([2, 3]).transposed([0, 0]) }),
        ("m: slice 1..<4 of axis 0 of [3]: out of range", { $0.zeros([3]).sliced(axis: 0, 1..<4) }),
        (
            "m: concatenate of [2, 3], [3, 3] along axis 1: the other axes differ",
            { Tensor.concatenated([$0.zeros([2, 3]), $0.zeros([3, 3])], axis: 1) }
        ),
        ("m: attention of [1, 4, 10] with 3 heads: expected [batch, tokens, 3 × heads × width]", { $0.zeros([1, 4, 10]).selfAttention(heads: 3) }),
        ("m: max pool of [1, 2, 2, 1]: a window of 3×3 does not fit into the padded input of 2×2", { $0.zeros([1, 2, 2, 1]).maxPool(window: 3) }),
        ("m: reflect axis 1 of [1, 2, 2, 1] by 2 and 2: more than there is to mirror", {
            $0.zeros([1, 2, 2, 1]).padded(before: [0, 2, 2, 0], after: [0, 2, 2, 0], mode: .reflect)
        }),
        ("m: dropout at a rate of 1.0: expected a rate from 0 up to but not 1", { $0.zeros([1, 2]).dropout(rate: 1, stream: $0.stream) }),
        ("m.weight: parameter of [131072, 131073]: more than 17179869184 elements", { $0.parameter("weight", [131_072, 131_073], ConstantInitializer(0)) }),
        ("m.weight: parameter of [9223372036854775807, 2]: more than 17179869184 elements", { $0.parameter("weight", [.max, 2], ConstantInitializer(0)) }),
        // What a kernel of two element types cannot move or compute.
        ("m: embed of [2, 2] int32: expected float32 or bfloat16", { $0.integers([2, 2]).padded(before: [1, 0], after: [0, 0]) }),
        ("m: reflect of [3, 3] int32: expected float32 or bfloat16", {
            $0.integers([3, 3]).padded(before: [1, 0], after: [0, 0], mode: .reflect)
        }),
        ("m: sum of [2, 3] as int32: expected float32 or bfloat16", { $0.zeros([2, 3]).sum(axes: [0], dtype: .int32) }),
        ("m: matmul [2, 3] × [3, 2] as float64: expected float32 or bfloat16", { $0.zeros([2, 3]).matmul($0.zeros([3, 2]), dtype: .float64) }),
        ("m: transpose of [2, 2] float64: expected float32, bfloat16 or int32", { $0.doubles([2, 2]).transposed([1, 0]) }),
        ("m: broadcast of [2, 2] float64: expected float32, bfloat16 or int32", { $0.doubles([2, 2]).broadcast(to: [3, 2, 2]) }),
        ("m: slice of [2, 2] float64: expected float32, bfloat16 or int32", { $0.doubles([2, 2]).sliced(axis: 0, 0..<1) }),
        ("m: concatenate of [2, 2] float64: expected float32, bfloat16 or int32", {
            Tensor.concatenated([$0.doubles([2, 2]), $0.doubles([2, 2])], axis: 0)
        }),
        ("m.weight: the parameter m.weight is declared twice", { scope in
            _ = scope.parameter("weight", [1], ConstantInitializer(0))
            return scope.parameter("weight", [1], ConstantInitializer(0))
        }),
    ]

    @Test(arguments: failures.indices)
    func firstErrorIsKept(_ index: Int) throws {
        let (sentence, record) = Self.failures[index]
        let graph = Graph(mode: .training)
        let scope = graph.root["m"]
        let failed = scope.record { record(scope) }
        #expect(!failed.isValid)
        // Model code goes on: shapes read as 1, ops do nothing, the first error stays.
        let later = (failed.linear(weight: scope.zeros([3, failed.shape[-1]])) + 1).sum(axes: [0, 1, 2]).batchMean()
        #expect(!later.isValid)
        #expect(graph.failure?.description == sentence)
        #expect(throws: RecordingError.self) { try Plan(graph, outputs: [later], pool: WorkerPool(threads: 1)) }
        #expect(!gradients(of: later, withRespectTo: [failed])[0].isValid)
    }

    /// Ops of any number of outputs come back whole from a failed recording, so that model code can go on with each of them.
    @Test func failedOpsHaveAllTheirOutputs() throws {
        let graph = Graph()
        let whole = graph.record(FiveParts(length: 5), [graph.input("x", [2, 5])])
        #expect(whole.map(\.shape) == Array(repeating: [2], count: 5))
        let unfit = graph.root["m"].record { graph.record(FiveParts(length: 6), [graph.input("y", [2, 5])]) }
        #expect(unfit.count == 5 && !unfit[4].isValid)
        #expect(graph.record(FiveParts(length: 5), [unfit[4]]).count == 5)
        #expect(graph.failure?.description == "m: five parts of [2, 5]: expected [2, 6]")
    }

    /// What a backward pass records under a module's path does not hide what the module gave, be it recorded before or after that pass.
    @Test func tapsFindNothingOfABackwardPass() throws {
        let graph = Graph(mode: .training), scopes = ["first", "second"].map { graph.root[$0] }
        let x = graph.input("x", [1, 2])
        var outputs: [Tensor] = []
        for scope in scopes {
            let weight = scope.parameter("weight", [2], ConstantInitializer(3))
            outputs.append(scope.record { (x * weight).tanh() })
            _ = gradients(of: outputs[outputs.count - 1].sum(axes: [1]).batchMean(), withRespectTo: [weight])
        }
        let tapped = try scopes.map { try #require(graph.tap($0.path)) }
        let values = try evaluate(outputs + tapped, feeding: [(x, HostTensor([1, 2], [0.1, -0.2] as [Float]))], store: ParameterStore(graph, seed: 0))
        #expect(values[2] == values[0] && values[3] == values[1])
        #expect(values[0].floats.allSatisfy { $0 != 0 })
    }

    /// A store takes float32 values of the right shape, and says no to all else.
    @Test func storesTakeWhatFits() {
        let graph = Graph()
        _ = graph.root.parameter("weight", [2], ConstantInitializer(1))
        let store = ParameterStore(graph, seed: 0)
        #expect(store.set(HostTensor([2], [3, 4] as [Float]), named: "weight"))
        #expect(!store.set(HostTensor([2], [5, 6] as [Double]), named: "weight"))
        #expect(!store.set(HostTensor([2], [5, 6] as [Int32]), named: "weight"))
        #expect(!store.set(HostTensor([1, 2], [5, 6] as [Float]), named: "weight"))
        #expect(!store.set(HostTensor([2], [5, 6] as [Float]), named: "bias"))
        #expect(store.tensor(named: "weight")?.floats == [3, 4])
    }

    @Test func tapsFindTensorsByPath() throws {
        let graph = Graph()
        let x = graph.input("x", [2])
        let scope = graph.root["inner"]
        _ = scope.record { (x * 3).relu() }
        let tapped = try #require(graph.tap("inner"))
        #expect(try evaluate([tapped], feeding: [(x, HostTensor([2], [-1, 2] as [Float]))])[0].floats == [0, 6])
        #expect(graph.tap("outer") == nil)
    }
}

extension Scope {
    func integers(_ shape: Shape) -> Tensor { graph.constant(HostTensor(shape, repeating: Int32(0))) }
    func doubles(_ shape: Shape) -> Tensor { graph.constant(HostTensor(shape, repeating: 0.0)) }

    /// A constant of zeros.
    func zeros(_ shape: Shape) -> Tensor { graph.constant(HostTensor(shape, repeating: Float(0))) }
}

/// The columns of a matrix of so many: an op with more outputs than any of the program's.
private struct FiveParts: TensorCore.Operation {
    let length: Int
    var name: String { "five parts" }
    var outputCount: Int { 5 }

    func outputTypes(_ inputs: [TensorType]) throws(ShapeError) -> [TensorType] {
        let x = inputs[0].shape
        guard x == [2, length] else { throw ShapeError("of \(x): expected [2, \(length)]") }
        return Array(repeating: TensorType([2]), count: 5)
    }

    func lower(_ context: LoweringContext) {}
}
