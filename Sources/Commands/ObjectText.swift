import Configuration
import Experiments
import Foundation
import Reports

/// Found objects as text: one line an object, or in JSON one entry an image.
struct ObjectText {
    private let classNames: [String]
    private var images: [(name: String, isFile: Bool, found: [FoundObject])] = []

    init(classNames: [String]) { self.classNames = classNames }

    mutating func append(_ image: String, isFile: Bool, _ found: [FoundObject]) { images.append((image, isFile, found)) }

    /// - Parameter width: how many characters a line of a table may have; nil for any number.
    func rendered(_ format: PredictionText.Format, width: Int?) throws -> String {
        switch format {
        case .table: table({ decimals($0, 4) }, { decimals($0, 1) }).text(width: width)
        case .csv: table({ "\(Float($0))" }, { "\(Float($0))" }).csv
        case .json: try json()
        }
    }

    private func name(_ label: Int) -> String? { classNames.indices.contains(label) ? classNames[label] : nil }

    private func table(_ score: (Double) -> String, _ pixels: (Double) -> String) -> TextTable {
        let hasNames = !classNames.isEmpty
        var table = TextTable(
            [images.contains(where: \.isFile) ? TextTable.Column("image", .left) : TextTable.Column("image"), TextTable.Column("class")]
                + (hasNames ? [TextTable.Column("name", .left)] : []) + ["score", "x", "y", "width", "height"].map { TextTable.Column($0) })
        for image in images {
            for object in image.found {
                table.append(
                    [image.name, "\(object.label)"] + (hasNames ? [name(object.label) ?? ""] : []) + [score(object.score)]
                        + [object.box.x0, object.box.y0, object.box.x1 - object.box.x0, object.box.y1 - object.box.y0].map(pixels))
            }
        }
        return table
    }

    // MARK: JSON

    private struct Row: Encodable {
        let image: Int
        let path: String?
        let objects: [Object]
    }

    private struct Object: Encodable {
        let `class`: Int
        let name: String?
        let score, x, y, width, height: Float
    }

    private func json() throws -> String {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
        let rows = images.enumerated().map { index, image in
            Row(image: index, path: image.isFile ? image.name : nil, objects: image.found.map { object in
                Object(
                    class: object.label, name: name(object.label), score: Float(object.score), x: Float(object.box.x0), y: Float(object.box.y0),
                    width: Float(object.box.x1 - object.box.x0), height: Float(object.box.y1 - object.box.y0))
            })
        }
        return String(decoding: try encoder.encode(rows), as: UTF8.self)
    }
}
