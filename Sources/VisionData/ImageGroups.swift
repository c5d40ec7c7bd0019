import Configuration
import Foundation
import HDF5

/// Which group each of some images is of, by a field that they have beside their pixels: where they were taken, of whom.
public struct ImageGroups: Sendable, Equatable {
    /// In alphabetical order, numbers by their size; classes in their order.
    public let names: [String]
    /// An index of `names` for each image.
    public let groups: [Int32]

    /// How many groups there may be: more are no groups but images.
    public static let largestCount = 1_000
}

extension ImageDataset {
    /// The groups of some images by a field: `label`, the class; a column of the list of image files (`data.folder` of a `.csv` or `.tsv` file); or an array of
    /// integers or texts beside the images of an HDF5 file, `/train/FIELD`, `/test/FIELD` and, if there are any, `/val/FIELD`. It is read from the file.
    ///
    /// - Parameter samples: global indices.
    /// - Throws: `UserError(.usage)` at `measures.by` where the images have no such field, `.data` where it does not go with the images.
    public func groups(by field: String, of samples: [Int32]) throws -> ImageGroups {
        if field == "label" {
            let labels = labels
            return ImageGroups(names: classNames ?? (0..<classCount).map(String.init), groups: samples.map { labels[Int($0)] })
        }
        let all = try values(of: field), values = samples.map { all[Int($0)] }
        let names = Set(values).sorted { $0.compare($1, options: .numeric) == .orderedAscending }
        guard names.count <= ImageGroups.largestCount else {
            throw UserError(
                at: Self.groupsKey, "\(field.shortened()) of \(name) has \(grouped(names.count)) values, expected at most \(grouped(ImageGroups.largestCount)) groups")
        }
        let places = Dictionary(uniqueKeysWithValues: names.enumerated().map { ($1, Int32($0)) })
        // A group without a name is one too.
        return ImageGroups(names: names.map { $0.isEmpty ? "(empty)" : $0 }, groups: values.map { places[$0]! })
    }

    private static let groupsKey = "measures.by"

    /// A field of all images, by global index.
    private func values(of field: String) throws -> [String] {
        if let location, let files = images.files, ["csv", "tsv"].contains((location as NSString).pathExtension.lowercased()) {
            let (columns, rows) = try Manifest.column(field, of: location)
            guard let rows else { throw missing(field, among: ["label"] + columns) }
            return try files.paths(of: 0..<labels.count).map { path in
                guard let value = rows[path] else { throw UserError(.data, "\(location): does not list \(path.shortened()) any more") }
                return value
            }
        }
        if images.files == nil, let location, let file = try? HDF5Reader(location), file.exists("/test/images") {
            let parts = [("train", images.train)] + (images.validation.map { [("val", $0)] } ?? []) + [("test", images.test)]
            return try parts.flatMap { part, range -> [String] in
                guard let values = try Self.values(field, of: part, count: range.count, in: file) else { throw missing(field, among: ["label"]) }
                return values
            }
        }
        throw missing(field, among: ["label"])
    }

    private func missing(_ field: String, among names: [String]) -> UserError {
        let others = names.contains { $0 != "label" } ? "" : ", a column of a list of image files, or an array beside the images of an HDF5 file"
        return UserError(at: Self.groupsKey, "the images of \(name) have no field '\(field.shortened())', expected \(names.joined(separator: ", "))\(others)")
    }

    /// An array of integers or texts; nil where there is none.
    private static func values(_ field: String, of part: String, count: Int, in file: HDF5Reader) throws -> [String]? {
        let dataset = "/\(part)/\(field)"
        guard !field.contains("/"), !["images", "labels"].contains(field), file.exists(dataset) else { return nil }
        let shape = try file.shape(of: dataset)
        guard shape == [count] else { throw UserError(.data, "\(file.path): \(dataset): found the shape \(shape), expected [\(count)], one value for each image") }
        switch try file.elementType(of: dataset) {
        case .string: return try file.readStrings(dataset)
        case .int8, .int16, .int32, .int64, .uint8, .uint16, .uint32: return try file.read(dataset, as: Int64.self).map { "\($0)" }
        case let type: throw UserError(.data, "\(file.path): \(dataset): found elements of type \(type.rawValue), expected integers or texts")
        }
    }
}

extension Manifest {
    /// A column of a list by the images' paths, and the names of all columns but the paths.
    ///
    /// - Returns: nil for the rows where there is no such column.
    static func column(_ name: String, of file: String) throws -> (names: [String], rows: [String: String]?) {
        let bytes = try ImageFiles.bytes(of: file)
        guard let text = String(validating: bytes, as: UTF8.self) else { throw UserError(.data, "\(file): is not UTF-8 text") }
        let records = try records(text, separator: file.lowercased().hasSuffix(".tsv") ? "\t" : ",", file)
        func trimmed(_ text: String) -> String { text.trimmingCharacters(in: .whitespaces) }
        let names = records.first?.fields.map { trimmed($0).lowercased() } ?? []
        let others = names.filter { !["path", "label", ""].contains($0) }
        guard let path = names.firstIndex(of: "path"), others.contains(name.lowercased()), let place = names.firstIndex(of: name.lowercased()) else { return (others, nil) }
        let rows = records.dropFirst().filter { $0.fields.count == names.count }.map { (trimmed($0.fields[path]), trimmed($0.fields[place])) }
        return (others, Dictionary(rows) { first, _ in first })
    }
}
