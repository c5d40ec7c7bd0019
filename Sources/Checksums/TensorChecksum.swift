/// A 64-bit checksum of a tensor's bits, for finding out that two are not the same. It is not meant to withstand someone who wants them to collide.
///
/// The elements are cut into blocks of a fixed length, so that several threads can work on one tensor: the checksum of the
/// whole is `combine` over those of its blocks, in their order.
public enum TensorChecksum {
    /// Elements in a block.
    public static let blockLength = 1 << 16

    /// Every word passes through a chain of steps that can each be undone, so no single change of a word is lost. Four chains in turn
    /// keep the multiplier busy.
    public static func block(_ values: UnsafeBufferPointer<Float>) -> UInt64 {
        let bytes = UnsafeRawBufferPointer(values)
        let groups = bytes.count / 32
        var a: UInt64 = 1, b: UInt64 = 2, c: UInt64 = 3, d: UInt64 = 4
        for group in 0..<groups {
            a = step(a, bytes.loadUnaligned(fromByteOffset: 32 * group, as: UInt64.self))
            b = step(b, bytes.loadUnaligned(fromByteOffset: 32 * group + 8, as: UInt64.self))
            c = step(c, bytes.loadUnaligned(fromByteOffset: 32 * group + 16, as: UInt64.self))
            d = step(d, bytes.loadUnaligned(fromByteOffset: 32 * group + 24, as: UInt64.self))
        }
        for index in groups * 8..<values.count { a = step(a, UInt64(values[index].bitPattern)) }
        return combine([a, b, c, d, UInt64(values.count)])
    }

    /// One checksum of several, in their order.
    public static func combine(_ checksums: some Sequence<UInt64>) -> UInt64 {
        var result: UInt64 = 0
        for checksum in checksums {
            result = step(result, checksum)
            result ^= result >> 32
        }
        return result
    }

    /// The checksum of all elements.
    public static func whole(_ values: UnsafeBufferPointer<Float>) -> UInt64 {
        combine(stride(from: 0, to: values.count, by: blockLength).map { start in
            block(UnsafeBufferPointer(rebasing: values[start..<min(start + blockLength, values.count)]))
        })
    }

    /// A round as in xxHash64 (Y. Collet), with its first two primes: both factors are needed, since a change of a word's highest bit would
    /// else be the change of one bit in the state, which one bit of the next word could take back.
    @inline(__always)
    private static func step(_ state: UInt64, _ word: UInt64) -> UInt64 {
        let sum = state &+ word &* 0xC2B2_AE3D_27D4_EB4F
        return (sum << 31 | sum >> 33) &* 0x9E37_79B1_85EB_CA87
    }
}
