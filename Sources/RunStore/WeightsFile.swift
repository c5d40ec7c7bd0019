import Configuration
import HDF5

/// Numbers under a dotted name, such as `blocks.0.attn.qkv.weight`.
public struct NamedArray: Sendable, Equatable {
    public var name: String
    public var shape: [Int]
    /// In row-major order.
    public var values: [Float]

    public init(name: String, shape: [Int], values: [Float]) {
        self.name = name
        self.shape = shape
        self.values = values
    }
}

/// A single number beside the arrays: a count or a measurement.
public enum WeightsScalar: Sendable, Equatable, ExpressibleByIntegerLiteral, ExpressibleByFloatLiteral {
    case integer(Int)
    case real(Double)

    public init(integerLiteral value: Int) { self = .integer(value) }
    public init(floatLiteral value: Double) { self = .real(value) }
}

/// What `weights/last.h5` and `weights/best.h5` hold: all that training needs to go on.
///
///     /parameters/blocks/0/attn/qkv/weight     nested by the dotted name
///     /buffers/…                               running statistics
///     /optimizer/<slot>/blocks/0/…             such as the first and second moments
///     /optimizer/<scalar>                      such as the number of updates
///     /progress/<scalar>                       epoch, step, best validation accuracy, …
///     /data/{image_shape,mean,…}               what a user of the model needs (`DataDescription`)
public struct WeightsFile: Sendable, Equatable {
    public var parameters: [NamedArray]
    public var buffers: [NamedArray]
    public var optimizer: [String: [NamedArray]]
    public var optimizerScalars: [String: WeightsScalar]
    public var progress: [String: WeightsScalar]
    /// What a user of the weights needs to know of the data; nil in files of format 1 and of others.
    public var data: DataDescription?

    public init(
        parameters: [NamedArray], buffers: [NamedArray] = [], optimizer: [String: [NamedArray]] = [:],
        optimizerScalars: [String: WeightsScalar] = [:], progress: [String: WeightsScalar] = [:],
        data: DataDescription? = nil
    ) {
        self.parameters = parameters
        self.buffers = buffers
        self.optimizer = optimizer
        self.optimizerScalars = optimizerScalars
        self.progress = progress
        self.data = data
    }

    /// Writes the file so that its path holds the old one or the new one, whole, at any moment.
    ///
    /// The bytes depend on the values and on the order of the arrays only.
    ///
    /// - Parameter isSealed: whether the file begins with a digest of what follows (`Seal`).
    public func write(to path: String, isSealed: Bool = false) throws {
        try replaceFile(at: path) { temporary in
            let file = try HDF5Writer(temporary, for: path, userBlockByteCount: isSealed ? Seal.byteCount : 0)
            try file.setAttribute("format_version", of: "/", to: Int64(weightsFormatVersion))
            try Self.write(parameters, under: "/parameters", file)
            try Self.write(buffers, under: "/buffers", file)
            try file.makeGroup("/optimizer")
            for (slot, arrays) in optimizer.sorted(by: { $0.key < $1.key }) {
                precondition(optimizerScalars[slot] == nil, "the optimizer's \(slot) is both a slot and a scalar")
                try Self.write(arrays, under: "/optimizer/\(slot)", file)
            }
            try Self.write(optimizerScalars, under: "/optimizer", file)
            try Self.write(progress, under: "/progress", file)
            try data?.write(to: file)
            try file.close()
            if isSealed { try Seal.close(temporary, naming: path) }
        }
    }

    private static func write(_ arrays: [NamedArray], under group: String, _ file: borrowing HDF5Writer) throws {
        try file.makeGroup(group)
        for array in arrays {
            precondition(!array.name.contains("/"), "\(array.name): a parameter's name has dots and no slashes")
            // Up to a mebibyte a chunk, in whole rows.
            let rowBytes = array.shape.dropFirst().reduce(MemoryLayout<Float>.size, *)
            let rows = max(1, (1 << 20) / max(rowBytes, 1))
            let path = "\(group)/\(array.name.split(separator: ".").joined(separator: "/"))"
            try file.write(array.values, to: path, shape: array.shape, rowsPerChunk: rows)
        }
    }

    private static func write(_ scalars: [String: WeightsScalar], under group: String, _ file: borrowing HDF5Writer) throws {
        try file.makeGroup(group)
        for (name, scalar) in scalars.sorted(by: { $0.key < $1.key }) {
            switch scalar {
            case .integer(let value): try file.write(Int64(value), to: "\(group)/\(name)")
            case .real(let value): try file.write(value, to: "\(group)/\(name)")
            }
        }
    }
}

/// The format that this program writes; a reader refuses a newer one.
let weightsFormatVersion = 2
