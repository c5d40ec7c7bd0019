import Configuration
import Foundation
import RunStore
import Tasks
import TensorCore
import Training
import VisionData

/// What an experiment would do: `harness check`.
public struct ExperimentPreview {
    /// What is known of a model before it is trained.
    public struct Model {
        /// The model's name in the definition.
        public let name: String
        /// How many numbers are trained.
        public let parameters: Int
        /// The multiply-adds of one image.
        public let multiplyAdds: Int
        /// What its training allocates, images and batches included.
        public let byteCount: Int
    }

    /// A model and a seed, with the folder of its run.
    public struct Trial {
        /// The run folder's name.
        public let name: String
        /// Whether it is there already.
        public let state: String
        /// Whose weights it starts from, which are trained first where they are not there: `pretrain/vit-s0-1f0c93ab`, or a file; nil: nobody's.
        public let source: String?
    }

    /// `fashion-mnist: 54,000 training, 6,000 validation and 10,000 test images of 28×28×1, 10 classes`
    public let dataLine: String
    /// `classes: T-shirt/top, trouser, …`; nil where they have no names.
    public let classLine: String?
    /// What is done to the training images, in numbers; nothing where nothing is done.
    public let treatmentLines: [String]
    /// The same lines for each model with data of its own, behind its name: `base: fashion-mnist: 27,000 training, …`.
    public let ownDataLines: [String]
    /// What may be wrong with the data or the definition.
    public let notes: [String]
    /// In the order of the definition.
    public let models: [Model]
    /// In the order in which they are trained.
    public let trials: [Trial]

    /// Compiles the plans of every model, which finds whatever else may be wrong with it.
    public init(_ experiment: Experiment, results: URL, threads: Int) throws {
        try experiment.checkEnsembleRuns(in: results)
        dataLine = Self.dataLine(experiment)
        treatmentLines = Self.treatmentLines(experiment)
        classLine = Self.classLine(experiment)
        ownDataLines = experiment.models.flatMap { model in
            guard let part = experiment.parts[model.name] else { return [String]() }
            let lines = [Self.dataLine(part)] + (Self.classLine(part).map { [$0] } ?? []) + Self.treatmentLines(part)
            return lines.map { "\(model.name): \($0)" }
        }
        notes = experiment.notes
        let pool = WorkerPool(threads: threads, shards: experiment.definition.largestShardCount)
        let allTrials = experiment.definition.trials
        models = try experiment.models.map { model in
            guard let trial = allTrials.first(where: { $0.model.name == model.name }) else { preconditionFailure("every model has a trial") }
            let teacher = trial.train.distillation.map { _ in UnsetWeights() }
            let training = try experiment.part(of: trial).training(of: trial, startingFrom: UnsetWeights(), taughtBy: teacher, pool: pool)
            return Model(
                name: model.name, parameters: model.summary.parameters, multiplyAdds: model.summary.multiplyAdds, byteCount: training.byteCount)
        }
        var earlier = EarlierRuns(of: experiment.definition.name, results: results, except: Set(allTrials.map(\.name)), registry: experiment.definition.registry)
        var shortNamed = EarlierRuns(
            underShortNameOf: experiment.definition.name, results: results, registry: experiment.definition.registry)
        trials = allTrials.map { trial in
            let name = experiment.definition.name
            let folder = SharedRuns.earlierRun(named: trial.name, hash: trial.hash, of: name, results: results, among: &shortNamed) ?? earlier.folder(of: trial)
            let sources = SourceRole.allCases.compactMap { role in
                trial.sources[role].flatMap { source in source.trials.first.map { "\(source.name)/\($0.name)" } } ?? trial.train[role]?.file
            }
            let source = sources.isEmpty ? nil : sources.joined(separator: ", ")
            return Trial(name: (folder.path as NSString).lastPathComponent, state: Self.state(of: folder), source: source)
        }
    }

    private static func dataLine(_ experiment: Experiment) -> String {
        let dataset = experiment.dataset
        let folds = experiment.folds.map(\.dataset)
        let counts = [(Split.train, "training"), (.validation, "validation"), (.test, "test")].map { split, name in
            "\(range((folds.isEmpty ? [dataset] : folds).map { $0.indices(of: split).count })) \(name)"
        }
        let foldText = folds.isEmpty ? "" : "\(grouped(folds.count)) folds, each "
        return """
            \(dataset.name): \(foldText)\(counts[0]), \(counts[1]) and \(counts[2]) images of \(dataset.sharesSequences ? "their own sizes" : "\(dataset.shape)"), \(dataset.classCount) classes
            """
    }

    private static func classLine(_ experiment: Experiment) -> String? {
        experiment.dataset.classNames.map { "classes: \($0.joined(separator: ", "))" }
    }

    /// `143`, or `143 to 144`.
    private static func range(_ counts: [Int]) -> String {
        let (least, most) = (counts.min() ?? 0, counts.max() ?? 0)
        return least == most ? grouped(least) : "\(grouped(least)) to \(grouped(most))"
    }

    private static func treatmentLines(_ experiment: Experiment) -> [String] {
        let dataset = experiment.dataset, count = dataset.indices(of: .train).count
        let place = experiment.folds.isEmpty ? "" : " (fold 0)"
        var lines: [String] = []
        func list(_ texts: [String]) -> String { texts.prefix(20).joined(separator: ", ") + (texts.count > 20 ? ", …" : "") }
        if dataset.isTreated { lines.append("training images by class\(place): \(list(dataset.trainingCounts.map(grouped)))") }
        if !dataset.relabeledImages.isEmpty {
            lines.append("label noise\(place): \(grouped(dataset.relabeledImages.count)) of \(grouped(count)) training labels are replaced")
        }
        if dataset.sampling == .balanced {
            let batchSize = experiment.definition.train.batchSize, draws = count / batchSize * batchSize
            let least = draws / dataset.classCount, most = (draws + dataset.classCount - 1) / dataset.classCount
            lines.append("balanced sampling\(place): an epoch draws each class \(range([least, most])) times")
        }
        if case .sets(let sets) = dataset.sampling {
            let images = sets.classes.map { "\(grouped(sets.images ?? 1)) images of each of \(grouped($0)) classes" } ?? "images"
            lines.append("sampling\(place): side by side \(images)\(sets.views > 1 ? ", each in \(sets.views) views" : "")")
        }
        if let weights = (experiment.task as? Classification)?.classWeights {
            lines.append("class weights\(place): \(list(weights.map { decimals($0, 4) }))")
        }
        return lines
    }

    /// What is at a run folder, in a word.
    static func state(of folder: RunFolder) -> String {
        guard folder.hasRun else { return "new" }
        guard let status = try? RunReader(folder).status else { return "damaged" }
        switch status {
        case .finished: return "done"
        case .diverged: return "diverged"
        case .interrupted: return "cut off"
        case .running: return folder.isBeingWritten ? "running" : "cut off"
        }
    }
}
