import Foundation
import RunStore

/// Numbers under a dotted name.
public struct NamedArray: Equatable, Sendable {
    public var name: String
    public var shape: [Int]
    public var values: [Float]

    public init(name: String, shape: [Int], values: [Float]) {
        self.name = name
        self.shape = shape
        self.values = values
    }
}

/// All that a weights file holds, as a value.
public struct StoredWeights: Equatable, Sendable {
    public var parameters, buffers: [NamedArray]
    public var optimizer: [String: [NamedArray]]
    public var notes: WeightsNotes

    public init(
        parameters: [NamedArray], buffers: [NamedArray] = [], optimizer: [String: [NamedArray]] = [:], notes: WeightsNotes = WeightsNotes()
    ) {
        self.parameters = parameters
        self.buffers = buffers
        self.optimizer = optimizer
        self.notes = notes
    }

    public init(reading path: String) throws { try self.init(WeightsReader(path)) }

    public init(_ file: WeightsReader) throws {
        func read(_ entries: [WeightsReader.Entry]) throws -> [NamedArray] {
            try entries.map { entry in
                var values = [Float](repeating: .nan, count: entry.count)
                try values.withUnsafeMutableBufferPointer { try file.read(entry, into: $0) }
                return NamedArray(name: entry.name, shape: entry.shape, values: values)
            }
        }
        self.init(
            parameters: try read(file.parameters), buffers: try read(file.buffers),
            optimizer: Dictionary(uniqueKeysWithValues: try file.optimizer.map { ($0.slot, try read($0.arrays)) }), notes: file.notes)
    }

    public func write(to path: String) throws { try write(with: WeightsWriter(path)) }

    /// Writes them with a new writer, and finishes it.
    public func write(with writer: WeightsWriter) throws {
        let groups = [("/parameters", parameters), ("/buffers", buffers)]
            + optimizer.sorted { $0.key < $1.key }.map { ("/optimizer/\($0.key)", $0.value) }
        // The memory has to stay until the file was compared with it.
        var kept: [UnsafeMutableBufferPointer<Float>] = []
        defer { kept.forEach { $0.deallocate() } }
        for (group, arrays) in groups {
            try writer.write(arrays.map { array in
                let values = UnsafeMutableBufferPointer<Float>.allocate(capacity: array.values.count)
                _ = values.initialize(from: array.values)
                kept.append(values)
                return ArrayView(name: array.name, shape: array.shape, values: values)
            }, under: group)
        }
        try writer.finish(notes)
    }
}
