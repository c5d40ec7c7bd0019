import HDF5

/// The datasets under `/metrics/layers`, in runs that measure their layers: a row for each moment, a column for each layer.
struct LayerColumns {
    static let group = "/metrics/layers"
    private static let names = "\(group)/layer", epoch = "\(group)/epoch"
    private static var values: [(name: String, title: String, field: WritableKeyPath<LayerRecord, [Double]>)] {
        [
            ("activation_mean", "mean of the layer's output", \.activationMean),
            ("activation_variance", "variance of the layer's output", \.activationVariance),
            ("gradient_variance", "variance of the loss's gradient with respect to the layer's output", \.gradientVariance),
        ]
    }
    private static var predictions: [(name: String, title: String, field: WritableKeyPath<LayerDescription, [Double]?>)] {
        [
            ("predicted_activation_variance", "activation_variance at the start, by mean-field theory", \.predictedActivationVariance),
            ("predicted_gradient_variance", "gradient_variance at the start, by mean-field theory", \.predictedGradientVariance),
        ]
    }

    private let epochs: HDF5Column<Int64>
    private let columns: [HDF5Column<Double>]

    init(in file: borrowing HDF5Writer, _ layers: LayerDescription) throws {
        let width = layers.names.count
        precondition(width > 0, "layers that are measured have names")
        try file.write(layers.names, to: Self.names)
        for (name, title, field) in Self.predictions {
            guard let values = layers[keyPath: field] else { continue }
            precondition(values.count == width, "\(values.count) predictions for \(width) layers")
            try file.write(values.map(oneNaN), to: "\(Self.group)/\(name)", rowsPerChunk: width)
            try Self.describe(name, title, "1", in: file)
        }
        epochs = try file.makeColumn(Self.epoch, of: Int64.self, rowsPerChunk: 1024)
        let rowsPerChunk = max(1, min(1024, (64 << 10) / (8 * width)))
        columns = try Self.values.map { name, _, _ in
            try file.makeColumn("\(Self.group)/\(name)", of: Double.self, rowShape: [width], rowsPerChunk: rowsPerChunk)
        }
        try file.setAttribute("long_name", of: Self.names, to: "layers with weights")
        try Self.describe("epoch", "finished epochs", "epoch", in: file)
        for (name, title, _) in Self.values { try Self.describe(name, title, "1", in: file) }
        try file.setAttribute("NX_class", of: Self.group, to: "NXdata")
        try file.write("variance of each layer's output, at the start and after each epoch", to: "\(Self.group)/title")
        try file.setAttribute("signal", of: Self.group, to: "activation_variance")
        try file.setAttribute("axes", of: Self.group, to: ["epoch", "."])
    }

    private static func describe(_ name: String, _ title: String, _ units: String, in file: borrowing HDF5Writer) throws {
        try file.setAttribute("units", of: "\(group)/\(name)", to: units)
        try file.setAttribute("long_name", of: "\(group)/\(name)", to: title)
    }

    func append(_ records: [LayerRecord]) throws {
        for (column, (_, _, field)) in zip(columns, Self.values) {
            for record in records {
                let count = record[keyPath: field].count
                precondition(count == column.rowShape[0], "\(count) layers measured, the run has \(column.rowShape[0])")
            }
            try column.append(records.flatMap { $0[keyPath: field] }.map(oneNaN))
        }
        try epochs.append(records.map { Int64($0.epoch) })
    }

    /// The epochs last, so that an epoch's row stands for all others.
    func flush() throws {
        for column in columns { try column.flush() }
        try epochs.flush()
    }

    func close() throws {
        for column in columns { try column.close() }
        try epochs.close()
    }

    /// nil in a run that does not measure its layers.
    static func description(in file: HDF5Reader) throws -> LayerDescription? {
        guard file.exists(group) else { return nil }
        var layers = LayerDescription(names: try file.readStrings(names))
        for (name, _, field) in predictions where file.exists("\(group)/\(name)") {
            let values = try file.read("\(group)/\(name)", as: Double.self)
            guard values.count == layers.names.count else {
                throw file.error("\(group)/\(name) has \(values.count) numbers for \(layers.names.count) layers")
            }
            layers[keyPath: field] = values
        }
        return layers
    }

    static func read(from file: HDF5Reader) throws -> [LayerRecord] {
        guard file.exists(group) else { return [] }
        let epochs = try file.read(epoch, as: Int64.self), width = try file.shape(of: names).first ?? 0
        var records = epochs.map { LayerRecord(epoch: Int($0), activationMean: [], activationVariance: [], gradientVariance: []) }
        for (name, _, field) in values {
            let path = "\(group)/\(name)", shape = try file.shape(of: path)
            guard shape.count == 2, shape[0] >= epochs.count, shape[1] == width else {
                throw file.error("\(path) has the shape \(shape), expected at least \(epochs.count) rows of \(width)")
            }
            let numbers = try file.read(path, rows: 0..<epochs.count, as: Double.self)
            for row in records.indices { records[row][keyPath: field] = Array(numbers[row * width..<(row + 1) * width]) }
        }
        return records
    }
}

/// The sign and payload of a NaN depend on the processor; its being one is the content.
private func oneNaN(_ value: Double) -> Double { value.isNaN ? .nan : value }
