import Foundation
import TensorCore

/// Standard normal numbers by the Box–Muller transform, four from each block of a counter-based stream.
///
///     z₁ = √(−2 ln u₁) · cos 2πu₂,   z₂ = √(−2 ln u₁) · sin 2πu₂
///
/// The numbers at a place are a pure function of the stream, the place and the round, so nothing depends on the order in which
/// they are drawn. The arithmetic is in double precision and rounded once. With 32-bit words no number exceeds 6.8 in magnitude.
///
/// Box and Muller, "A Note on the Generation of Random Normal Deviates", Annals of Mathematical Statistics 29 (1958).
enum NormalDraws {
    /// Four numbers for the elements 4·`block` ..< 4·`block` + 4. A higher `round` draws anew.
    static func block(_ block: Int, round: UInt32 = 0, of stream: PhiloxStream) -> SIMD4<Double> {
        let words = stream.words(at: SIMD4(UInt32(truncatingIfNeeded: block), UInt32(truncatingIfNeeded: block >> 32), round, 0))
        var result = SIMD4<Double>()
        for pair in [0, 2] {
            // The half keeps the logarithm finite.
            let radius = (-2 * log((Double(words[pair]) + 0.5) * 0x1p-32)).squareRoot()
            let angle = 2 * Double.pi * Double(words[pair + 1]) * 0x1p-32
            result[pair] = radius * cos(angle)
            result[pair + 1] = radius * sin(angle)
        }
        return result
    }

    /// Fills `values` with numbers of mean 0 and standard deviation `deviation`, each drawn again while its magnitude exceeds `bound`.
    static func fill(
        _ values: UnsafeMutableBufferPointer<Float>, deviation: Double, bound: Double = .infinity, stream: PhiloxStream
    ) {
        for start in stride(from: 0, to: values.count, by: 4) {
            let numbers = deviation * block(start / 4, of: stream)
            for lane in 0..<min(4, values.count - start) {
                var number = numbers[lane], round: UInt32 = 0
                while abs(number) > bound {
                    round += 1
                    number = deviation * block(start / 4, round: round, of: stream)[lane]
                }
                values[start + lane] = Float(number)
            }
        }
    }
}

/// Uniform numbers of a counter-based stream.
enum UniformDraws {
    /// Fills `values` with numbers between −`bound` and `bound`.
    static func fill(_ values: UnsafeMutableBufferPointer<Float>, bound: Double, stream: PhiloxStream) {
        for start in stride(from: 0, to: values.count, by: 4) {
            let block = start / 4
            let words = stream.words(at: SIMD4(UInt32(truncatingIfNeeded: block), UInt32(truncatingIfNeeded: block >> 32), 0, 0))
            for lane in 0..<min(4, values.count - start) {
                values[start + lane] = Float(bound * (2 * (Double(words[lane]) + 0.5) * 0x1p-32 - 1))
            }
        }
    }
}
