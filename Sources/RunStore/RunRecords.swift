import Measures

/// How far a run has come.
public enum RunStatus: UInt8, Sendable, CaseIterable, Codable {
    case running = 0
    case finished = 1
    /// Ended cleanly before its last epoch, by a signal.
    case interrupted = 2
    /// Stopped because the loss or the weights were no longer finite.
    case diverged = 3

    /// As the run file writes it.
    public var name: String {
        switch self {
        case .running: "running"
        case .finished: "finished"
        case .interrupted: "interrupted"
        case .diverged: "diverged"
        }
    }
}

/// What is known of a run before its first step.
public struct RunDescription: Sendable, Equatable {
    /// The experiment's path below the folder of definitions.
    public var experiment: String
    /// The model's name in the definition.
    public var model: String
    /// The trial's seed.
    public var seed: Int
    /// The resolved definition, as text.
    public var configuration: String
    /// The comments at the head of the definition's file: its question, and what to expect; nil where there are none, and in files of earlier programs.
    public var question: String?
    /// Trainable numbers of the model.
    public var parameters: Int
    /// Multiply-adds of one image's forward pass.
    public var multiplyAdds: Int
    /// How many classes the data have; nil where they have none.
    public var classes: Int?
    /// What the run is measured by, the loss first.
    public var measures: [Measure]
    /// The name of the measure of the validation by which the best weights are found.
    public var monitored: String
    /// The tables of an evaluation; those of the test are always there, if only without tables.
    public var layouts: [EvaluatedSplit: EvaluationLayout]
    /// SHA-256 of what determines the result, in hexadecimal; nil in files of format 1.
    public var trialDigest: String?
    /// By which rule `trialDigest` was made: nil for that of earlier versions, over everything that the definition says.
    public var identityVersion: Int?
    /// SHA-256 of the images and labels, in hexadecimal; nil in files of format 1.
    public var dataDigest: String?
    /// The dotted names of the parameters and buffers, in the order of `DigestRecord.checksums`; none in files of format 1.
    public var tensors: [String]
    /// nil in runs that do not measure their layers.
    public var layers: LayerDescription?
    /// nil in files of format 1 and 2.
    public var data: DataDescription?
    /// The versions of the arithmetic, in the order of the steps; never empty.
    public var arithmetic: [ArithmeticSpan]

    /// The measure by which the best weights are found; nil in a file that lacks it.
    public var monitoredMeasure: Measure? { measures.first { $0.name == monitored } }

    /// All that is said of it.
    public init(
        experiment: String, model: String, seed: Int, configuration: String, question: String? = nil, parameters: Int, multiplyAdds: Int, classes: Int?,
        measures: [Measure], monitored: String, layouts: [EvaluatedSplit: EvaluationLayout] = [.test: EvaluationLayout()],
        trialDigest: String? = nil, identityVersion: Int? = nil, dataDigest: String? = nil, tensors: [String] = [], layers: LayerDescription? = nil,
        data: DataDescription? = nil, arithmetic: [ArithmeticSpan] = ArithmeticSpan.unrecorded
    ) {
        self.experiment = experiment
        self.model = model
        self.seed = seed
        self.configuration = configuration
        self.question = question
        self.parameters = parameters
        self.multiplyAdds = multiplyAdds
        self.classes = classes
        self.measures = measures
        self.monitored = monitored
        self.layouts = layouts
        self.trialDigest = trialDigest
        self.identityVersion = identityVersion
        self.dataDigest = dataDigest
        self.tensors = tensors
        self.layers = layers
        self.data = data
        self.arithmetic = arithmetic
    }
}

extension RunDescription {
    /// The averages of the weights that a run kept to its end.
    ///
    /// - Parameter test: its measures of the test, in the order of `measures`; an average that never began has none.
    public func averages(test: [Double?]?) -> [WeightAverage] {
        guard let test else { return [] }
        return WeightAverage.all(in: measures).filter { average in
            zip(measures, test).contains { $0.name == average.name(Measure.lossName) && $1?.isNaN == false }
        }
    }
}

/// Checksums of all weights after a step, by which a repetition of the run is compared with it tensor by tensor.
public struct DigestRecord: Sendable, Equatable {
    /// Finished steps; 0 stands for the initial weights.
    public var step: Int
    /// One for each of `RunDescription.tensors`.
    public var checksums: [UInt64]

