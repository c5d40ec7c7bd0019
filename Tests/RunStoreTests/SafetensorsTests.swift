import Configuration
import Foundation
import RunStore
import TestSupport
import Testing

/// Weights in safetensors files: what is read, what is refused and how, and what is written.
struct SafetensorsTests {
    /// A file of a header and as many bytes of data.
    private static func file(_ header: String, dataByteCount: Int, length: UInt64? = nil) -> Data {
        let header = Data(header.utf8)
        let data = Data((0..<dataByteCount).map { UInt8(truncatingIfNeeded: $0 &* 7 &+ 1) })
        return withUnsafeBytes(of: (length ?? UInt64(header.count)).littleEndian) { Data($0) } + header + data
    }

    /// A file with the bytes of its tensors.
    private static func file(_ tensors: [(name: String, type: String, shape: [Int], bytes: [UInt8])]) -> Data {
        var entries: [String] = [], data: [UInt8] = []
        for tensor in tensors {
            entries.append(#""\#(tensor.name)":{"dtype":"\#(tensor.type)","shape":\#(tensor.shape),"data_offsets":[\#(data.count),\#(data.count + tensor.bytes.count)]}"#)
            data += tensor.bytes
        }
        return file("{\(entries.joined(separator: ","))}", dataByteCount: 0) + Data(data)
    }

    private static func littleEndian<Number: FixedWidthInteger>(_ numbers: [Number]) -> [UInt8] {
        numbers.flatMap { number in withUnsafeBytes(of: number.littleEndian) { Array($0) } }
    }

    private func withFile<Result>(_ data: Data, _ body: (String) throws -> Result) throws -> Result {
        try withTemporaryFolder { folder in
            let path = "\(folder)/w.safetensors"
            try data.write(to: URL(filePath: path))
            return try body(path)
        }
    }

    /// All numbers of a file, as they are loaded: checked first.
    private func read(_ path: String) throws -> StoredWeights {
        let file = try WeightsReader(path)
        for entry in file.parameters + file.buffers { try file.checkNumbers(of: entry) }
        return try StoredWeights(file)
    }

    // MARK: Reading

    @Test("Every floating-point type becomes float32; statistics are buffers, counts of batches are apart")
    func types() throws {
        let numbers: [Float] = [0, -0.0, 1, -2.5, 65504, 5.9604645e-8]
        let short: [Float] = [0, -0.0, 1, -2.5, 3.3895314e38, 9.1835e-41]
        let data = Self.file([
            ("half", "F16", [2, 3], Self.littleEndian(numbers.map { Float16($0).bitPattern })),
            ("brain", "BF16", [6], Self.littleEndian(short.map { UInt16($0.bitPattern >> 16) })),
            ("single", "F32", [1, 6], Self.littleEndian(numbers.map(\.bitPattern))),
            ("double", "F64", [6], Self.littleEndian(numbers.map { Double($0).bitPattern })),
            ("bn.running_mean", "F32", [1], Self.littleEndian([Float(3).bitPattern])), ("bn.num_batches_tracked", "I64", [], Self.littleEndian([Int64(7)])),
            ("empty", "F32", [2, 0, 3], []), ("scalar", "F32", [], Self.littleEndian([Float(0.5).bitPattern])),
        ])
        try withFile(data) { path in
            let weights = try read(path), byName = Dictionary(uniqueKeysWithValues: weights.parameters.map { ($0.name, $0) })
            #expect(weights.parameters.map(\.name) == ["half", "brain", "single", "double", "empty", "scalar"])
            for name in ["half", "single", "double"] { #expect(byName[name]?.values.map(\.bitPattern) == numbers.map(\.bitPattern), "\(name)") }
            #expect(byName["brain"]?.values.map(\.bitPattern) == short.map { $0.bitPattern & 0xFFFF_0000 })
            #expect(byName["half"]?.shape == [2, 3] && byName["empty"] == NamedArray(name: "empty", shape: [2, 0, 3], values: []))
            #expect(byName["scalar"] == NamedArray(name: "scalar", shape: [], values: [0.5]))
            #expect(weights.buffers == [NamedArray(name: "bn.running_mean", shape: [1], values: [3])])
            #expect(try WeightsReader(path).counts == ["bn.num_batches_tracked": 7])
        }
    }

    @Test("Tensors may lie in another order than the header's, at odd places, with escaped names and spaces between")
    func otherLayouts() throws {
        let header = #"""
            { "b\u0062\/\ud83d\ude00" : {"shape":[1], "data_offsets":[3,7],"dtype":"F32"},
              "__metadata__":{"format":"pt","note":"\"x\""}, "a":{"dtype":"U8","data_offsets":[0,3],"shape":[3]} }
            """#
        try withFile(Self.file(header + "   ", dataByteCount: 7)) { path in
            let file = try WeightsReader(path)
            #expect(file.parameters.map(\.name) == ["bb/😀", "a"] && file.parameters.map(\.shape) == [[1], [3]])
            var value: Float = 0
            try withUnsafeMutableBytes(of: &value) { try file.read(file.parameters[0], into: $0.bindMemory(to: Float.self)) }
            // The bytes 22, 29, 36, 43.
            #expect(value.bitPattern == 0x2B24_1D16)
            #expect(throws: UserError(.data, "\(path): a holds U8, expected F16, BF16, F32 or F64")) { try file.checkNumbers(of: file.parameters[1]) }
        }
    }

    private static let one = #"{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}"#

    @Test("What is wrong is one sentence with the file", arguments: [
        (file(one + "}", dataByteCount: 7), "is truncated (a ends at byte 8 of the data, which has 7)"),
        (file(one + "}", dataByteCount: 12), "has 4 bytes after its last tensor"),
        (file(one + #","b":{"dtype":"F32","shape":[1],"data_offsets":[4,8]}}"#, dataByteCount: 8), "lets b and a share bytes"),
        (file(one + #","b":{"dtype":"F32","shape":[1],"data_offsets":[12,16]}}"#, dataByteCount: 16), "has a gap of 4 bytes before b"),
        (file(one + #","a":{"dtype":"F32","shape":[1],"data_offsets":[8,12]}}"#, dataByteCount: 12), "names 'a' twice"),
        (file(#"{"a":{"dtype":"F32","shape":[3],"data_offsets":[0,8]}}"#, dataByteCount: 8), "keeps 8 bytes for a, expected 12 for F32 of the shape [3]"),
        (file(#"{"a":{"dtype":"F4","shape":[2],"data_offsets":[0,8]}}"#, dataByteCount: 8), "stores a as 'F4', which is not read here"),
        (file(#"{"a":{"dtype":"F32","shape":[4611686018427387904,8],"data_offsets":[0,8]}}"#, dataByteCount: 8),
            "gives a the shape [4611686018427387904, 8], of more bytes than any file has"),
        (file(#"{"a":{"dtype":"F32","shape":[2],"data_offsets":[8,0]}}"#, dataByteCount: 8),
            "places a at [8, 0], expected its first byte and the byte behind its last"),
        (file(#"{"a":{"dtype":"F32","shape":[-2],"data_offsets":[0,8]}}"#, dataByteCount: 8),
            "has no safetensors header: expected a whole number from 0 at byte 29 of it, found '-2],\"data_of'"),
        (file(#"{"a":{"dtype":"F32","shape":[2]}}"#, dataByteCount: 8), "lacks dtype, shape or data_offsets of a"),
        (file(#"{"a":{"dtype":"F32","shape":[2],"strides":[1]}}"#, dataByteCount: 8),
            "says 'strides' of a, expected dtype, shape and data_offsets, each once"),
        (file("{", dataByteCount: 0), "has no safetensors header: expected a text at byte 1 of it, found its end"),
        (file("{}x", dataByteCount: 0), "has no safetensors header: expected the end at byte 2 of it, found 'x'"),
        (file("", dataByteCount: 0), "has no safetensors header: expected '{' at byte 0 of it, found its end"),
        (file(one + "}", dataByteCount: 8, length: 1 << 62), "declares a header of 4611686018427387904 bytes, expected at most 100,000,000"),
        (file(one + "}", dataByteCount: 8, length: 5000), "is truncated (its header has 5000 bytes, and the file 70)"),
        (Data([1, 2, 3]), "is truncated (it has 3 bytes, and a safetensors file at least 8)"), (Data(), "is truncated (it has 0 bytes, and a safetensors file at least 8)"),
        (file([("a", "F64", [1], littleEndian([Double(1e300).bitPattern]))]), "a holds inf at place 0, expected finite numbers"),
        (file([("a", "F16", [2], [0, 0, 0, 0x7E])]), "a holds nan at place 1, expected finite numbers"),
        (file([("a", "I64", [1], littleEndian([Int64(1)]))]), "a holds I64, expected F16, BF16, F32 or F64"),
    ])
    func refused(data: Data, sentence: String) throws {
        try withFile(data) { path in
            #expect(throws: UserError(.data, "\(path): \(sentence)")) { try read(path) }
        }
    }

    @Test("A sparse file of more numbers than memory holds is looked at piece by piece")
    func largerThanMemory() throws {
        let count = 1 << 40
        try withFile(Self.file(#"{"a":{"dtype":"F32","shape":[\#(count)],"data_offsets":[0,\#(4 * count)]}}"#, dataByteCount: 4)) { path in
            // Not a number near the beginning ends the look at it.
            let handle = try FileHandle(forUpdating: URL(filePath: path)), size = try handle.seekToEnd()
            try handle.truncate(atOffset: size - 4 + UInt64(4 * count))
            try handle.seek(toOffset: size - 4 + 4_000_000)
            try handle.write(contentsOf: Data([0, 0, 0xC0, 0x7F]))
            try handle.close()
            #expect(throws: UserError(.data, "\(path): a holds nan at place 1,000,000, expected finite numbers")) {
                let file = try WeightsReader(path)
                try file.checkNumbers(of: file.parameters[0])
            }
        }
    }

    @Test("No change of bytes makes it crash or read another length: it is read, or refused in one sentence")
    func fuzz() throws {
        let whole = Self.file([
            ("blocks.0.attn.qkv.weight", "F32", [4, 3], [UInt8](repeating: 0x3F, count: 48)), ("head.bias", "F16", [5], [UInt8](repeating: 0x3C, count: 10)),
            ("bn.num_batches_tracked", "I64", [], [UInt8](repeating: 0, count: 8)), ("none", "BF16", [0], []),
        ])
        var state: UInt64 = 13
        func draw(below bound: Int) -> Int {
            state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
            return Int(state >> 33) % bound
        }
        try withTemporaryFolder { folder in
            let path = "\(folder)/w.safetensors"
            var refusals = 0
            for round in 0..<600 {
                var data = whole
                switch round % 4 {
                case 0: data = data.prefix(draw(below: data.count))
                case 1: for _ in 0...draw(below: 3) { data[draw(below: data.count)] = UInt8(draw(below: 256)) }
                case 2:
                    let place = draw(below: data.count)
                    data.replaceSubrange(place..<min(place + draw(below: 9), data.count), with: whole[draw(below: 40)..<60])
                default:
                    // A digit of the header, where the numbers are.
                    let digits = data.indices.filter { $0 > 8 && $0 < data.count - 66 && (0x30...0x39).contains(data[$0]) }
                    data[digits[draw(below: digits.count)]] = UInt8(0x30 + draw(below: 10))
                }
                try Data(data).write(to: URL(filePath: path))
                do {
                    let weights = try read(path)
                    for array in weights.parameters + weights.buffers { #expect(array.values.count == array.shape.reduce(1, *)) }
                } catch let error as UserError {
                    refusals += 1
                    #expect(error.kind == .data && error.message.hasPrefix("\(path): ") && !error.message.contains("\n"), "\(error)")
                }
            }
            #expect(refusals > 300, "most changes are noticed: \(refusals)")
        }
    }

    @Test("Pickles are never opened: two lines of Python are shown", arguments: [
        ("model.pth", [0x50, 0x4B, 0x03, 0x04, 0, 0, 0, 0, 0, 0]), ("model.bin", [0x80, 0x02, 0x8A, 0x0A, 0x6C, 0xFC, 0x9C, 0x46, 0xF9, 0x20]),
    ] as [(String, [UInt8])])
    func pickles(name: String, bytes: [UInt8]) throws {
        try withTemporaryFolder { folder in
            let path = "\(folder)/\(name)"
            try Data(bytes).write(to: URL(filePath: path))
            let expected = """
                \(path): is a pickle of PyTorch's, which is a program rather than data and is not opened here; these two lines of Python convert it:
                import torch, safetensors.torch
                safetensors.torch.save_file({k: v.clone() for k, v in torch.load("\(name)", weights_only=True).items()}, "model.safetensors")
                """
            #expect(throws: UserError(.data, expected)) { try WeightsReader(path) }
            #expect(throws: UserError(.data, expected)) { try StoredFile(path) }
        }
    }

    // MARK: Writing

    private static let written: [(name: String, shape: [Int])] = [("b.weight", [2, 3]), ("a", []), ("Ä\"\\\u{1}", [4]), ("none", [0, 3]), ("b.running_var", [2])]

    /// Writes the arrays above with 0, 1, 2, …, each beginning with its place.
    private func write(to path: String) throws {
        try writeSafetensors(to: path, Self.written, counts: ["b.num_batches_tracked": 12, "a.num_batches_tracked": -1]) { index, target in
            for place in target.indices { target[place] = Float(index) + Float(place) / 8 }
        }
    }

    @Test("What is written reads back; the old file stays until the new one is whole")
    func roundTrip() throws {
        try withTemporaryFolder { folder in
            let path = "\(folder)/w.safetensors"
            try write(to: path)
            let read = try StoredWeights(reading: path), file = try WeightsReader(path)
            #expect((read.parameters + read.buffers).map(\.name) == ["a", "b.weight", "none", "Ä\"\\\u{1}", "b.running_var"])
            #expect(read.parameters[1] == NamedArray(name: "b.weight", shape: [2, 3], values: [0, 0.125, 0.25, 0.375, 0.5, 0.625]))
            #expect(file.counts == ["b.num_batches_tracked": 12, "a.num_batches_tracked": -1])
            let whole = try Data(contentsOf: URL(filePath: path))
            let header = Int(whole[0]) + 256 * Int(whole[1])
            #expect(header % 8 == 0 && whole.count == 8 + header + 16 + 4 * 13)
            #expect(throws: UserError(.data, "no numbers")) {
                try writeSafetensors(to: path, [("a", [1])]) { _, _ in throw UserError(.data, "no numbers") }
            }
            #expect(try Data(contentsOf: URL(filePath: path)) == whole)
            #expect(try FileManager.default.contentsOfDirectory(atPath: folder) == ["w.safetensors"])
            #expect(throws: UserError(.io, "\(folder)/none/w.safetensors: its folder does not exist")) {
                try write(to: "\(folder)/none/w.safetensors")
            }
        }
    }

    @Test("The format's own library writes the same bytes, and reads them", .enabled(if: Python.withTorch != nil, "\(Python.missingTorch)"))
    func sameBytesAsTheLibrary() throws {
        let python = try #require(Python.withTorch)
        try withTemporaryFolder { folder in
            try write(to: "\(folder)/ours.safetensors")
            let (status, output) = Python.run([python, Python.script("read_safetensors.py"), "\(folder)/ours.safetensors", "\(folder)/theirs.safetensors"])
            #expect(status == 0, "\(output)")
            #expect(FileManager.default.contentsEqual(atPath: "\(folder)/ours.safetensors", andPath: "\(folder)/theirs.safetensors"))
        }
    }
}
