/// The counter-based generator Philox4x32-10 (Salmon, Moraes, Dror, Shaw: "Parallel Random Numbers: As Easy as 1, 2, 3", SC 2011).
///
/// A stream has a key, made of a seed and a name, and no state: the draw at a counter is a pure function of the two.
/// Counters are (step or epoch, global sample index, position), so order, threads, shards and resuming change no draw.
public struct PhiloxStream: Sendable, Equatable {
    /// The two key words, from a seed and a name.
    public let key: SIMD2<UInt32>

    /// The stream called `name` of the experiment seeded with `seed`.
    public init(seed: UInt64, name: String) {
        // FNV-1a over the name, mixed with the seed by SplitMix64's finalizer.
        var hash: UInt64 = 0xcbf2_9ce4_8422_2325
        for byte in name.utf8 { hash = (hash ^ UInt64(byte)) &* 0x0000_0100_0000_01b3 }
        var mixed = hash ^ (seed &* 0x9e37_79b9_7f4a_7c15)
        mixed = (mixed ^ (mixed >> 30)) &* 0xbf58_476d_1ce4_e5b9
        mixed = (mixed ^ (mixed >> 27)) &* 0x94d0_49bb_1331_11eb
        mixed ^= mixed >> 31
        self.init(key: SIMD2(UInt32(truncatingIfNeeded: mixed), UInt32(truncatingIfNeeded: mixed >> 32)))
    }

    /// A stream of a given key.
    public init(key: SIMD2<UInt32>) { self.key = key }

    /// Four uniform 32-bit words at a 128-bit counter.
    public func words(at counter: SIMD4<UInt32>) -> SIMD4<UInt32> {
        var c = counter, k = key
        for _ in 0..<10 {
            let p0 = UInt64(c[0]) &* 0xd251_1f53
            let p1 = UInt64(c[2]) &* 0xcd9e_8d57
            c = SIMD4(
                UInt32(truncatingIfNeeded: p1 >> 32) ^ c[1] ^ k[0], UInt32(truncatingIfNeeded: p1),
                UInt32(truncatingIfNeeded: p0 >> 32) ^ c[3] ^ k[1], UInt32(truncatingIfNeeded: p0))
            k = SIMD2(k[0] &+ 0x9e37_79b9, k[1] &+ 0xbb67_ae85)
        }
        return c
    }

    /// The draws of one sample at one time, in order: word `i` is word `i % 4` at the counter (i / 4, sample, time).
    public func draws(time: UInt64, sample: UInt64) -> PhiloxDraws {
        PhiloxDraws(stream: self, time: UInt32(truncatingIfNeeded: time), sample: sample)
    }
}

/// Successive draws of one stream at one (time, sample).
public struct PhiloxDraws: RandomNumberGenerator, Sendable {
    let stream: PhiloxStream
    let time: UInt32
    let sample: UInt64
    private var position: UInt32 = 0
    private var block = SIMD4<UInt32>()

    init(stream: PhiloxStream, time: UInt32, sample: UInt64) {
        self.stream = stream
        self.time = time
        self.sample = sample
    }

    /// 32 random bits.
    public mutating func nextWord() -> UInt32 {
        let lane = Int(position % 4)
        if lane == 0 {
            block = stream.words(at: SIMD4(
                position / 4, UInt32(truncatingIfNeeded: sample), UInt32(truncatingIfNeeded: sample >> 32), time))
        }
        position += 1
        return block[lane]
    }

    /// 64 random bits: two words, for Swift's own algorithms.
    public mutating func next() -> UInt64 {
        let low = UInt64(nextWord())
        return low | UInt64(nextWord()) << 32
    }

    /// Uniform in [0, 1), with 24 random bits.
    public mutating func uniform() -> Float { Float(nextWord() >> 8) * 0x1p-24 }

    /// Uniform in [lower, upper).
    public mutating func uniform(_ lower: Float, _ upper: Float) -> Float { lower + (upper - lower) * uniform() }

    /// Uniform over 0 ..< count, without bias: the high word of a 128-bit product, low words that would favour some are drawn again
    /// (Lemire, "Fast Random Integer Generation in an Interval", 2019).
    public mutating func integer(below count: Int) -> Int {
        precondition(count > 0, "integer(below:) needs a positive count")
        let bound = UInt64(count)
        var product = next().multipliedFullWidth(by: bound)
        if product.low < bound {
            let threshold = (0 &- bound) % bound
            while product.low < threshold { product = next().multipliedFullWidth(by: bound) }
        }
        return Int(product.high)
    }

    /// True with the given probability.
    public mutating func bernoulli(_ probability: Float) -> Bool { uniform() < probability }
}
