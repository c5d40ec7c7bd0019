import CZlib
import Configuration
import Foundation

/// Arrays in NumPy's form: a `.npz` file, which is a ZIP archive of `.npy` files, stored or deflated (PKWARE's APPNOTE 6.3, NumPy's NEP 1), or a folder of
/// `.npy` files.
struct NumPyFile {
    let path: String
    private let bytes: [UInt8]
    private let members: [String: Member]
    /// Of a folder.
    private let files: Set<String>

    private struct Member {
        let method: Int
        let start: Int
        let stored: Int
        let count: Int
        let checksum: UInt32
    }

    /// An array's type, shape and elements.
    struct Array {
        /// `u1`, `i4`, `f8`, …
        let type: String
        let shape: [Int]
        let isFortranOrdered: Bool
        /// Little-endian.
        let elements: ArraySlice<UInt8>
    }

    /// Names of arrays.
    var names: [String] { members.keys.sorted() + files.sorted() }

    /// Reads a file's list of arrays.
    ///
    /// - Throws: `.data` with the path when it is no such file, or damaged.
    init(_ path: String) throws {
        var status = stat()
        if stat(path, &status) == 0, status.st_mode & S_IFMT == S_IFDIR {
            let files = try ImageFolder.Listing(path).files.filter { $0.hasSuffix(".npy") }
            (self.path, bytes, members, self.files) = (path, [], [:], Set(files.map { String($0.dropLast(4)) }))
            return
        }
        let bytes = try ImageFiles.bytes(of: path)
        (self.path, self.bytes, files) = (path, bytes, [])
        func number(_ place: Int, _ length: Int) -> Int {
            place >= 0 && place + length <= bytes.count ? (0..<length).reduce(0) { $0 | Int(bytes[place + $1]) << (8 * $1) } : 0
        }
        var members: [String: Member] = [:]
        func fail(_ sentence: String) -> UserError { UserError(.data, "\(path): \(sentence)") }
        guard bytes.starts(with: [0x50, 0x4B]) else { throw fail("is no .npz file: it does not begin as a ZIP archive") }
        // The end record has a comment of at most 65,535 bytes behind it.
        guard let end = stride(from: bytes.count - 22, through: max(0, bytes.count - 22 - 65_535), by: -1).first(where: { number($0, 4) == 0x0605_4B50 }) else {
            throw fail("is cut off: a ZIP archive without its list of files")
        }
        let count = number(end + 10, 2)
        var place = number(end + 16, 4)
        for _ in 0..<count {
            guard place + 46 <= bytes.count, number(place, 4) == 0x0201_4B50 else { throw fail("is damaged: its list of files ends early") }
            let nameCount = number(place + 28, 2), stored = number(place + 20, 4), size = number(place + 24, 4), header = number(place + 42, 4)
            guard place + 46 + nameCount <= bytes.count, header + 30 <= bytes.count, number(header, 4) == 0x0403_4B50 else {
                throw fail("is damaged: its list of files points outside it")
            }
            guard stored != 0xFFFF_FFFF, size != 0xFFFF_FFFF else { throw fail("holds an array of 4 GB or more, which is not read") }
            let start = header + 30 + number(header + 26, 2) + number(header + 28, 2)
            guard nameCount == number(header + 26, 2), start <= bytes.count,
                bytes[header + 30..<header + 30 + nameCount].elementsEqual(bytes[place + 46..<place + 46 + nameCount])
            else { throw fail("is damaged: an array has two names") }
            guard start + stored <= bytes.count else { throw fail("is cut off: an array ends behind the file") }
            let name = String(decoding: bytes[place + 46..<place + 46 + nameCount], as: UTF8.self)
            let key = name.hasSuffix(".npy") ? String(name.dropLast(4)) : name
            guard members.updateValue(
                Member(method: number(place + 10, 2), start: start, stored: stored, count: size, checksum: UInt32(number(place + 16, 4))), forKey: key) == nil
            else { throw fail("holds two arrays of the name '\(key.shortened())'") }
            place += 46 + nameCount + number(place + 30, 2) + number(place + 32, 2)
        }
        self.members = members
    }

