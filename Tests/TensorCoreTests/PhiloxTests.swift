import TensorCore
import Testing

struct PhiloxTests {
    /// Known answers of Random123 1.09 (`kat_vectors`, philox4x32 with 10 rounds): counter, key, result.
    @Test(arguments: [
        (SIMD4<UInt32>(repeating: 0), SIMD2<UInt32>(repeating: 0), SIMD4<UInt32>(0x6627_e8d5, 0xe169_c58d, 0xbc57_ac4c, 0x9b00_dbd8)),
        (
            SIMD4<UInt32>(repeating: .max), SIMD2<UInt32>(repeating: .max),
            SIMD4<UInt32>(0x408f_276d, 0x41c8_3b0e, 0xa20b_c7c6, 0x6d54_51fd)
        ),
        (
            SIMD4<UInt32>(0x243f_6a88, 0x85a3_08d3, 0x1319_8a2e, 0x0370_7344), SIMD2<UInt32>(0xa409_3822, 0x299f_31d0),
            SIMD4<UInt32>(0xd16c_fe09, 0x94fd_cceb, 0x5001_e420, 0x2412_6ea1)
        ),
    ])
    func knownAnswers(counter: SIMD4<UInt32>, key: SIMD2<UInt32>, expected: SIMD4<UInt32>) {
        #expect(PhiloxStream(key: key).words(at: counter) == expected)
    }

    @Test func streamsDiffer() {
        func first(_ seed: UInt64, _ name: String, _ time: UInt64, _ sample: UInt64) -> UInt64 {
            var draws = PhiloxStream(seed: seed, name: name).draws(time: time, sample: sample)
            return draws.next()
        }
        let all = [first(0, "a", 0, 0), first(1, "a", 0, 0), first(0, "b", 0, 0), first(0, "a", 1, 0), first(0, "a", 0, 1), first(0, "a", 0, 1 << 33)]
        #expect(Set(all).count == all.count)
    }

    @Test func uniformDrawsFillTheUnitInterval() {
        var draws = PhiloxStream(seed: 1, name: "uniform").draws(time: 0, sample: 0)
        let values = (0..<10_000).map { _ in draws.uniform() }
        #expect(values.allSatisfy { $0 >= 0 && $0 < 1 })
        #expect(abs(values.reduce(0, +) / 10_000 - 0.5) < 0.01)
    }
}
