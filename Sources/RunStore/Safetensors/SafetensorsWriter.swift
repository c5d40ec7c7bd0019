import Checksums
import Configuration
import Foundation
import HDF5

/// Writes a safetensors file, as the format's own library lays it out: whole numbers first, then float32, each sorted by name, every tensor
/// aligned to the size of its numbers. The file's path holds what it held before until all is written and reads back the same.
///
/// - Parameters:
///   - arrays: the names and shapes of what is stored as float32.
///   - counts: single whole numbers by name, stored as int64.
///   - values: fills memory for one of the arrays with its numbers; called once for each of them.
/// - Throws: `.io` when the file cannot be written, and what `values` throws.
public func writeSafetensors(
    to path: String, _ arrays: [(name: String, shape: [Int])], counts: [String: Int64] = [:],
    values: (_ index: Int, _ target: UnsafeMutableBufferPointer<Float>) throws -> Void
) throws {
    let counts = counts.sorted { precedes($0.key, $1.key) }
    let order = arrays.indices.sorted { precedes(arrays[$0].name, arrays[$1].name) }
    let header = header(counts: counts.map(\.key), arrays: order.map { arrays[$0] })
    let replacement = try FileReplacement(of: path, isForeign: true)
    let digest = SHA256()
    var end = 0
    func append(_ bytes: UnsafeRawBufferPointer) throws {
        try replacement.write(bytes, at: end)
        digest.update(bytes)
        end += bytes.count
    }
    try header.withUnsafeBytes(append)
    for count in counts { try withUnsafeBytes(of: count.value.littleEndian, append) }
    let scratch = UnsafeMutableBufferPointer<Float>.allocate(capacity: arrays.map { $0.shape.reduce(1, *) }.max() ?? 0)
    defer { scratch.deallocate() }
    for index in order {
        let target = UnsafeMutableBufferPointer(rebasing: scratch[..<arrays[index].shape.reduce(1, *)])
        try values(index, target)
        try append(UnsafeRawBufferPointer(target))
    }

    let stored = SHA256()
    try replacement.readBack { piece, _ in stored.update(piece) }
    guard stored.finish() == digest.finish() else { throw replacement.isNotAsWritten }
    try replacement.commit()
}

/// By the bytes of their UTF-8.
private func precedes(_ a: String, _ b: String) -> Bool { a.utf8.lexicographicallyPrecedes(b.utf8) }

/// The header with its length before it, filled up with spaces to a multiple of eight bytes.
private func header(counts: [String], arrays: [(name: String, shape: [Int])]) -> [UInt8] {
    var text = #"{"__metadata__":{"format":"pt"}"#, end = 0
    func add(_ name: String, _ type: SafetensorsType, _ shape: [Int]) {
        let start = end, lengths = shape.map(String.init).joined(separator: ",")
        end += shape.reduce(type.byteCount, *)
        text += #",\#(quoted(name)):{"dtype":"\#(type.rawValue)","shape":[\#(lengths)],"data_offsets":[\#(start),\#(end)]}"#
    }
    for name in counts { add(name, .int64, []) }
    for array in arrays { add(array.name, .float32, array.shape) }
    var bytes = Array((text + "}").utf8)
    bytes += [UInt8](repeating: 0x20, count: (8 - bytes.count % 8) % 8)
    return withUnsafeBytes(of: UInt64(bytes.count).littleEndian, Array.init) + bytes
}

/// A text as JSON has it.
private func quoted(_ text: String) -> String {
    var result = "\""
    for scalar in text.unicodeScalars {
        switch scalar {
        case "\"", "\\": result += "\\\(scalar)"
        case _ where scalar.value < 0x20: result += "\\u00" + (scalar.value < 0x10 ? "0" : "") + String(scalar.value, radix: 16)
        default: result.unicodeScalars.append(scalar)
        }
    }
    return result + "\""
}
