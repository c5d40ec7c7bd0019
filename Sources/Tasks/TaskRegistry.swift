import Configuration
import Training
import VisionData

/// A task with the samples that it is trained on.
public struct PreparedTask: Sendable {
    /// What is trained for.
    public let task: any TrainingTask
    /// The samples, which have the task's fields.
    public let source: any SampleSource

    /// A task with samples that suit it.
    public init(_ task: any TrainingTask, on source: any SampleSource) {
        self.task = task
        self.source = source
    }
}

/// What a definition's `task:` chooses among.
public struct TaskKind: Sendable {
    /// As definitions call it.
    public let name: String
    /// What there is to say of it and its options.
    public let description: OptionDescription
    /// What a smoke test takes in the place of the definition's data.
    let smokeData: NamedDataset
    /// Reads the task's options, reporting what is wrong in them, unknown keys included, to the reader's errors.
    let prepare: @Sendable (_ options: inout FieldReader, _ dataset: ImageDataset, _ training: TrainConfiguration) throws -> PreparedTask
    /// Which options are not at their defaults.
    let difference: @Sendable (_ options: inout FieldReader) -> ConfigurationNode
    /// The options on which no loss depends, and those on which the training's alone does.
    let besideLoss, ofTrainingLoss: Set<String>

    /// A kind of task, as definitions may name it.
    ///
    /// - Parameters:
    ///   - documentation: one sentence on what it is.
    ///   - options: the table of what may stand below its name.
    ///   - smokeData: a small data set that is part of the program and has what the task needs.
    ///   - besideLoss: the options on which the loss does not depend: runs that differ in others have losses that are different quantities.
    ///   - ofTrainingLoss: those on which the training's loss depends, and the validation's and the test's do not.
    ///   - prepare: makes the task and its samples.
    public init<Options: Configurable>(
        _ name: String, _ documentation: String, options: Options.Type, smokeData: NamedDataset = .digits,
        besideLoss: Set<String> = [], ofTrainingLoss: Set<String> = [],
        prepare: @escaping @Sendable (_ options: Options, _ dataset: ImageDataset, _ training: TrainConfiguration) throws -> PreparedTask
    ) {
        self.name = name
        self.smokeData = smokeData
        (self.besideLoss, self.ofTrainingLoss) = (besideLoss, ofTrainingLoss)
        description = OptionDescription(name, "a map", .map(Options.descriptions), documentation, children: { Options.descriptions })
        @Sendable func read(_ fields: inout FieldReader) -> Options {
            let options = Options(from: &fields)
            fields.finish()
            return options
        }
        self.prepare = { fields, dataset, training in
            let options = read(&fields)
            // Errors in the options are said before the samples are looked at.
            try fields.errors.throwIfAny()
            return try prepare(options, dataset, training)
        }
        difference = { fields in read(&fields).identity }
    }
}

/// The tasks that are known: a value that is passed in.
public struct TaskRegistry: Sendable {
    /// In the order in which they are listed.
    public var kinds: [TaskKind]

    /// The kinds that definitions can name.
    public init(_ kinds: [TaskKind]) { self.kinds = kinds }

    /// What a definition without `task:` is trained for.
    public static let defaultName = "classification"

    /// The program's own.
    public static let standard = TaskRegistry([
        TaskKind(defaultName, "One class for each image.", options: ClassificationOptions.self, ofTrainingLoss: ["class_weights"]) { options, dataset, training in
            if let label = dataset.unseenClasses.first {
                throw UserError(at: "data.unseen_classes", "a classifier cannot tell class \(label) without training images; expected the task metric_learning")
            }
            try dataset.images.requireLabels()
            // Loading does not look: other tasks have more to learn of masks and boxes than an image's label.
            if dataset.images.saysMoreThanLabels { try dataset.images.requireSeveralClasses(at: dataset.name) }
            let task = Classification(
                classCount: dataset.classCount, loss: try options.loss(labelSmoothing: training.labelSmoothing), labelSmoothing: training.labelSmoothing,
                classWeights: try options.classWeights?.values(for: dataset), storesLogits: training.storesOutputs, hasFreePlaces: dataset.sharesSequences)
            return PreparedTask(task, on: try dataset.packed(places: training.batchSize / training.shards))
        },
        TaskKind("segmentation", "A class for each pixel.", options: SegmentationOptions.self, smokeData: .digitScenes, ofTrainingLoss: ["class_weights"]) { options, dataset, training in
            PreparedTask(try Segmentation(options, of: dataset, labelSmoothing: training.labelSmoothing), on: dataset)
        },
        TaskKind("localization", "The class and the box of one object.", options: LocalizationOptions.self, smokeData: .digitScenes) { options, dataset, training in
            PreparedTask(try Localization(options, of: dataset, labelSmoothing: training.labelSmoothing), on: dataset)
        },
        TaskKind("detection", "The classes and the boxes of all objects.", options: DetectionOptions.self, smokeData: .digitScenes, besideLoss: ["score_threshold", "suppression"]) {
            options, dataset, training in
            PreparedTask(try ObjectDetection(options, of: dataset, labelSmoothing: training.labelSmoothing), on: dataset)
        },
        TaskKind("multi_label", "Which classes an image has, any number of them.", options: MultiLabelOptions.self, smokeData: .digitScenes, ofTrainingLoss: ["positive_weights"]) {
            options, dataset, training in
            PreparedTask(try MultiLabel(options, of: dataset, training), on: dataset)
        },
        TaskKind("regression", "Numbers for each image.", options: RegressionOptions.self, smokeData: .digitScenes) { options, dataset, training in
            PreparedTask(try Regression(options, of: dataset, training), on: dataset)
        },
        TaskKind("reconstruction", "The image itself.", options: ReconstructionOptions.self, besideLoss: ["neighbours"]) { options, dataset, training in
            PreparedTask(try Reconstruction(options, of: dataset, training), on: dataset)
        },
        TaskKind(
            MetricLearning.taskName, "An embedding: images of a class near each other.", options: MetricLearningOptions.self,
            besideLoss: ["embedding", "recall", "few_shot"]
        ) { options, dataset, training in
            PreparedTask(try MetricLearning(options, of: dataset, training: training), on: dataset.markingPlaces())
        },
    ])

