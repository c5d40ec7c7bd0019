import HDF5

/// The format that this program writes; a reader refuses a newer one.
let runFormatVersion = 1

/// A run file in its making: the schema of `run.h5`, created whole before anything is appended.
///
///     /                                 format_version, experiment, model, seed, parameters, multiply_adds, classes
///     /config                           the resolved definition, UTF-8
///     /status                           running, finished, interrupted, diverged
///     /metrics/train/{step,epoch,loss,accuracy,learning_rate,gradient_norm}
///     /metrics/epoch/{epoch,train_loss,train_accuracy,val_loss,val_accuracy}
///     /evaluation/test/{loss,accuracy,confusion,predictions,labels}     without rows until the test set was evaluated
///
/// From here the file is either closed (`close`), or handed to readers while it grows (`startAppending`), which takes away the means to
/// create anything.
struct RunLayout: ~Copyable {
    private let file: HDF5Writer
    let columns: RunColumns

    /// - Parameter target: the path that errors name, `path` being a temporary one.
    init(_ path: String, for target: String, description: RunDescription) throws {
        let file = try HDF5Writer(path, for: target)
        try file.setAttribute("format_version", of: "/", to: Int64(runFormatVersion))
        try file.setAttribute("experiment", of: "/", to: description.experiment)
        try file.setAttribute("model", of: "/", to: description.model)
        try file.setAttribute("seed", of: "/", to: Int64(description.seed))
        try file.setAttribute("parameters", of: "/", to: Int64(description.parameters))
        try file.setAttribute("multiply_adds", of: "/", to: Int64(description.multiplyAdds))
        try file.setAttribute("classes", of: "/", to: Int64(description.classes))
        try file.setAttribute("NX_class", of: "/", to: "NXroot")
        try file.setAttribute("default", of: "/", to: "metrics")
        try file.write(description.configuration, to: "/config")
        let columns = try RunColumns(in: file, classes: description.classes)
        for (group, content) in [("/metrics", "epoch"), ("/evaluation", "test")] {
            try file.setAttribute("NX_class", of: group, to: "NXentry")
            try file.setAttribute("default", of: group, to: content)
        }
        self.file = file
        self.columns = columns
    }

    consuming func close() throws { try file.close() }

    consuming func startAppending() throws -> LiveHDF5File { try file.startAppending() }
}

/// The parts of a run file that change while it is live.
struct RunColumns {
    let status: HDF5Choice
    let steps: MetricTable<StepRecord>
    let epochs: MetricTable<EpochRecord>
    let evaluation: EvaluationColumns

    init(in file: borrowing HDF5Writer, classes: Int) throws {
        let cases = RunStatus.allCases.map { (name: $0.name, value: $0.rawValue) }
        status = try file.makeChoice("/status", cases: cases, initially: RunStatus.running.rawValue)
        steps = try MetricTable(in: file)
        epochs = try MetricTable(in: file)
        evaluation = try EvaluationColumns(in: file, classes: classes)
    }

    func append(_ contents: RunContents) throws {
        try steps.append(contents.steps)
        try epochs.append(contents.epochs)
        if let found = contents.evaluation { try evaluation.append(found) }
        try status.set(contents.status.rawValue)
    }

    /// Column by column, so that a table has as many whole rows as its shortest column whenever this stops.
    func flush() throws {
        try steps.flush()
        try epochs.flush()
        try evaluation.flush()
    }
}

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
        let texts = [
            ("loss", "test loss", "nat"), ("accuracy", "test accuracy", "1"),
            ("confusion", "images by class (rows) and predicted class (columns)", "image"),
            ("predictions", "predicted class", "class"), ("labels", "class", "class"),
        ]
        for (name, title, units) in texts {
            try file.setAttribute("units", of: "\(group)/\(name)", to: units)
            try file.setAttribute("long_name", of: "\(group)/\(name)", to: title)
        }
        try file.setAttribute("NX_class", of: group, to: "NXdata")
        try file.setAttribute("signal", of: group, to: "confusion")
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

    /// The evaluation, or nil when there is none yet.
    static func read(from file: HDF5Reader, classes: Int) throws -> TestEvaluation? {
        // Flushed last, so that its row stands for all others.
        guard let accuracy = try file.read("\(group)/accuracy", as: Double.self).first,
            let loss = try file.read("\(group)/loss", as: Double.self).first
        else { return nil }
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
