import Configuration
import VisionData

/// `task: {segmentation: {loss: dice, class_weights: balanced}}`
struct SegmentationOptions: Configurable {
    /// What is made small.
    enum LossKind: String, CaseIterable, Sendable {
        case crossEntropy = "cross_entropy"
        case dice
        /// The sum of the two.
        case both
    }

    /// What is made small.
    var loss = LossKind.crossEntropy
    /// How much pixels of each class count in the cross-entropy; nil: all alike.
    var classWeights: ClassWeights?

    static let options: [Key<SegmentationOptions>] = [
        Key("loss", \.loss, .choice, paper: "dice: Milletari, Navab and Ahmadi, 3DV 2016",
            "What is made small: the cross-entropy of the pixels, the Dice loss of the classes, or the sum of both."),
        Key("class_weights", \.classWeights, .classWeights, paper: "Ronneberger, Fischer and Brox, MICCAI 2015",
            "How much pixels of each class count in the training's cross-entropy, whose mean over a batch is Σ weight · loss / Σ weight: one number a class, or balanced, n / (classes · pixels of the class). The losses of validation and test are not weighted. Absent: all alike."),
    ]

    mutating func check(_ fields: inout FieldReader) {
        if loss == .dice, classWeights != nil { fields.report("goes with the cross-entropy, which loss: dice leaves out", at: "class_weights") }
    }
}

extension Segmentation {
    /// The task of a definition, on samples that have masks.
    ///
    /// - Throws: `UserError(.usage)` when they have none, or the data or the training ask for what masks do not have.
    init(_ options: SegmentationOptions, of dataset: ImageDataset, labelSmoothing: Double) throws {
        guard dataset.images.masks != nil else {
            throw UserError(at: "data", "\(dataset.name) has no masks, which segmentation needs; expected a data set with a class for each pixel, such as fashion-scenes")
        }
        if dataset.classNumbers != nil { throw UserError(at: "data.classes", "masks have all classes; leave this key out for segmentation") }
        if !dataset.relabeledImages.isEmpty {
            throw UserError(at: "data.label_noise", "changes the labels of images, which segmentation does not see; leave this key out")
        }
        if options.loss == .dice, labelSmoothing > 0 {
            throw UserError(at: "train.label_smoothing", "goes with the cross-entropy, which task.segmentation.loss: dice leaves out")
        }
        let weights = try options.classWeights?.values(
            for: dataset, counts: dataset.trainingPixelCounts, of: "training pixels", at: "task.segmentation.class_weights")
        self.init(
            size: (dataset.shape.height, dataset.shape.width), classCount: dataset.classCount, loss: options.loss, labelSmoothing: labelSmoothing,
            classWeights: weights)
    }
}

extension ImageDataset {
    /// How many pixels of the training images' masks each class has.
    fileprivate var trainingPixelCounts: [Int] {
        var counts = [Int](repeating: 0, count: Int(LabeledImages.ignored) + 1)
        let size = images.shape.height * images.shape.width
        images.masks?.withUnsafeBufferPointer { masks in
            for image in indices(of: .train) { for pixel in masks[Int(image) * size..<(Int(image) + 1) * size] { counts[Int(pixel)] += 1 } }
        }
        return Array(counts[..<classCount])
    }
}
