import Foundation
import HDF5
import TensorCore

/// A file of Tests/Fixtures. Tests/Reference/README.md describes what is in it.
///
///     @Test(arguments: try FixtureFile("operations.h5").cases(of: "conv2d"))
///     func convolution(_ fixture: FixtureCase) throws { … }
public struct FixtureFile: Sendable {
    public let name: String
    let reader: HDF5Reader

    /// Opens Tests/Fixtures/`name`.
    public init(_ name: String) throws {
        let folder = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        reader = try HDF5Reader(folder.appendingPathComponent("Fixtures/\(name)").path)
        self.name = name
    }

    /// The cases of one operation or layer, or all, by name.
    public func cases(of operation: String? = nil) throws -> [FixtureCase] {
        try reader.children(of: "/").filter { name in
            try operation == nil || reader.attributeStrings("operation", of: "/\(name)") == [operation!]
        }.map(fixture)
    }

    /// The case with the given name.
    public func fixture(_ name: String) throws -> FixtureCase {
        try FixtureCase(name: name, in: self)
    }

    /// The names of the operations and layers in the file, each once.
    public func operations() throws -> Set<String> {
        Set(try reader.children(of: "/").flatMap { try reader.attributeStrings("operation", of: "/\($0)") ?? [] })
    }

    /// A dataset: float32 as it is, float64 as it is, every integer type as int32.
    public func tensor(_ path: String) throws -> HostTensor {
        let shape = Shape(try reader.shape(of: path))
        return switch try reader.elementType(of: path) {
        case .float32: HostTensor(shape, try reader.read(path, as: Float.self))
        case .float64: HostTensor(shape, try reader.read(path, as: Double.self))
        default: HostTensor(shape, try reader.read(path, as: Int32.self))
        }
    }

    /// The datasets of a group by name; empty where there is no such group.
    public func tensors(in group: String) throws -> [String: HostTensor] {
        guard reader.exists(group) else { return [:] }
        let names = try reader.children(of: group)
        return Dictionary(uniqueKeysWithValues: try names.map { ($0, try tensor("\(group)/\($0)")) })
    }

    /// The datasets `0`, `1`, … of a group in order; empty where there is no such group.
    func list(in group: String) throws -> [HostTensor] {
        let tensors = try tensors(in: group)
        return (0..<tensors.count).map { index in
            guard let tensor = tensors[String(index)] else { preconditionFailure("\(name): \(group) has no dataset \(index)") }
            return tensor
        }
    }

    /// The arguments in a group's attribute `attributes`.
    public func arguments(of group: String, attribute: String = "attributes") throws -> FixtureArguments {
        let text = try reader.attributeStrings(attribute, of: group)?.first ?? "{}"
        return FixtureArguments(values: try JSONDecoder().decode([String: FixtureValue].self, from: Data(text.utf8)), place: "\(name)\(group)")
    }
}