    /// The checksums after a step, one for each tensor.
    public init(step: Int, checksums: [UInt64]) {
        self.step = step
        self.checksums = checksums
    }
}

/// One training step, counted from 1 through the whole run.
public struct StepRecord: Sendable, Equatable {
    /// From 1.
    public var step = 0
    /// From 1.
    public var epoch = 0
    /// Means over the batch, one for each of `RunDescription.measures`; NaN where a file lacks it.
    public var values: [Double]
    /// The rate of the step's update.
    public var learningRate = 0.0
    /// The L2 norm of all gradients before clipping.
    public var gradientNorm = 0.0

    /// A step's record; `values` are the measures', in their order.
    public init(step: Int, epoch: Int, values: [Double], learningRate: Double, gradientNorm: Double) {
        self.step = step
        self.epoch = epoch
        self.values = values
        self.learningRate = learningRate
        self.gradientNorm = gradientNorm
    }

    init(measureCount: Int) { values = [Double](repeating: .nan, count: measureCount) }
}

/// One epoch, counted from 1: means over all its training samples, and over the validation split if there is one.
public struct EpochRecord: Sendable, Equatable {
    /// From 1.
    public var epoch = 0
    /// One for each of `RunDescription.measures`; NaN where a file lacks it.
    public var training: [Double]
    /// As many; nil without a validation split, or where a file lacks it.
    public var validation: [Double?]

    /// An epoch's record; values are the measures', in their order.
    public init(epoch: Int, training: [Double], validation: [Double?]) {
        self.epoch = epoch
        self.training = training
        self.validation = validation
    }

    init(measureCount: Int) {
        training = [Double](repeating: .nan, count: measureCount)
        validation = [Double?](repeating: nil, count: measureCount)
    }
}

/// The evaluation of a split after training, with the weights that validation chose; the test set is looked at this once.
public struct EvaluationRecord: Sendable, Equatable {
    /// Means over the split, one for each of `RunDescription.measures`; nil where a file lacks it.
    public var values: [Double?]
    /// By the names of the split's layout.
    public var tables: [String: TableValues]

    /// The values of a split, in the order of the measures, and the task's own tables.
    public init(values: [Double?], tables: [String: TableValues] = [:]) {
        self.values = values
        self.tables = tables
    }
}

/// Everything that a run file holds: its bytes are a function of this value.
public struct RunContents: Sendable, Equatable {
    /// What was trained, on what.
    public var description: RunDescription
    /// How the run stands.
    public var status: RunStatus
    /// From 1.
    public var steps: [StepRecord]
    /// From 1.
    public var epochs: [EpochRecord]
    /// The checksums of the weights, at the steps that were asked for.
    public var digests: [DigestRecord]
    /// None in runs that do not measure their layers.
    public var layers: [LayerRecord]
    /// None before the end of the training.
    public var evaluations: [EvaluatedSplit: EvaluationRecord]
    /// The most confident errors of the test; nil where there are none or nobody has looked for them, and before the end of the run.
    public var errors: ErrorPictures?
    /// Which group each test image is of; nil where the definition asks for none, and before the end of the run.
    public var subgroups: Subgroups?

    /// All that is said of it.
    public init(
        description: RunDescription, status: RunStatus = .running, steps: [StepRecord] = [], epochs: [EpochRecord] = [],
        digests: [DigestRecord] = [], layers: [LayerRecord] = [], evaluations: [EvaluatedSplit: EvaluationRecord] = [:], errors: ErrorPictures? = nil,
        subgroups: Subgroups? = nil
    ) {
        self.description = description
        self.status = status
        self.steps = steps
        self.epochs = epochs
        self.digests = digests
        self.layers = layers
        self.evaluations = evaluations
        self.errors = errors
        self.subgroups = subgroups
    }

    /// What was recorded up to the end of a step and of an epoch, as if the run had come no further.
    public func cut(toStep step: Int, epoch: Int) -> RunContents {
        RunContents(
            description: description, steps: steps.filter { $0.step <= step }, epochs: epochs.filter { $0.epoch <= epoch },
            digests: digests.filter { $0.step <= step }, layers: layers.filter { $0.epoch <= epoch })
    }
}
