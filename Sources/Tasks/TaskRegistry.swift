import Configuration
import Training
import VisionData

/// A task with the samples that it is trained on.
public struct PreparedTask: Sendable {
    public let task: any TrainingTask
    public let source: any SampleSource

    public init(_ task: any TrainingTask, on source: any SampleSource) {
        self.task = task
        self.source = source
    }
}

/// What a definition's `task:` chooses among.
public struct TaskKind: Sendable {
    public let name: String
    /// Reads the task's options, reporting what is wrong in them, unknown keys included, to the reader's errors.
    let prepare: @Sendable (_ options: inout FieldReader, _ dataset: ImageDataset, _ training: TrainConfiguration) throws -> PreparedTask

    public init(
        _ name: String,
        prepare: @escaping @Sendable (_ options: inout FieldReader, _ dataset: ImageDataset, _ training: TrainConfiguration) throws -> PreparedTask
    ) {
        self.name = name
        self.prepare = prepare
    }
}

/// The tasks that are known: a value that is passed in.
public struct TaskRegistry: Sendable {
    public var kinds: [TaskKind]

    public init(_ kinds: [TaskKind]) { self.kinds = kinds }

    /// What a definition without `task:` is trained for.
    public static let defaultName = "classification"

    /// The program's own.
    public static let standard = TaskRegistry([
        TaskKind(defaultName) { options, dataset, training in
            options.finish()
            return PreparedTask(Classification(classCount: dataset.classCount, labelSmoothing: training.labelSmoothing, storesLogits: training.storesOutputs), on: dataset)
        },
    ])

    /// Prepares the task that a definition asks for: `classification`, or `{segmentation: {ignore: 255}}`.
    ///
    /// - Parameter node: nil: the default.
    /// - Throws: `UserError(.usage)` with everything that is wrong, each with its place.
    public func prepare(_ node: ConfigurationNode?, dataset: ImageDataset, training: TrainConfiguration) throws -> PreparedTask {
        let errors = ConfigurationErrors()
        let mark = node?.mark ?? SourceMark(file: "task", line: nil)
        var options = FieldReader(ConfigurationNode(.null, mark: mark), path: "task", errors: errors)
        var name = Self.defaultName
        switch node?.value {
        case nil: break
        case .scalar(let text, _)?: name = text
        case .map(let entries)? where entries.count == 1:
            name = entries[0].key
            options = FieldReader(entries[0].node, path: "task.\(name)", errors: errors)
        default:
            throw UserError(at: "task", "expected the name of a task, or a map of one name to its options")
        }
        guard let kind = kinds.first(where: { $0.name == name }) else {
            throw UserError(at: "task", "unknown task '\(name)'\(suggestion(for: name, among: kinds.map(\.name)))")
        }
        let prepared = try kind.prepare(&options, dataset, training)
        try errors.throwIfAny()
        return prepared
    }
}
