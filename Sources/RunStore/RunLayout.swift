import HDF5
import Measures

/// The newest format that this program writes; a reader refuses a newer one.
let runFormatVersion = 4
/// What it writes where there is nothing by which an earlier program would stumble: no pictures of errors, no groups.
let plainRunFormatVersion = 3
/// Files up to this format have no seal.
let lastUnsealedRunFormatVersion = 2

/// A run file in its making: the schema of `run.h5`, created whole before anything is appended.
///
///     /                                 format_version, experiment, model, seed, parameters, multiply_adds, trial_sha256, identity_version, data_sha256,
///                                       description_sha256; of data with classes also classes; question: the comments at the head of the definition's file
///                                       arithmetic_version, arithmetic_from_step: the versions of the arithmetic, and the finished steps from which each counts
///     /config                           the resolved definition, UTF-8
///     /data/{image_shape,mean,standard_deviation,class_names}     what a user of the model needs; without names in data sets that have none
///     /data/split/{training,validation,test}                     places of the images in the data set's own lists
///     /data/split/{class_counts,class_numbers,relabeled_images,given_labels}     what was done to the training images, where something was
///     /data/{test_files,files_left_out}                          of image files: those among which the test images have their places, and how many could not be decoded
///     /status                           running, finished, interrupted, diverged
///     /metrics/train/{step,epoch,<measure>…,learning_rate,gradient_norm}     the measures of the task, such as loss and accuracy; the
///                                       attribute better of each says whether larger or smaller values are, and occasion whether it is of
///                                       training or evaluation alone, without columns for the other
///     /metrics/epoch/{epoch,train_<measure>…,val_<measure>…}
///     /metrics/layers/{layer,epoch,activation_mean,activation_variance,gradient_variance}      in runs that measure their layers, a row for
///                                       the start and each epoch, a column for each layer; with theory also predicted_activation_variance and
///                                       predicted_gradient_variance, one number a layer
///     /digests/{step,tensor,checksum}   checksums of the weights, a row now and then, a column for each tensor
///     /evaluation/<split>/{<measure>…,<table>…}     of the test, and where the task has tables for it of the validation; without rows until the
///                                       training is over; the tables are the task's, such as confusion, predictions, labels
///     /evaluation/test/errors/{image,predicted,label,confidence,place}     the most confident errors (`ErrorPictures`), once a classification has ended
///     /evaluation/test/subgroups/{group,name,field}      which group each test image is of (`Subgroups`), where the definition asks for measures by groups
///
/// The groups of metrics and of the evaluation are plots to a viewer (`NXdata`), so that each has a `title`, and the evaluation the places along
/// the axes of the task's plot. Readers look up in the file which measures and tables there are.
///
/// From here the file is either closed (`close`), or handed to readers while it grows (`startAppending`), which takes away the means to
/// create anything.
struct RunLayout: ~Copyable {
    private let file: HDF5Writer
    let columns: RunColumns

    /// - Parameters:
    ///   - target: the path that errors name, `path` being a temporary one.
    ///   - hasMore: whether `write(_:_:)` adds pictures of errors, or groups.
    init(_ path: String, for target: String, description: RunDescription, hasMore: Bool = false) throws {
        let file = try HDF5Writer(path, for: target, userBlockByteCount: Seal.byteCount)
        try file.setAttribute("format_version", of: "/", to: Int64(hasMore ? runFormatVersion : plainRunFormatVersion))
        try file.setAttribute("experiment", of: "/", to: description.experiment)
        try file.setAttribute("model", of: "/", to: description.model)
        try file.setAttribute("seed", of: "/", to: Int64(description.seed))
        try file.setAttribute("parameters", of: "/", to: Int64(description.parameters))
        try file.setAttribute("multiply_adds", of: "/", to: Int64(description.multiplyAdds))
        if let question = description.question { try file.setAttribute("question", of: "/", to: question) }
        if let classes = description.classes { try file.setAttribute("classes", of: "/", to: Int64(classes)) }
        if let digest = description.trialDigest { try file.setAttribute("trial_sha256", of: "/", to: digest) }
        if let version = description.identityVersion { try file.setAttribute("identity_version", of: "/", to: Int64(version)) }
        if let digest = description.dataDigest { try file.setAttribute("data_sha256", of: "/", to: digest) }
        try file.setAttribute("description_sha256", of: "/", to: description.digest)
        try description.arithmetic.write(to: file)
        try file.setAttribute("NX_class", of: "/", to: "NXroot")
        try file.setAttribute("default", of: "/", to: "metrics")
        try file.write(description.configuration, to: "/config")
        try description.data?.write(to: file)
        let columns = try RunColumns(in: file, description)
        for (group, content) in [("/metrics", "epoch"), ("/evaluation", "test")] {
            try file.setAttribute("NX_class", of: group, to: "NXentry")
            try file.setAttribute("default", of: group, to: content)
        }
        self.file = file
        self.columns = columns
    }

    func write(_ errors: ErrorPictures?, _ subgroups: Subgroups?) throws {
        try errors?.write(to: file)
        try subgroups?.write(to: file)
    }

    consuming func close() throws {
        try columns.close()
        try file.close()
    }

    consuming func startAppending() throws -> LiveHDF5File { try file.startAppending() }
}

/// The parts of a run file that change while it is live.
struct RunColumns {
    let status: HDF5Choice
    let steps: MetricTable<StepRecord>
    let epochs: MetricTable<EpochRecord>
    let digests: DigestColumns
    let layers: LayerColumns?
    /// The groups of the splits, the test first.
    let evaluations: [(split: EvaluatedSplit, columns: EvaluationColumns)]

    init(in file: borrowing HDF5Writer, _ description: RunDescription) throws {
        let cases = RunStatus.allCases.map { (name: $0.name, value: $0.rawValue) }
        status = try file.makeChoice("/status", cases: cases, initially: RunStatus.running.rawValue)
        steps = try MetricTable(in: file, measures: description.measures)
        epochs = try MetricTable(in: file, measures: description.measures)
        try StoredMeasures.write(description.measures, monitored: description.monitored, to: file)
        digests = try DigestColumns(in: file, tensors: description.tensors)
        layers = try description.layers.map { try LayerColumns(in: file, $0) }
        var evaluations: [(EvaluatedSplit, EvaluationColumns)] = []
        for split in EvaluatedSplit.allCases {
            guard let layout = description.layouts[split] else { continue }
            evaluations.append((split, try EvaluationColumns(in: file, split, measures: description.measures, layout)))
        }
        self.evaluations = evaluations
    }

    func append(_ contents: RunContents) throws {
        try steps.append(contents.steps)
        try epochs.append(contents.epochs)
        try digests.append(contents.digests)
        try layers?.append(contents.layers)
        for (split, columns) in evaluations {
            if let record = contents.evaluations[split] { try columns.append(record) }
        }
        try status.set(contents.status.rawValue)
    }

    func append(_ record: EvaluationRecord, of split: EvaluatedSplit) throws {
        for (name, columns) in evaluations where name == split { try columns.append(record) }
    }

    /// Column by column, so that a table has as many whole rows as its shortest column whenever this stops.
    func flush() throws {
        try steps.flush()
        try epochs.flush()
        try digests.flush()
        try layers?.flush()
        for (_, columns) in evaluations { try columns.flush() }
    }

    func close() throws {
        try status.close()
        try steps.close()
        try epochs.close()
        try digests.close()
        try layers?.close()
        for (_, columns) in evaluations { try columns.close() }
    }
}
