import Configuration

/// How a tensor's numbers are stored in a safetensors file.
enum SafetensorsType: String {
    case bool = "BOOL", uint8 = "U8", int8 = "I8", float8E5M2 = "F8_E5M2", float8E4M3 = "F8_E4M3"
    case int16 = "I16", uint16 = "U16", float16 = "F16", bfloat16 = "BF16"
    case int32 = "I32", uint32 = "U32", float32 = "F32", float64 = "F64", int64 = "I64", uint64 = "U64"

    /// The bytes of one number.
    var byteCount: Int {
        switch self {
        case .bool, .uint8, .int8, .float8E5M2, .float8E4M3: 1
        case .int16, .uint16, .float16, .bfloat16: 2
        case .int32, .uint32, .float32: 4
        case .float64, .int64, .uint64: 8
        }
    }
}

/// A tensor as the header of a safetensors file describes it.
struct SafetensorsTensor: Equatable {
    let name: String
    let type: SafetensorsType
    let shape: [Int]
    /// Its bytes, counted from the end of the header.
    let bytes: Range<Int>

    /// How many numbers it has.
    var count: Int { bytes.count / type.byteCount }
}

/// What is wrong with a header, as the end of a sentence that begins with the file.
struct SafetensorsFault: Error {
    let sentence: String
    init(_ sentence: String) { self.sentence = sentence }
}

/// The header of a safetensors file: which tensors there are, and where.
///
///     {"__metadata__": {"format": "pt"}, "head.bias": {"dtype": "F32", "shape": [10], "data_offsets": [0, 40]}, …}
///
/// The tensors fill the rest of the file without gaps and without sharing bytes, in any order.
struct SafetensorsHeader {
    /// In the order of the header.
    private(set) var tensors: [SafetensorsTensor] = []

    /// Reads and checks a header.
    ///
    /// - Parameter dataByteCount: how many bytes follow it.
    /// - Throws: `SafetensorsFault`.
    init(_ bytes: [UInt8], dataByteCount: Int) throws {
        var reader = SafetensorsHeaderReader(bytes)
        var names: Set<String> = []
        try reader.readMap { reader, name in
            guard names.insert(name).inserted else { throw SafetensorsFault("names '\(name.shortened())' twice") }
            if name == "__metadata__" { try reader.passTexts() } else { tensors.append(try reader.readTensor(named: name)) }
        }
        try reader.finish()
        try checkPlaces(dataByteCount)
    }

    /// Checks that the tensors fill the data one after another.
    private func checkPlaces(_ byteCount: Int) throws {
        var end = 0, last: String?
        for tensor in tensors.sorted(by: { ($0.bytes.lowerBound, $0.bytes.upperBound) < ($1.bytes.lowerBound, $1.bytes.upperBound) }) {
            let name = tensor.name.shortened(), start = tensor.bytes.lowerBound
            guard tensor.bytes.upperBound <= byteCount else {
                throw SafetensorsFault("is truncated (\(name) ends at byte \(tensor.bytes.upperBound) of the data, which has \(byteCount))")
            }
            guard start >= end else { throw SafetensorsFault("lets \(name) and \(last?.shortened() ?? "the header") share bytes") }
            guard start == end else { throw SafetensorsFault("has a gap of \(start - end) bytes before \(name)") }
            (end, last) = (tensor.bytes.upperBound, tensor.name)
        }
        guard end == byteCount else { throw SafetensorsFault("has \(byteCount - end) bytes after its last tensor") }
    }
}

/// Reads the JSON of a header: maps, texts, and lists of whole numbers from 0, nothing else.
private struct SafetensorsHeaderReader {
    private let bytes: [UInt8]
    private var position = 0
    /// More axes than any tensor has.
    private static let mostAxes = 64

    init(_ bytes: [UInt8]) { self.bytes = bytes }

    private func unexpected(_ expected: String) -> SafetensorsFault {
        let found = position < bytes.count ? "'\(String(decoding: bytes[position...].prefix(12), as: UTF8.self))'" : "its end"
        return SafetensorsFault("has no safetensors header: expected \(expected) at byte \(position) of it, found \(found)")
    }

    private mutating func skipSpace() {
        while position < bytes.count, [0x20, 0x09, 0x0A, 0x0D].contains(bytes[position]) { position += 1 }
    }

    private mutating func take(_ character: Unicode.Scalar) -> Bool {
        skipSpace()
        guard position < bytes.count, bytes[position] == UInt8(ascii: character) else { return false }
        position += 1
        return true
    }

    private mutating func require(_ character: Unicode.Scalar) throws {
        guard take(character) else { throw unexpected("'\(character)'") }
    }

    mutating func finish() throws {
        skipSpace()
        guard position == bytes.count else { throw unexpected("the end") }
    }

