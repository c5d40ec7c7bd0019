import Configuration
import Foundation
import Models
import RunStore
import TensorCore

/// Weights on their way from one file to another, between HDF5 and safetensors and between conventions of names.
///
/// Everything is checked before anything is written: that the names are known, that they are those of the model if one is given, and that
/// all numbers are finite.
public struct WeightConversion {
    /// The network that the weights are for.
    public struct Network {
        let name: String
        let definition: ModelDefinition
        let input: ImageShape
        let classes: Int
        let resamplesPositions: Bool

        /// A network for images of a size.
        ///
        /// - Parameters:
        ///   - name: as messages call it.
        ///   - resamplesPositions: whether position embeddings for another size are resampled; otherwise they do not fit.
        public init(_ name: String, _ definition: ModelDefinition, input: ImageShape, classes: Int, resamplesPositions: Bool) {
            (self.name, self.definition, self.input, self.classes) = (name, definition, input, classes)
            self.resamplesPositions = resamplesPositions
        }
    }

    /// An array of the new file.
    private struct Item {
        let stored: WeightsReader.Entry
        let isBuffer: Bool
        var name: String
        var shape: [Int]
        var pair: WeightMatching.Pair
    }

    private let source: WeightsReader
    private let target: String
    private let isSafetensors: Bool
    private let items: [Item]
    /// What was written or will be, in a line.
    public let summary: String

    /// Reads and checks what is to be converted.
    ///
    /// - Parameters:
    ///   - names: the convention of names in the new file; nil: the names stay.
    ///   - network: whose weights they have to be; nil: those of any.
    /// - Throws: `.usage` when the new file's name or the convention is unknown, `.data` when the weights are damaged or do not fit, with every
    ///   tensor that does not, `.internal` when they do not fit into the memory.
    public init(from path: String, to target: String, names: WeightNames?, network: Network? = nil) throws {
        guard let isSafetensors = Self.isSafetensors(target) else {
            throw UserError(.usage, "\(target): expected a name that ends in .h5 or .safetensors")
        }
        source = try WeightsReader(path)
        (self.target, self.isSafetensors) = (target, isSafetensors)
        var items = try Self.items(of: source, network)
        if let names { try Self.translate(&items, to: names, network, path: path) }
        try Self.check(items, isSafetensors: isSafetensors, path: path)
        try Self.requireMemory(for: items, isSafetensors: isSafetensors, path: path)
        for item in items { try source.checkNumbers(of: item.stored) }
        self.items = items
        let numbers = items.reduce(0) { $0 + $1.shape.reduce(1, *) }
        summary = "\(target): \(grouped(items.count)) tensors of \(grouped(numbers)) numbers from \(path)"
            + (names.map { ", with the names of \($0)" } ?? "")
            + (items.contains { $0.pair.grids != nil } ? ", position embeddings resampled" : "")
    }

    /// Writes the new file, which takes its name when it is whole.
    ///
    /// - Throws: `.io` when it cannot be written.
    public func write() throws {
        if isSafetensors { try writeSafetensors() } else { try writeHDF5() }
    }

    private static func isSafetensors(_ path: String) -> Bool? {
        switch (path as NSString).pathExtension.lowercased() {
        case "safetensors": true
        case "h5", "hdf5": false
        default: nil
        }
    }

    // MARK: Checks

    /// The arrays of the file; for a network under its names and in its order.
    private static func items(of source: WeightsReader, _ network: Network?) throws -> [Item] {
        let stored = source.parameters + source.buffers
        guard let network else {
            return stored.enumerated().map { index, entry in
                Item(
                    stored: entry, isBuffer: index >= source.parameters.count, name: entry.name, shape: entry.shape,
                    pair: WeightMatching.Pair(target: index, source: index))
            }
        }
        let declared = try network.definition.declarations(of: network.name, input: network.input, classes: network.classes)
        var targets = (declared.parameters + declared.buffers).shapes
        if !network.resamplesPositions { for index in targets.indices { targets[index].grid = nil } }
        let matching = WeightMatching(targets, from: stored.shapes, of: "model")
        try matching.require(of: source.path, fitting: "\(network.name) with \(grouped(network.classes)) classes for images of \(network.input)")
        return matching.pairs.map { pair in
            Item(
                stored: stored[pair.source], isBuffer: pair.target >= declared.parameters.count, name: targets[pair.target].name,
                shape: targets[pair.target].shape, pair: pair)
        }
    }

