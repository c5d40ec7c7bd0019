import Configuration
import RunStore

/// What the evaluation of a task that chooses among classes says beside its measures: who was taken for whom.
struct ClassificationReport: Encodable {
    /// How many images were classified.
    let images: Int
    /// A row for each class, a column for each that was predicted.
    let confusion: [[Int64]]

    /// nil for an evaluation without a confusion matrix.
    init?(_ evaluation: EvaluationRecord) {
        guard let counts = evaluation.tables["confusion"]?.integers, !counts.isEmpty else { return nil }
        let classes = Int(Double(counts.count).squareRoot().rounded())
        guard classes * classes == counts.count else { return nil }
        confusion = (0..<classes).map { Array(counts[$0 * classes..<($0 + 1) * classes]) }
        images = Int(counts.reduce(0, +))
    }

    /// For up to 20 classes who was taken for whom; nil where there are more.
    ///
    /// - Parameter names: of the classes, where they have some.
    func text(names: [String]?, width: Int?) -> String? {
        guard confusion.count <= 20 else { return nil }
        let names = names.flatMap { $0.count == confusion.count ? $0 : nil }
        var table = TextTable(
            [TextTable.Column("class")] + (names == nil ? [] : [TextTable.Column("name", .left)]) + confusion.indices.map { TextTable.Column("→\($0)") }
                + [TextTable.Column("recall")])
        for (label, row) in confusion.enumerated() {
            let total = row.reduce(0, +)
            let recall = total == 0 ? none : decimals(Double(row[label]) / Double(total), 4)
            table.append(["\(label)"] + (names.map { [$0[label]] } ?? []) + row.map { grouped(Int($0)) } + [recall])
        }
        return "images by class (rows) and predicted class (columns)\n" + table.text(width: width)
    }
}