    /// Reads a map; `value` reads what stands behind each key.
    mutating func readMap(_ value: (inout Self, _ key: String) throws -> Void) throws {
        try require("{")
        if take("}") { return }
        repeat {
            skipSpace()
            let key = try readText()
            try require(":")
            try value(&self, key)
        } while take(",")
        try require("}")
    }

    /// Reads a map of texts, which mean nothing here.
    mutating func passTexts() throws {
        try readMap { reader, _ in _ = try reader.readText() }
    }

    mutating func readTensor(named name: String) throws -> SafetensorsTensor {
        var typeName: String?, shape: [Int]?, offsets: [Int]?
        try readMap { reader, key in
            switch key {
            case "dtype" where typeName == nil: typeName = try reader.readText()
            case "shape" where shape == nil: shape = try reader.readNumbers()
            case "data_offsets" where offsets == nil: offsets = try reader.readNumbers()
            default: throw SafetensorsFault("says '\(key.shortened())' of \(name.shortened()), expected dtype, shape and data_offsets, each once")
            }
        }
        let short = name.shortened()
        guard let typeName, let shape, let offsets else { throw SafetensorsFault("lacks dtype, shape or data_offsets of \(short)") }
        guard let type = SafetensorsType(rawValue: typeName) else {
            throw SafetensorsFault("stores \(short) as '\(typeName.shortened())', which is not read here")
        }
        guard offsets.count == 2, offsets[0] <= offsets[1] else {
            throw SafetensorsFault("places \(short) at \(offsets.prefix(4)), expected its first byte and the byte behind its last")
        }
        var size = type.byteCount
        for length in shape where size > 0 {
            let (product, overflows) = size.multipliedReportingOverflow(by: length)
            guard !overflows else { throw SafetensorsFault("gives \(short) the shape \(shape), of more bytes than any file has") }
            size = product
        }
        guard size == offsets[1] - offsets[0] else {
            throw SafetensorsFault("keeps \(offsets[1] - offsets[0]) bytes for \(short), expected \(size) for \(typeName) of the shape \(shape)")
        }
        return SafetensorsTensor(name: name, type: type, shape: shape, bytes: offsets[0]..<offsets[1])
    }

    private mutating func readNumbers() throws -> [Int] {
        try require("[")
        var numbers: [Int] = []
        if take("]") { return numbers }
        repeat {
            guard numbers.count < Self.mostAxes else { throw unexpected("at most \(Self.mostAxes) numbers") }
            numbers.append(try readNumber())
        } while take(",")
        try require("]")
        return numbers
    }

    private mutating func readNumber() throws -> Int {
        skipSpace()
        let start = position
        while position < bytes.count, (0x30...0x39).contains(bytes[position]) { position += 1 }
        let digits = String(decoding: bytes[start..<position], as: UTF8.self)
        guard let number = Int(digits), digits == "\(number)" else {
            position = start
            throw unexpected("a whole number from 0")
        }
        return number
    }

    // MARK: Texts

    private mutating func readText() throws -> String {
        guard take("\"") else { throw unexpected("a text") }
        var text: [UInt8] = [], start = position
        while position < bytes.count, bytes[position] != UInt8(ascii: "\""), bytes[position] >= 0x20 {
            guard bytes[position] == UInt8(ascii: "\\") else {
                position += 1
                continue
            }
            text += bytes[start..<position]
            text += try readEscape()
            start = position
        }
        guard position < bytes.count, bytes[position] == UInt8(ascii: "\"") else { throw unexpected("the end of a text") }
        text += bytes[start..<position]
        position += 1
        guard let result = String(validating: text, as: UTF8.self) else { throw SafetensorsFault("has a header that is not UTF-8") }
        return result
    }

    /// What a backslash and the characters behind it stand for.
    private mutating func readEscape() throws -> [UInt8] {
        let plain: [UInt8: UInt8] = [0x22: 0x22, 0x5C: 0x5C, 0x2F: 0x2F, 0x62: 0x08, 0x66: 0x0C, 0x6E: 0x0A, 0x72: 0x0D, 0x74: 0x09]
        guard position + 1 < bytes.count else { throw unexpected("an escaped character") }
        if let byte = plain[bytes[position + 1]] {
            position += 2
            return [byte]
        }
        var units = [try readUnit()]
        if (0xD800..<0xDC00).contains(units[0]) { units.append(try readUnit()) }
        guard let text = String(validating: units, as: UTF16.self) else { throw unexpected("an escaped character") }
        return Array(text.utf8)
    }

    /// `\u` and four hexadecimal digits.
    private mutating func readUnit() throws -> UInt16 {
        let digits = bytes[min(position + 2, bytes.count)...].prefix(4)
        guard bytes[position...].starts(with: [0x5C, 0x75]), digits.count == 4, digits.allSatisfy({ Character(Unicode.Scalar($0)).isHexDigit }),
            let unit = UInt16(String(decoding: digits, as: UTF8.self), radix: 16)
        else { throw unexpected("\\u and four hexadecimal digits") }
        position += 6
        return unit
    }
}