    /// Reads an array; nil where there is none of the name.
    func array(_ name: String) throws -> Array? {
        let content: ArraySlice<UInt8>
        if let member = members[name] {
            content = try self.content(of: member, name)
        } else if files.contains(name) {
            content = try ImageFiles.bytes(of: ImageFiles.join(path, "\(name).npy"))[...]
        } else { return nil }
        func fail(_ sentence: String) -> UserError { UserError(.data, "\(path): \(name.shortened()): \(sentence)") }
        guard content.count >= 10, content.starts(with: [0x93] + Swift.Array("NUMPY".utf8)), (1...3).contains(content[6]) else {
            throw fail("is no array in NumPy's form")
        }
        let lengthBytes = content[6] == 1 ? 2 : 4, start = 8 + lengthBytes
        let length = (0..<lengthBytes).reduce(0) { $0 | Int(content[8 + $1]) << (8 * $1) }
        guard start + length <= content.count else { throw fail("is damaged: its header ends behind it") }
        let header = String(decoding: content[start..<start + length], as: UTF8.self)
        func value(_ key: String, _ pattern: String) -> String? {
            header.range(of: "'\(key)': *\(pattern)", options: .regularExpression).map { range in
                header[range].drop { $0 != ":" }.dropFirst().trimmingCharacters(in: .whitespaces)
            }
        }
        guard let descr = value("descr", "'[^']*'")?.trimmingCharacters(in: ["'"]), let order = value("fortran_order", "(True|False)"),
            let shapeText = value("shape", "\\([^)]*\\)")
        else { throw fail("has a header that does not say type, order and shape of plain numbers") }
        guard !descr.hasPrefix(">"), let size = descr.last.flatMap({ Int(String($0)) }), ["u", "i", "f", "b"].contains(String(descr.dropFirst().prefix(1))), descr.count == 3 else {
            throw fail("holds elements of type '\(descr.shortened())', expected little-endian integers or floats")
        }
        let shape = shapeText.dropFirst().dropLast().split(separator: ",").map { Int($0.trimmingCharacters(in: .whitespaces)) ?? -1 }
        let elementCount = shape.reduce(1) { $0.multipliedReportingOverflow(by: $1).overflow ? -1 : $0 * $1 }
        guard shape.allSatisfy({ $0 >= 0 }), elementCount >= 0, content.count - start - length == elementCount * size else {
            throw fail("has \(grouped(content.count - start - length)) bytes of elements, expected as many as its shape \(shapeText) of \(descr) needs")
        }
        return Array(type: String(descr.dropFirst()), shape: shape, isFortranOrdered: order == "True", elements: content[(content.startIndex + start + length)...])
    }

    private func content(of member: Member, _ name: String) throws -> ArraySlice<UInt8> {
        func fail(_ sentence: String) -> UserError { UserError(.data, "\(path): \(name.shortened()): \(sentence)") }
        let stored = bytes[member.start..<member.start + member.stored]
        let content: ArraySlice<UInt8>
        switch member.method {
        case 0:
            guard member.stored == member.count else { throw fail("is damaged: its two lengths differ") }
            content = ArraySlice(Swift.Array(stored))
        case 8:
            // Deflate makes at most 1,032 bytes of one.
            guard member.count <= member.stored * 1032 + 64 else { throw fail("declares \(grouped(member.count)) bytes, more than its \(grouped(member.stored)) can hold") }
            try requireMemory(forImages: 1, byteCount: Double(member.count), at: "\(path): \(name.shortened())")
            let inflated = Swift.Array<UInt8>(unsafeUninitializedCapacity: member.count) { target, initialized in
                stored.withUnsafeBufferPointer { source in
                    var stream = z_stream()
                    guard inflateInit2_(&stream, -15, ZLIB_VERSION, Int32(MemoryLayout<z_stream>.size)) == Z_OK else { return }
                    defer { inflateEnd(&stream) }
                    stream.next_in = UnsafeMutablePointer(mutating: source.baseAddress)
                    stream.avail_in = uInt(source.count)
                    stream.next_out = target.baseAddress
                    stream.avail_out = uInt(member.count)
                    if inflate(&stream, Z_FINISH) == Z_STREAM_END { initialized = Int(stream.total_out) }
                }
            }
            guard inflated.count == member.count else { throw fail("is damaged: it cannot be inflated") }
            content = inflated[...]
        default: throw fail("is compressed by method \(member.method), expected stored or deflated")
        }
        let checksum = content.withUnsafeBufferPointer { crc32(0, $0.baseAddress, uInt($0.count)) }
        guard UInt32(truncatingIfNeeded: checksum) == member.checksum else { throw fail("is damaged: its checksum is not the one in the list of files") }
        return content
    }
}
