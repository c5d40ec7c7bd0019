import Configuration
import HDF5

extension WeightsFile {
    /// Reads a whole file.
    ///
    /// `/parameters` has to be there; any of the other groups may be missing, as in files of published weights.
    public init(reading path: String) throws {
        let file = try Self.open(path)
        var optimizer: [String: [NamedArray]] = [:]
        var scalars: [String: WeightsScalar] = [:]
        for name in file.exists("/optimizer") ? try file.children(of: "/optimizer") : [] {
            if try file.kind(of: "/optimizer/\(name)") == .dataset {
                scalars[name] = try Self.scalar("/optimizer/\(name)", file)
            } else {
                optimizer[name] = try Self.arrays(under: "/optimizer/\(name)", file)
            }
        }
        var progress: [String: WeightsScalar] = [:]
        for name in file.exists("/progress") ? try file.children(of: "/progress") : [] {
            progress[name] = try Self.scalar("/progress/\(name)", file)
        }
        self.init(
            parameters: try Self.arrays(under: "/parameters", file), buffers: try Self.arrays(under: "/buffers", file),
            optimizer: optimizer, optimizerScalars: scalars, progress: progress,
            data: try DataDescription(from: file))
    }

    /// The dotted names and shapes of what a file holds under `/parameters` or `/buffers`, without reading the numbers.
    public static func shapes(in path: String, under group: String) throws -> [(name: String, shape: [Int])] {
        let file = try open(path)
        return try datasets(under: group, file).map { (name: $0.name, shape: try file.shape(of: $0.path)) }
    }

    /// The single numbers under `/progress`, by name.
    public static func progress(in path: String) throws -> [(name: String, value: WeightsScalar)] {
        let file = try open(path)
        guard file.exists("/progress") else { return [] }
        return try file.children(of: "/progress").map { ($0, try scalar("/progress/\($0)", file)) }
    }

    /// Checks that the parameters are those of a model, by name and shape.
    ///
    /// - Throws: `.data`, with every parameter that is missing, unknown or of another shape, up to eight of them.
    public func check(parameters expected: [(name: String, shape: [Int])], path: String) throws {
        var found: [String: [Int]] = [:]
        for parameter in parameters { found[parameter.name] = parameter.shape }
        var differences: [String] = []
        for (name, shape) in expected {
            switch found.removeValue(forKey: name) {
            case nil: differences.append("\(name) is missing")
            case let other? where other != shape: differences.append("\(name) has the shape \(other), expected \(shape)")
            default: break
            }
        }
        differences += found.keys.sorted().map { "\($0) is not a parameter of the model" }
        guard !differences.isEmpty else { return }
        let rest = differences.count > 8 ? "; and \(differences.count - 8) more" : ""
        throw UserError(.data, "\(path): these weights are of another model: \(differences.prefix(8).joined(separator: "; "))\(rest)")
    }

    private static func open(_ path: String) throws -> HDF5Reader {
        let file = try HDF5Reader(path)
        guard file.exists("/parameters") else { throw file.error("is not a weights file (it has no /parameters)") }
        let version = try file.attribute("format_version", of: "/", as: Int64.self)?.first ?? 0
        guard version <= weightsFormatVersion else {
            throw file.error("has format \(version), which is newer than this program's \(weightsFormatVersion)")
        }
        return file
    }

    private static func arrays(under group: String, _ file: HDF5Reader) throws -> [NamedArray] {
        try datasets(under: group, file).map { name, path in
            NamedArray(name: name, shape: try file.shape(of: path), values: try file.read(path, as: Float.self))
        }
    }

    /// The datasets below a group with their dotted names, in the order of the file; none when the group is missing.
    private static func datasets(under group: String, _ file: HDF5Reader) throws -> [(name: String, path: String)] {
        guard file.exists(group) else { return [] }
        return try file.children(of: group).flatMap { child -> [(name: String, path: String)] in
            let path = "\(group)/\(child)"
            if try file.kind(of: path) == .dataset { return [(child, path)] }
            return try datasets(under: path, file).map { ("\(child).\($0.name)", $0.path) }
        }
    }

    private static func scalar(_ path: String, _ file: HDF5Reader) throws -> WeightsScalar {
        guard try file.shape(of: path).isEmpty else { throw file.error("\(path) has rows, expected a single number") }
        switch try file.elementType(of: path) {
        case .float32, .float64: return .real(try file.read(path, as: Double.self)[0])
        default: return .integer(Int(try file.read(path, as: Int64.self)[0]))
        }
    }
}
