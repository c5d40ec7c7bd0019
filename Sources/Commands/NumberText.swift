import Configuration
import Foundation
import Reports

/// Estimated numbers as text: a line for each image.
struct NumberText {
    private let count: Int
    private var estimates: [Float] = []
    /// Of each image's file, where each has one.
    private var paths: [String] = []

    /// - Parameter count: how many numbers an image has.
    init(count: Int) { self.count = count }

    mutating func append(_ estimates: [Float], paths: [String]) {
        self.estimates += estimates
        self.paths += paths
    }

    /// - Parameter width: how many characters a line of a table may have; nil for any number.
    func rendered(_ format: PredictionText.Format, width: Int?) throws -> String {
        switch format {
        case .table: table { decimals(Double($0), 4) }.text(width: width)
        case .csv: table { "\($0)" }.csv
        case .json: try json()
        }
    }

    private var images: Int { estimates.count / count }
    private func numbers(of image: Int) -> ArraySlice<Float> { estimates[image * count..<(image + 1) * count] }

    private func table(_ text: (Float) -> String) -> TextTable {
        let columns = count == 1 ? ["estimate"] : (0..<count).map { "number \($0)" }
        var table = TextTable([paths.isEmpty ? TextTable.Column("image") : TextTable.Column("image", .left)] + columns.map { TextTable.Column($0) })
        for image in 0..<images { table.append([paths.isEmpty ? "\(image)" : paths[image]] + numbers(of: image).map(text)) }
        return table
    }

    private struct Row: Encodable {
        let image: Int
        let path: String?
        let estimates: [Float]
    }

    private func json() throws -> String {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
        encoder.nonConformingFloatEncodingStrategy = .convertToString(positiveInfinity: "inf", negativeInfinity: "-inf", nan: "nan")
        let rows = (0..<images).map { Row(image: $0, path: paths.isEmpty ? nil : paths[$0], estimates: Array(numbers(of: $0))) }
        return String(decoding: try encoder.encode(rows), as: UTF8.self)
    }
}
