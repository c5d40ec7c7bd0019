import Configuration
import Foundation

/// A file in the IDX format of the MNIST database (LeCun, Cortes, Burges 1998), plain or gzipped: a magic number of two zero bytes, the
/// element type (0x08: unsigned byte) and the number of dimensions, the sizes as big-endian 32-bit integers, then the elements, the last
/// dimension changing fastest.
struct IDXFile {
    let stream: ByteStream
    let dimensions: [Int]
    private let elementCount: Int

    /// Opens the file and reads its header, which must declare unsigned bytes in `rank` dimensions, none of them empty.
    init(path: String, rank: Int) throws {
        stream = try ByteStream(path: path)
        let headerByteCount = 4 + 4 * rank
        let header = try stream.read(count: headerByteCount, expecting: "a header of \(headerByteCount) bytes")
        let words = stride(from: 0, to: headerByteCount, by: 4).map { offset in
            header[offset..<offset + 4].reduce(UInt32(0)) { $0 << 8 | UInt32($1) }
        }
        let magic = 0x0800 | UInt32(rank)
        guard words[0] == magic else {
            throw UserError(.data, """
                \(path): the magic number is 0x\(hexadecimal(words[0])), expected 0x\(hexadecimal(magic)) \
                (IDX, unsigned bytes, \(rank == 1 ? "1 dimension" : "\(rank) dimensions"))
                """)
        }
        dimensions = words[1...].map(Int.init)
        let sizes = dimensions.map(String.init).joined(separator: " × ")
        guard !dimensions.contains(0) else {
            throw UserError(.data, "\(path): the header declares \(sizes) elements, expected at least one")
        }
        var count = 1
        for dimension in dimensions {
            let (product, overflow) = count.multipliedReportingOverflow(by: dimension)
            count = overflow ? Int.max : product
        }
        guard count < Int.max, stream.couldHold(count) else {
            throw UserError(.data, """
                \(path): truncated: the header declares \(sizes) elements, more than the file of \(stream.storedByteCount) bytes can hold
                """)
        }
        elementCount = count
    }

    /// Reads all elements into `buffer`, which must have exactly their size, and checks that the file ends there.
    func readElements(into buffer: UnsafeMutableRawBufferPointer) throws {
        precondition(buffer.count == elementCount, "the buffer has \(buffer.count) bytes for \(elementCount) elements")
        let expecting = "\(elementCount + 4 + 4 * dimensions.count) as its header declares"
        try stream.read(into: buffer, expecting: expecting)
        try stream.finish(expecting: expecting)
    }

    func readElements() throws -> [UInt8] {
        try [UInt8](unsafeUninitializedCapacity: elementCount) { buffer, initialized in
            try readElements(into: UnsafeMutableRawBufferPointer(UnsafeMutableBufferPointer(rebasing: buffer[..<elementCount])))
            initialized = elementCount
        }
    }
}

private func hexadecimal(_ word: UInt32) -> String {
    let digits = String(word, radix: 16)
    return String(repeating: "0", count: 8 - digits.count) + digits
}
