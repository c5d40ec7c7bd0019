import Checksums
import Testing

@Suite struct SHA256Tests {
    /// The examples of FIPS 180-4.
    @Test(arguments: [
        ("", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"),
        ("abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"),
        (
            "abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
            "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1"
        ),
    ])
    func knownValues(text: String, digest: String) {
        let whole = SHA256()
        whole.update(text)
        #expect(whole.finish() == digest)
        let pieces = SHA256()
        for character in text { pieces.update(String(character)) }
        #expect(pieces.finish() == digest)
    }
}

@Suite struct TensorChecksumTests {
    /// Lengths around a group of four words and around a block.
    @Test(arguments: [1, 7, 8, 9, 63, TensorChecksum.blockLength, TensorChecksum.blockLength + 5])
    func everyBitCounts(length: Int) {
        let values = (0..<length).map { Float($0) }
        let checksum = whole(values)
        var seen: Set = [checksum]
        let places = length < 100 ? Array(0..<length) : [0, length / 2, length - 2, length - 1]
        for place in places {
            for bit in 0..<32 {
                var changed = values
                changed[place] = Float(bitPattern: changed[place].bitPattern ^ (1 << UInt32(bit)))
                seen.insert(whole(changed))
            }
        }
        #expect(seen.count == 1 + 32 * places.count)
        #expect(whole(values) == checksum)
    }

    @Test func orderLengthAndPairsOfSignsCount() {
        let values = (1...64).map { Float($0) }
        let checksum = whole(values)
        #expect(whole(values.reversed()) != checksum)
        #expect(whole(values + [0]) != checksum)
        #expect(whole([]) != whole([0]))
        // The highest bits of two words of one chain.
        for (first, second) in [(1, 9), (1, 33), (0, 8), (3, 5)] {
            var changed = values
            changed[first].negate()
            changed[second].negate()
            #expect(whole(changed) != checksum)
        }
        #expect(whole([0]) != whole([-0.0]))
    }
}

private func whole(_ values: [Float]) -> UInt64 { values.withUnsafeBufferPointer { TensorChecksum.whole($0) } }
