import HDF5

/// The datasets under `/evaluation/test`.
struct EvaluationColumns {
    static let group = "/evaluation/test"
    private let loss, accuracy: HDF5Column<Double>
    private let confusion, predictions, labels: HDF5Column<Int64>

    init(in file: borrowing HDF5Writer, classes: Int) throws {
        let group = Self.group
        // Up to a mebibyte a chunk, however many classes there are.
        let confusionRows = max(1, min(classes, (1 << 20) / (8 * max(classes, 1))))
        loss = try file.makeColumn("\(group)/loss", of: Double.self, rowsPerChunk: 1)
        accuracy = try file.makeColumn("\(group)/accuracy", of: Double.self, rowsPerChunk: 1)
        confusion = try file.makeColumn("\(group)/confusion", of: Int64.self, rowShape: [classes], rowsPerChunk: confusionRows)
        predictions = try file.makeColumn("\(group)/predictions", of: Int64.self, rowsPerChunk: 8192)
        labels = try file.makeColumn("\(group)/labels", of: Int64.self, rowsPerChunk: 8192)
        let axes = ["class", "predicted_class"]
        for axis in axes { try file.write((0..<classes).map { Int64($0) }, to: "\(group)/\(axis)") }
        let texts = [
            ("loss", "test loss", "nat"), ("accuracy", "test accuracy", "1"),
            ("confusion", "images by class (rows) and predicted class (columns)", "image"),
            ("predictions", "predicted class", "class"), ("labels", "class", "class"),
            ("class", "class", "class"), ("predicted_class", "predicted class", "class"),
        ]
        for (name, title, units) in texts {
            try file.setAttribute("units", of: "\(group)/\(name)", to: units)
            try file.setAttribute("long_name", of: "\(group)/\(name)", to: title)
        }
        try file.setAttribute("NX_class", of: group, to: "NXdata")
        // Viewers draw an image's first row at the bottom and have no attribute to turn it over, so the title says where to look.
        try file.write("test images by class (upwards from 0) and predicted class (to the right)", to: "\(group)/title")
        try file.setAttribute("signal", of: group, to: "confusion")
        try file.setAttribute("interpretation", of: "\(group)/confusion", to: "image")
        // Two numbers along an axis are to silx not places but a slope and an offset; without them it counts from 0 itself.
        try file.setAttribute("axes", of: group, to: classes == 2 ? [".", "."] : axes)
    }

    func append(_ evaluation: TestEvaluation) throws {
        try confusion.append(evaluation.confusion.flatMap { $0 }.map { Int64($0) })
        try predictions.append(evaluation.predictions.map { Int64($0) })
        try labels.append(evaluation.labels.map { Int64($0) })
        try loss.append([evaluation.loss.isNaN ? .nan : evaluation.loss])
        try accuracy.append([evaluation.accuracy])
    }

    func flush() throws {
        try confusion.flush()
        try predictions.flush()
        try labels.flush()
        try loss.flush()
        try accuracy.flush()
    }

    func close() throws {
        try confusion.close()
        try predictions.close()
        try labels.close()
        try loss.close()
        try accuracy.close()
    }

    /// The mean loss and the accuracy, or nil when there is no evaluation yet.
    static func readFigures(from file: HDF5Reader) throws -> (loss: Double, accuracy: Double)? {
        // Flushed last, so that its row stands for all others.
        guard let accuracy = try file.read("\(group)/accuracy", as: Double.self).first,
            let loss = try file.read("\(group)/loss", as: Double.self).first
        else { return nil }
        return (loss, accuracy)
    }

    /// The evaluation, or nil when there is none yet.
    static func read(from file: HDF5Reader, classes: Int) throws -> TestEvaluation? {
        guard let (loss, accuracy) = try readFigures(from: file) else { return nil }
        let confusion = try file.read("\(group)/confusion", as: Int64.self).map { Int($0) }
        guard confusion.count == classes * classes else {
            throw file.error("\(group)/confusion has \(confusion.count) numbers, expected \(classes)×\(classes)")
        }
        return TestEvaluation(
            loss: loss, accuracy: accuracy,
            confusion: (0..<classes).map { Array(confusion[$0 * classes..<($0 + 1) * classes]) },
            predictions: try file.read("\(group)/predictions", as: Int64.self).map { Int($0) },
            labels: try file.read("\(group)/labels", as: Int64.self).map { Int($0) })
    }
}