    /// What there is to say about `task:`.
    public var description: OptionDescription {
        let names = kinds.map(\.name).joined(separator: ", ")
        return OptionDescription(
            "task", "the name of a task, or a map with its options: \(names)", .variants(kinds.map { ($0.name, $0.description.schema) }),
            "What models are trained for.", default: { .text(Self.defaultName) }, children: { kinds.map(\.description) })
    }

    /// Prepares the task that a definition asks for: `classification`, or `{segmentation: {loss: dice}}`.
    ///
    /// - Parameter node: nil: the default.
    /// - Throws: `UserError(.usage)` with everything that is wrong, each with its place.
    public func prepare(_ node: ConfigurationNode?, dataset: ImageDataset, training: TrainConfiguration) throws -> PreparedTask {
        let errors = ConfigurationErrors()
        guard let (name, fields) = choice(node, errors) else {
            throw UserError(at: "task", "expected the name of a task, or a map of one name to its options")
        }
        guard let kind = kinds.first(where: { $0.name == name }) else {
            throw UserError(at: "task", "unknown task '\(name)'\(suggestion(for: name, among: kinds.map(\.name)))")
        }
        var options = fields
        let prepared = try kind.prepare(&options, dataset, training)
        try errors.throwIfAny()
        return prepared
    }

    /// What a smoke test of a definition takes in the place of its data.
    public func smokeData(of node: ConfigurationNode?) -> NamedDataset {
        let name = choice(node, ConfigurationErrors())?.name
        return kinds.first { $0.name == name }?.smokeData ?? .digits
    }

    /// Whether a definition asks for `classification`, with whatever options.
    public func isClassification(_ node: ConfigurationNode?) -> Bool { choice(node, ConfigurationErrors())?.name == Self.defaultName }

    /// The name of the task that a definition asks for, with whatever options; nil where it names none.
    public func name(of node: ConfigurationNode?) -> String? { choice(node, ConfigurationErrors())?.name }

    /// How many numbers an embedding has and whether it is divided by its length, where a definition asks for embeddings; nil for other tasks, and where it
    /// cannot be read.
    public func embedding(_ node: ConfigurationNode?) -> (length: Int, isNormalized: Bool)? {
        let errors = ConfigurationErrors()
        guard let (name, given) = choice(node, errors), name == MetricLearning.taskName else { return nil }
        var fields = given
        let options = MetricLearningOptions(from: &fields)
        return errors.messages.isEmpty ? (options.embedding, options.normalize) : nil
    }

    /// What of `task:` results depend on: the name and the options that are not at their defaults; nil for the default task without any, and as
    /// it was written where it cannot be read.
    public func identity(of node: ConfigurationNode?) -> ConfigurationNode? {
        let errors = ConfigurationErrors()
        guard let (name, fields) = choice(node, errors), let kind = kinds.first(where: { $0.name == name }) else { return node }
        var options = fields
        let difference = kind.difference(&options)
        guard errors.messages.isEmpty else { return node }
        if difference.entries?.isEmpty != false { return name == Self.defaultName ? nil : .text(name) }
        return .map([(name, difference)])
    }

    /// What the loss of a definition's task is: its name and the options on which the loss depends, those at their defaults left out, such as
    /// `reconstruction {loss: bce}`. Losses of which it is not the same are different quantities.
    ///
    /// - Parameter isOfTraining: whether the training's loss is meant, which the weights of classes change.
    public func lossText(of node: ConfigurationNode?, isOfTraining: Bool = false) -> String {
        guard let identity = identity(of: node) else { return Self.defaultName }
        guard let entries = identity.entries, entries.count == 1 else {
            if case .scalar(let name, _) = identity.value { return name }
            return YAML.line(identity)
        }
        let name = entries[0].key, kind = kinds.first { $0.name == name }
        let others = (kind?.besideLoss ?? []).union(isOfTraining ? [] : kind?.ofTrainingLoss ?? [])
        let options = (entries[0].node.entries ?? []).filter { !others.contains($0.key) }
        return options.isEmpty ? name : "\(name) \(YAML.line(.map(options.map { ($0.key, $0.node) })))"
    }

    /// The name of a task, and its options; nil where it is no choice.
    func choice(_ node: ConfigurationNode?, _ errors: ConfigurationErrors) -> (name: String, options: FieldReader)? {
        let nothing = ConfigurationNode(.null, mark: node?.mark ?? SourceMark(file: "task", line: nil))
        switch node?.value {
        case nil, .null: return (Self.defaultName, FieldReader(nothing, path: "task", errors: errors))
        case .scalar(let text, _): return (text, FieldReader(nothing, path: "task", errors: errors))
        case .map(let entries) where entries.count == 1:
            return (entries[0].key, FieldReader(entries[0].node, path: "task.\(entries[0].key)", errors: errors))
        case .map, .list: return nil
        }
    }
}
