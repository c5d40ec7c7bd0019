import Configuration
import Experiments
import Foundation
import Reports

/// Predictions as text: one line an image, or one for each of its most probable classes.
struct PredictionText {
    enum Format: String, CaseIterable { case table, csv, json }

    private let format: Format
    private let classNames: [String]
    private let hasRanks: Bool
    private var predictions: [ImagePrediction] = []
    /// Of each image's file, where each has one.
    private var paths: [String] = []

    /// - Parameter hasRanks: whether images have more than one line.
    init(_ format: Format, classNames: [String], hasRanks: Bool) {
        (self.format, self.classNames, self.hasRanks) = (format, classNames, hasRanks)
    }

    mutating func append(_ predictions: [ImagePrediction], paths: [String]) {
        self.predictions += predictions
        self.paths += paths
    }

    /// - Parameter width: how many characters a line of a table may have; nil for any number.
    func rendered(width: Int?) throws -> String {
        switch format {
        case .table: table { decimals(Double($0), 4) }.text(width: width)
        case .csv: table { "\($0)" }.csv
        case .json: try json()
        }
    }

    private func name(_ index: Int32) -> String? { classNames.indices.contains(Int(index)) ? classNames[Int(index)] : nil }

    private func table(_ probability: (Float) -> String) -> TextTable {
        let hasNames = !classNames.isEmpty
        var table = TextTable(
            [paths.isEmpty ? TextTable.Column("image") : TextTable.Column("image", .left)] + (hasRanks ? [TextTable.Column("rank")] : []) + [TextTable.Column("class")]
                + (hasNames ? [TextTable.Column("name", .left)] : []) + [TextTable.Column("probability")])
        for (image, prediction) in predictions.enumerated() {
            for (rank, (index, share)) in zip(prediction.classes, prediction.probabilities).enumerated() {
                table.append(
                    [paths.isEmpty ? "\(image)" : paths[image]] + (hasRanks ? ["\(rank + 1)"] : []) + ["\(index)"] + (hasNames ? [name(index) ?? ""] : []) + [probability(share)])
            }
        }
        return table
    }

    // MARK: JSON

    private struct Row: Encodable {
        let image: Int
        let path: String?
        let predictions: [Class]
    }

    private struct Class: Encodable {
        let `class`: Int32
        let name: String?
        let probability: Float
    }

    private func json() throws -> String {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
        let rows = predictions.enumerated().map { image, prediction in
            Row(image: image, path: paths.isEmpty ? nil : paths[image], predictions: zip(prediction.classes, prediction.probabilities).map { Class(class: $0, name: name($0), probability: $1) })
        }
        return String(decoding: try encoder.encode(rows), as: UTF8.self)
    }
}
