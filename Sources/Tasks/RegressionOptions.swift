import Configuration
import Training
import VisionData

/// `task: {regression: {target: object_count, loss: huber}}`
struct RegressionOptions: Configurable {
    /// What is made small.
    enum LossKind: String, CaseIterable, Sendable { case mse, mae, huber }

    /// Which numbers are estimated; nil: those that the data bring.
    var target: Regression.Target?
    /// What is made small.
    var loss = LossKind.mse
    /// δ of the Huber loss.
    var delta = 1.0
    /// Whether the model's numbers stand for standard deviations from the mean of the training images' targets.
    var standardizes = true

    static let options: [Key<RegressionOptions>] = [
        Key("target", \.target, .choice, "What is estimated: the numbers that an HDF5 file has as /train/targets, how many objects an image shows, the mean √(width · height) of its boxes in pixels, or the mean of its normalized pixels. Absent: the numbers of the data, and without any how many objects there are."),
        Key("loss", \.loss, .choice, paper: "huber: Huber, Annals of Mathematical Statistics 35, 1964", "What is made small: squared or absolute errors, or squared ones that go on straight."),
        Key("delta", \.delta, .positive, "Of loss: huber: up to which error, in standard deviations where targets are standardized, errors are squared."),
        Key("standardize", \.standardizes, .flag, "Whether the model gives standard deviations from the mean, both of the training images' targets; measures are in the targets' own unit. Brightness is not standardized."),
    ]

    mutating func check(_ fields: inout FieldReader) {
        if loss != .huber, fields.has("delta") { fields.report("goes with loss: huber", at: "delta") }
    }
}

extension Regression {
    /// The task of a definition, on samples that have the numbers or from which they are made.
    ///
    /// - Throws: `UserError(.usage)` when they have not, or the data or the training ask for what numbers do not have.
    init(_ options: RegressionOptions, of dataset: ImageDataset, _ training: TrainConfiguration) throws {
        let images = dataset.images
        guard let target = options.target ?? (images.targets != nil ? .given : images.boxes != nil ? .objectCount : nil) else {
            throw UserError(at: "data", "\(dataset.name) has no targets, which regression needs; expected /train/targets in an HDF5 file, boxes, or task.regression.target: brightness")
        }
        if target == .given, images.targets == nil { throw UserError(at: "task.regression.target", "\(dataset.name) brings no targets; expected /train/targets in an HDF5 file") }
        if target == .objectCount || target == .objectSize, images.boxes == nil {
            throw UserError(at: "task.regression.target", "\(target.rawValue) is made from boxes, and \(dataset.name) has none; expected a data set such as fashion-scenes")
        }
        if !dataset.relabeledImages.isEmpty { throw UserError(at: "data.label_noise", "changes the labels of images, which regression does not see; leave this key out") }
        if training.labelSmoothing > 0 { throw UserError(at: "train.label_smoothing", "goes with a cross-entropy, which regression has not; leave this key out") }
        let loss: LossKind = switch options.loss {
        case .mse: .meanSquaredError
        case .mae: .meanAbsoluteError
        case .huber: .huber(delta: options.delta)
        }
        let numbers = dataset.trainingTargets(target), count = images.targets.map { target == .given ? $0.count : 1 } ?? 1
        let moments = options.standardizes && !numbers.isEmpty ? (0..<count).map { number in Self.moments(numbers.map { $0[number] }) } : [(mean: Double, deviation: Double)](repeating: (0, 1), count: count)
        self.init(
            target, loss: loss, means: moments.map(\.mean), deviations: moments.map(\.deviation), maximum: images.boxes?.maximum ?? 0,
            storesEstimates: training.storesOutputs)
    }

    /// The mean and the standard deviation; 1 where all numbers are one.
    private static func moments(_ numbers: [Double]) -> (mean: Double, deviation: Double) {
        let mean = numbers.reduce(0, +) / Double(numbers.count)
        let deviation = (numbers.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / Double(numbers.count)).squareRoot()
        return (mean, deviation > 0 ? deviation : 1)
    }
}

extension ImageDataset {
    /// The targets of the training images, without augmentation; none where they are made from pixels.
    fileprivate func trainingTargets(_ target: Regression.Target) -> [[Double]] {
        guard target != .brightness else { return [] }
        return indices(of: .train).map { index in
            let image = Int(index)
            if target == .given, let targets = images.targets { return (0..<targets.count).map { Double(targets.values[image * targets.count + $0]) } }
            let boxes = images.boxes?.boxes[image] ?? []
            let scale = boxScale
            return [target == .objectCount ? Double(boxes.count) : meanSize(boxes.map { (Double($0.width) * scale.x, Double($0.height) * scale.y) })]
        }
    }
}
