import Configuration
import Measures
import RunStore

/// What the evaluation of a task that chooses among classes says beside its measures: who was taken for whom, and how well each class is told from the others.
public struct ClassificationReport: Encodable, Sendable {
    /// How many images were classified; or pixels, where each has a class (`isOfPixels`).
    public let images: Int
    /// Whether what has classes are pixels.
    public let isOfPixels: Bool
    /// A row for each class, a column for each that was predicted.
    public let confusion: [[Int64]]
    /// What each class is measured by; without logits the areas are NaN.
    public let classes: [ClassMeasures]
    /// What follows from the logits; empty where the run keeps none.
    public let scores: [(score: ScoreMeasure, value: Double)]

    /// nil for an evaluation without a confusion matrix.
    ///
    /// - Parameter run: of the evaluation; nil: its logits are left out.
    public init?(_ evaluation: EvaluationRecord, of run: RunDescription?) {
        guard let counts = evaluation.tables["confusion"]?.integers, !counts.isEmpty else { return nil }
        let side = Int(Double(counts.count).squareRoot().rounded())
        guard side * side == counts.count else { return nil }
        let confusion = (0..<side).map { Array(counts[$0 * side..<($0 + 1) * side]) }
        self.confusion = confusion
        isOfPixels = evaluation.tables["iou"] != nil
        images = Int(counts.reduce(0, +))
        guard let logits = run.flatMap(evaluation.scores), logits.classCount == side else {
            self.classes = (0..<side).map { place in
                ClassMeasures(
                    imageCount: Int(confusion[place].reduce(0, +)), predictedCount: Int(confusion.reduce(0) { $0 + $1[place] }),
                    rightCount: Int(confusion[place][place]))
            }
            scores = []
            return
        }
        self.classes = logits.classes()
        let areas = self.classes.map(\.auc).filter { !$0.isNaN }
        let top: [ScoreMeasure] = side > 5 ? [.topAccuracy(5)] : side > 2 ? [.topAccuracy(2)] : []
        scores = (top + [.balancedAccuracy, .macroF1, .auc, .calibrationError, .brierScore, .negativeLogLikelihood]).filter { !logits.areMargins || !$0.isOfProbabilities }.map { score in
            // The classes' areas are there already.
            (score, score == .auc ? (areas.isEmpty ? .nan : areas.reduce(0, +) / Double(areas.count)) : score.value(of: logits))
        }
    }

    /// What has classes, as words have it.
    var things: String { isOfPixels ? "pixels" : "images" }

    private struct ClassLine: Encodable {
        let images, pixels: Int?
        let predicted: Int
        let precision, recall, f1, auc, iou: Double?
    }

    /// Numbers by their names; those that are not finite are left out.
    public func encode(to encoder: any Encoder) throws {
        var fields = encoder.container(keyedBy: NamedKey.self)
        try fields.encode(images, forKey: NamedKey(things))
        try fields.encode(confusion, forKey: NamedKey("confusion"))
        for (score, value) in scores { try fields.encodeIfPresent(finite(value), forKey: NamedKey(score.name)) }
        try fields.encode(classes.map {
            ClassLine(
                images: isOfPixels ? nil : $0.imageCount, pixels: isOfPixels ? $0.imageCount : nil, predicted: $0.predictedCount, precision: finite($0.precision), recall: finite($0.recall), f1: finite($0.f1),
                auc: finite($0.auc), iou: isOfPixels ? finite($0.iou) : nil)
        }, forKey: NamedKey("classes"))
    }

    /// The names of the classes, where each has one.
    private func known(_ names: [String]?) -> [String]? { names.flatMap { $0.count == confusion.count ? $0 : nil } }

    /// For up to 20 classes who was taken for whom; nil where there are more.
    ///
    /// - Parameter names: of the classes, where they have some.
    func text(names: [String]?, width: Int?) -> String? {
        guard confusion.count <= 20 else { return nil }
        let names = known(names)
        var table = TextTable(
            [TextTable.Column("class")] + (names == nil ? [] : [TextTable.Column("name", .left)]) + confusion.indices.map { TextTable.Column("→\($0)") }
                + [TextTable.Column("recall")])
        for (label, row) in confusion.enumerated() {
            let total = row.reduce(0, +)
            let recall = total == 0 ? none : decimals(Double(row[label]) / Double(total), 4)
            table.append(["\(label)"] + (names.map { [$0[label]] } ?? []) + row.map { grouped(Int($0)) } + [recall])
        }
        return "\(things) by class (rows) and predicted class (columns)\n" + table.text(width: width)
    }

    /// How many classes the text lists at most.
    private static let listedCount = 100

    /// What each class is measured by; of more than 100 classes those with the lowest F1.
    ///
    /// - Parameter names: of the classes, where they have some.
    func classText(names: [String]?, width: Int?) -> String {
        let names = known(names), hasAreas = !scores.isEmpty
        var table = TextTable(
            [TextTable.Column("class")] + (names == nil ? [] : [TextTable.Column("name", .left)])
                + ([things, "predicted", "precision", "recall", "F1"] + (hasAreas ? ["AUC"] : []) + (isOfPixels ? ["IoU"] : [])).map { TextTable.Column($0) })
        func number(_ value: Double) -> String { finite(value).map { decimals($0, 4) } ?? none }
        let isCut = classes.count > Self.listedCount
        // Classes without images and predictions say nothing.
        let order = isCut
            ? classes.indices.filter { !classes[$0].f1.isNaN }.sorted { (classes[$0].f1, $0) < (classes[$1].f1, $1) }.prefix(Self.listedCount) : Array(classes.indices)[...]
        for place in order {
            let measures = classes[place]
            table.append(
                ["\(place)"] + (names.map { [$0[place]] } ?? []) + [grouped(measures.imageCount), grouped(measures.predictedCount)]
                    + ([measures.precision, measures.recall, measures.f1] + (hasAreas ? [measures.auc] : []) + (isOfPixels ? [measures.iou] : [])).map(number))
        }
        let title = isCut ? "the \(Self.listedCount) classes of \(grouped(classes.count)) with the lowest F1" : "\(things) by class, each against all others"
        let note = hasAreas || isOfPixels ? [] : ["no AUC, calibration or top-k accuracy: the file keeps no logits of the test images"]
        return ([title, table.text(width: width)] + note.flatMap { broken($0, width: width) }).joined(separator: "\n")
    }
}