    private static func translate(_ items: inout [Item], to names: WeightNames, _ network: Network?, path: String) throws {
        if let definition = network?.definition, !definition.knownWeightNames.contains(names) {
            let own = definition.weightNames.map(\.rawValue).joined(separator: " and ")
            throw UserError(
                .usage, "--names: \(names) has no names for \(definition.family) that are known here; its own are \(own.isEmpty ? "nobody else's" : "those of \(own)")")
        }
        if let definition = network?.definition, definition.weightNames.contains(names) { return }
        let own = items.map { VisionTransformerNames.timm(of: $0.name) ?? $0.name }
        guard network != nil || own.contains("blocks.0.attn.qkv.weight") else {
            throw UserError(.usage, "--names: \(path) holds no vision transformer, whose names alone are translated; --model says whose weights these are")
        }
        let translated: [String?] = names == .timm ? HybridNames.timm(of: own) : own.map(VisionTransformerNames.torchvision)
        var unknown: [String] = []
        for (index, name) in translated.enumerated() {
            if let name { items[index].name = name } else { unknown.append(items[index].name) }
        }
        guard unknown.isEmpty else {
            throw UserError(.data, "\(path): has tensors without a name in the convention of \(names): \(unknown.joined(separator: ", "))")
        }
    }

    /// Checks that a file can hold such names: HDF5 keeps the parts between the dots as groups.
    private static func check(_ items: [Item], isSafetensors: Bool, path: String) throws {
        var seen: Set<String> = [], groups: Set<String> = []
        for item in items {
            guard seen.insert(item.name).inserted else { throw UserError(.data, "\(path): has two tensors of the name \(item.name.shortened())") }
            guard !isSafetensors else { continue }
            let parts = item.name.split(separator: ".", omittingEmptySubsequences: false)
            guard parts.allSatisfy({ !$0.isEmpty && !$0.contains("/") && !$0.contains("\0") }), parts.count < 64 else {
                throw UserError(.data, "\(path): the name '\(item.name.shortened())' cannot be one in HDF5: expected parts without / between single dots")
            }
            for count in 1..<parts.count { groups.insert(parts[..<count].joined(separator: ".")) }
        }
        if let both = seen.intersection(groups).min() {
            throw UserError(.data, "\(path): \(both.shortened()) is a tensor and the beginning of other tensors' names, which HDF5 cannot hold")
        }
    }

    /// An HDF5 file is made of all arrays together, safetensors of one after another.
    private static func requireMemory(for items: [Item], isSafetensors: Bool, path: String) throws {
        let sizes = items.map { 4 * $0.shape.map(Double.init).reduce(1, *) }
        let size = isSafetensors ? sizes.max() ?? 0 : sizes.reduce(0, +)
        if let shortage = MemoryDemand(total: size).shortage { throw UserError(.internal, "\(path): its weights need \(shortage)") }
    }

    // MARK: Writing

    private func writeSafetensors() throws {
        let statistics = ".running_var"
        let norms = items.filter { $0.name.hasSuffix(statistics) }.map { String($0.name.dropLast(statistics.count)) }
        let counts = norms.map { ("\($0).\(batchCountName)", source.counts["\($0).\(batchCountName)"] ?? 0) }
        try RunStore.writeSafetensors(
            to: target, items.map { ($0.name, $0.shape) }, counts: Dictionary(counts, uniquingKeysWith: { first, _ in first })
        ) { index, values in
            try Interrupt.check()
            try source.read(items[index].stored, for: items[index].pair, into: values)
        }
    }

    /// The arrays have to be in memory together, for the file is compared with them before it is sealed.
    private func writeHDF5() throws {
        let count = items.reduce(0) { $0 + $1.shape.reduce(1, *) }
        let memory = UnsafeMutableBufferPointer<Float>.allocate(capacity: count)
        defer { memory.deallocate() }
        var end = 0
        let views = try items.map { item in
            let values = UnsafeMutableBufferPointer(rebasing: memory[end..<end + item.shape.reduce(1, *)])
            end += values.count
            try Interrupt.check()
            try source.read(item.stored, for: item.pair, into: values)
            return (item.isBuffer, ArrayView(name: item.name, shape: item.shape, values: values))
        }
        let writer = try WeightsWriter(target, isForeign: true)
        try writer.write(views.filter { !$0.0 }.map(\.1), under: "/parameters")
        try writer.write(views.filter(\.0).map(\.1), under: "/buffers")
        try writer.finish(WeightsNotes(data: source.notes.data))
    }
}

extension ModelDefinition {
    /// The parameters and buffers of a model that has to fit images of this size.
    ///
    /// - Throws: `.usage` when it does not.
    func declarations(of name: String, input: ImageShape, classes: Int) throws -> (parameters: [Parameter], buffers: [Parameter]) {
        do { _ = try ModelSummary(self, input: input, classes: classes) } catch {
            throw UserError(.usage, "\(name) does not fit images of \(input): \(error)")
        }
        return declarations(input: input, classes: classes)
    }
}
