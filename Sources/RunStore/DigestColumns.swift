import HDF5

/// The datasets under `/digests`: checksums of the weights, a row for each step at which they were taken.
struct DigestColumns {
    static let group = "/digests"
    private let steps: HDF5Column<Int64>
    private let checksums: HDF5Column<UInt64>

    init(in file: borrowing HDF5Writer, tensors: [String]) throws {
        let group = Self.group
        try file.write(tensors, to: "\(group)/tensor")
        steps = try file.makeColumn("\(group)/step", of: Int64.self, rowsPerChunk: 1024)
        // HDF5 has no chunks without elements; a run without names has no rows either.
        let width = max(tensors.count, 1)
        checksums = try file.makeColumn(
            "\(group)/checksum", of: UInt64.self, rowShape: [width], rowsPerChunk: max(1, min(1024, (64 << 10) / (8 * width))))
        let texts = [("tensor", "parameters and buffers"), ("step", "finished steps"), ("checksum", "checksum of each tensor's bits")]
        for (name, title) in texts { try file.setAttribute("long_name", of: "\(group)/\(name)", to: title) }
    }

    func append(_ records: [DigestRecord]) throws {
        for record in records {
            precondition(
                record.checksums.count == checksums.rowShape[0],
                "\(record.checksums.count) checksums recorded, the run has \(checksums.rowShape[0]) tensors")
        }
        try checksums.append(records.flatMap(\.checksums))
        try steps.append(records.map { Int64($0.step) })
    }

    /// The checksums first, so that a step's row stands for them.
    func flush() throws {
        try checksums.flush()
        try steps.flush()
    }

    func close() throws {
        try checksums.close()
        try steps.close()
    }

    /// The names of the tensors; none in a file of format 1.
    static func tensors(in file: HDF5Reader) throws -> [String] {
        file.exists(group) ? try file.readStrings("\(group)/tensor") : []
    }

    /// None in a file of format 1.
    static func read(from file: HDF5Reader) throws -> [DigestRecord] {
        guard file.exists(group) else { return [] }
        let steps = try file.read("\(group)/step", as: Int64.self)
        let shape = try file.shape(of: "\(group)/checksum")
        guard shape.count == 2, shape[0] >= steps.count else {
            throw file.error("\(group)/checksum has the shape \(shape), expected at least \(steps.count) rows")
        }
        let checksums = try file.read("\(group)/checksum", rows: 0..<steps.count, as: UInt64.self)
        return steps.enumerated().map { row, step in
            DigestRecord(step: Int(step), checksums: Array(checksums[row * shape[1]..<(row + 1) * shape[1]]))
        }
    }
}
