import Configuration
import Experiments
import Foundation
import Reports

/// Predictions as text: one line an image, or one for each of its most probable classes.
struct PredictionText {
    enum Format: String, CaseIterable { case table, csv, json }

    private let format: Format
    private let kind: ImagePrediction.Kind
    private let classNames: [String]
    private let hasRanks: Bool
    private var predictions: [ImagePrediction] = []
    /// Of each image's file, where each has one.
    private var paths: [String] = []

    /// - Parameters:
    ///   - kind: what predictions have of their classes.
    ///   - hasRanks: whether images have more than one line.
    init(_ format: Format, _ kind: ImagePrediction.Kind, classNames: [String], hasRanks: Bool) {
        (self.format, self.kind, self.classNames, self.hasRanks) = (format, kind, classNames, hasRanks)
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

    private func table(_ number: (Float) -> String) -> TextTable {
        let hasNames = !classNames.isEmpty
        var table = TextTable(
            [paths.isEmpty ? TextTable.Column("image") : TextTable.Column("image", .left)] + (hasRanks ? [TextTable.Column("rank")] : []) + [TextTable.Column("class")]
                + (hasNames ? [TextTable.Column("name", .left)] : []) + [TextTable.Column(kind.name)])
        for (image, prediction) in predictions.enumerated() {
            for (rank, (index, score)) in zip(prediction.classes, prediction.scores).enumerated() {
                table.append(
                    [paths.isEmpty ? "\(image)" : paths[image]] + (hasRanks ? ["\(rank + 1)"] : []) + ["\(index)"] + (hasNames ? [name(index) ?? ""] : []) + [number(score)])
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
        /// One of the two.
        let probability, margin: Float?
    }

    private func json() throws -> String {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
        let rows = predictions.enumerated().map { image, prediction in
            Row(image: image, path: paths.isEmpty ? nil : paths[image], predictions: zip(prediction.classes, prediction.scores).map {
                Class(class: $0, name: name($0), probability: kind == .margin ? nil : $1, margin: kind == .margin ? $1 : nil)
            })
        }
        return String(decoding: try encoder.encode(rows), as: UTF8.self)
    }
}
