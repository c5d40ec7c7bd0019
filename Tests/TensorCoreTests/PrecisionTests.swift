import Foundation
import TensorCore
import TestSupport
import Testing

/// What bfloat16 may and may not round.
struct PrecisionTests {
    private func bits(_ tensor: HostTensor) -> [UInt16] { tensor.bytes.withUnsafeBytes { Array($0.bindMemory(to: UInt16.self)) } }

    @Test("Rounding is to the nearest with ties to even, and spares infinities, NaNs and small numbers", arguments: [
        (0x3f80_0000, 0x3f80),  // 1
        (0x3f80_8000, 0x3f80), (0x3f81_8000, 0x3f82),  // halfway: to the even one
        (0x3f80_7fff, 0x3f80), (0x3f80_8001, 0x3f81),
        (0xbf80_8001, 0xbf81), (0x8000_0000, 0x8000),
        (0x7f7f_ffff, 0x7f80), (0x7f80_0000, 0x7f80), (0xff80_0000, 0xff80),
        (0x7f80_0001, 0x7fc0), (0x7fc0_0000, 0x7fc0),  // signalling and quiet NaNs
        (0x0001_0000, 0x0001), (0x0000_8001, 0x0001), (0x0000_8000, 0x0000),  // below the normal range
    ] as [(UInt32, UInt16)])
    func rounding(single: UInt32, expected: UInt16) throws {
        let graph = Graph(), x = graph.input("x", [33])
        // 33 elements go through full vectors and through what remains of them.
        let results = try evaluate([x.cast(to: .bfloat16)], feeding: [(x, HostTensor([33], repeating: Float(bitPattern: single)))])
        #expect(bits(results[0]) == Array(repeating: expected, count: 33))
    }

    @Test func wideningIsExact() throws {
        let graph = Graph(), values = (0..<1000).map { Float($0 - 500) / 64 }
        let x = graph.input("x", [1000])
        let results = try evaluate([x.cast(to: .bfloat16).cast(to: .float32), x.cast(to: .bfloat16)], feeding: [(x, HostTensor([1000], values))])
        #expect(results[0].floats.map { UInt16($0.bitPattern >> 16) } == bits(results[1]))
        #expect(results[0].floats.allSatisfy { $0.bitPattern & 0xffff == 0 })
    }

    /// bfloat16 counts to 256 only; sums that stay float32 count on.
    @Test(.needsBFloat16Units) func sumsAndGradientsOfParametersAreFloat32() throws {
        let graph = Graph(mode: .training, shardCount: 2, precision: .bf16)
        let weight = graph.root.parameter("weight", [1, 1], ConstantInitializer(1))
        let bias = graph.root.parameter("bias", [1], ConstantInitializer(0))
        let position = graph.root.parameter("position", [1, 1], ConstantInitializer(0))
        let x = graph.input("x", [1001, 1])
        let y = x.linear(weight: weight, bias: bias) + position
        #expect(y.dtype == .bfloat16)
        let total = y.sum(axes: [0, 1], dtype: .float32).shardSum()
        let found = gradients(of: total, withRespectTo: graph.parameterTensors)
        #expect(found.allSatisfy { $0.dtype == .float32 })
        let results = try evaluate(
            [total] + found, feeding: [(x, HostTensor([2002, 1], repeating: Float(1)))], store: ParameterStore(graph, seed: 0))
        #expect(results.map(\.floats) == Array(repeating: [2002], count: 4))
    }

    @Test("An operand in float32 beside one in bfloat16 is taken as it is")
    func mixedOperands() throws {
        let graph = Graph(), x = graph.input("x", [3])
        let half = x.cast(to: .bfloat16), offset: Float = 1 + 0x1p-9
        let sum = half + graph.constant(HostTensor([3], repeating: offset))
        let joined = Tensor.concatenated([half, x], axis: 0)
        #expect(sum.dtype == .bfloat16 && joined.dtype == .bfloat16)
        // 1 + 2⁻⁹ rounds to 1, 2⁻⁷ + (1 + 2⁻⁹) does not round as if it had.
        let values = try evaluate([sum, joined], feeding: [(x, HostTensor([3], [0, 0x1.8p-8, -1] as [Float]))])
        #expect(values[0].doubles == [1, 1 + 0x1p-7, 0x1p-9])
        #expect(values[1].doubles == [0, 0x1.8p-8, -1, 0, 0x1.8p-8, -1])
    }

    /// Every convolution is new to the library, which would else keep one that was made before.
    @Test(.needsBFloat16Units) func convolutionsOfBothPrecisionsCanBeMadeAtOnce() {
        DispatchQueue.concurrentPerform(iterations: 4) { thread in
            for round in 0..<250 {
                let graph = Graph(precision: thread.isMultiple(of: 2) ? .fp32 : .bf16), count = 1 + 4 * round + thread
                let weight = graph.constant(HostTensor([16, 1, 7, 7], repeating: Float(1))), images = HostTensor([count, 14, 14, 1], repeating: Float(1))
                let x = graph.input("x", images.shape)
                do {
                    let found = try evaluate([x.convolution2D(weight: weight, stride: 7).cast(to: .float32)], feeding: [(x, images)])[0].floats
                    #expect(found.allSatisfy { $0 == 49 }, "\(count) images")
                } catch {
                    Issue.record(error)
                }
            }
        }
    }
}
