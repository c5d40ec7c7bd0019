import Configuration
import TensorCore
import VisionData

/// `task: {detection: {grid: 4, boxes: 2}}`, `task: {detection: {method: anchors, strides: [8, 16, 32]}}`
struct DetectionOptions: Configurable {
    /// What an answer's numbers stand for.
    enum Method: String, CaseIterable, Sendable {
        /// YOLO's: boxes and classes of the cells of a grid over the image, one vector.
        case grid
        /// RetinaNet's: classes and a box for each of many anchors.
        case anchors
    }

    /// How far a box of an anchor is from that of its object.
    enum BoxLoss: String, CaseIterable, Sendable {
        case smoothL1 = "smooth_l1"
        case l1
        case ciou
    }

    var method = Method.grid
    /// Cells along each side of the image.
    var grid = 7
    /// Boxes of a cell.
    var boxes = 2
    var coordinateWeight = 5.0
    var backgroundWeight = 0.5
    /// Pixels from cell to cell, level after level.
    var strides = [8, 16, 32, 64, 128]
    /// The side of the smallest anchors of a level, in strides.
    var anchorScale = 4.0
    /// How many sizes of anchors a cell has.
    var scales = 3
    /// Heights of anchors over their widths.
    var ratios = [0.5, 1, 2]
    var boxLoss = BoxLoss.smoothL1
    var alpha = 0.25
    var gamma = 2.0
    var scoreThreshold = 0.01
    var suppression = 0.5

    static let options: [Key<DetectionOptions>] = [
        Key("method", \.method, .choice, paper: "grid: Redmon et al., CVPR 2016; anchors: Lin et al., ICCV 2017",
            "What an answer's numbers stand for: boxes of the cells of a grid, of any model that answers with a vector, or classes and boxes of anchors, of retinanet."),
        Key("grid", \.grid, .integer(in: 1...64), "Of method grid: how many cells there are along each side of the image."),
        Key("boxes", \.boxes, .integer(in: 1...16), "Of method grid: how many boxes a cell has."),
        Key("coordinate_weight", \.coordinateWeight, .number(in: 0...), "Of method grid: by how much the errors of boxes' centres and sizes count, λ_coord."),
        Key("background_weight", \.backgroundWeight, .number(in: 0...), "Of method grid: by how much the confidences of boxes without an object count, λ_noobj."),
        Key("strides", \.strides, .integers(in: 1...4_096), "Of method anchors: the pixels between the cells of each level, as the model has them."),
        Key("anchor_scale", \.anchorScale, .positive, "Of method anchors: the side of the smallest anchors of a level, in strides."),
        Key("scales", \.scales, .integer(in: 1...16), "Of method anchors: how many sizes of anchors a cell has, from one to just below twice as much."),
        Key("ratios", \.ratios, .numbers(in: 0.01...100, "a list of numbers from 0.01 to 100"), "Of method anchors: their heights over their widths."),
        Key("box_loss", \.boxLoss, .choice, paper: "smooth_l1: Girshick, ICCV 2015; ciou: Zheng et al., AAAI 2020",
            "Of method anchors: how far boxes are from those of their objects: the absolute differences of their encoded numbers, the same rounded below 1/9, or the complete IoU loss."),
        Key("alpha", \.alpha, .number(in: 0...1), paper: "Lin et al., ICCV 2017", "Of method anchors: the weight of the classes that are there in the focal loss; others have 1 − α."),
        Key("gamma", \.gamma, .number(in: 1...16), paper: "Lin et al., ICCV 2017", "Of method anchors: how little the focal loss counts classes that are found well."),
        Key("score_threshold", \.scoreThreshold, .number(in: 0..<1), "Which score a box has to have at least to be found."),
        Key("suppression", \.suppression, .number(in: 0...1), "How much of two found boxes of a class may overlap, as IoU; of those that overlap more the one with the higher score is kept."),
    ]

    /// The keys of one method alone.
    private static let ofGrid = ["grid", "boxes", "coordinate_weight", "background_weight"]
    private static let ofAnchors = ["strides", "anchor_scale", "scales", "ratios", "box_loss", "alpha", "gamma"]

    mutating func check(_ fields: inout FieldReader) {
        for key in method == .grid ? Self.ofAnchors : Self.ofGrid where fields.node[key] != nil {
            fields.report("goes with method: \(method == .grid ? Method.anchors.rawValue : Method.grid.rawValue)", at: key)
        }
        for (key, isEmpty) in [("strides", strides.isEmpty), ("ratios", ratios.isEmpty)] where isEmpty && !fields.errors.hasAny(under: fields.path(of: key)) {
            fields.report("expected at least one \(key.dropLast())", at: key)
        }
    }

    /// - Parameter maximum: how many objects an image has at most.
    func makeMethod(shape: ImageShape, classCount: Int, maximum: Int) -> any DetectionMethod {
        switch method {
        case .grid: GridDetection(self, shape: shape, classCount: classCount, maximum: maximum)
        case .anchors: AnchorDetection(self, shape: shape, classCount: classCount, maximum: maximum)
        }
    }
}

extension ObjectDetection {
    /// The task of a definition, on samples that have boxes.
    ///
    /// - Throws: `UserError(.usage)` when they have none, or the data or the training ask for what boxes do not have.
    init(_ options: DetectionOptions, of dataset: ImageDataset, labelSmoothing: Double) throws {
        let maximum = try dataset.requireBoxes(for: "detection")
        if labelSmoothing > 0 { throw UserError(at: "train.label_smoothing", "goes with a cross-entropy, which detection has not; leave this key out") }
        let finding = FindingOptions(scoreThreshold: options.scoreThreshold, suppression: options.suppression)
        self.init(
            options.makeMethod(shape: dataset.shape, classCount: dataset.classCount, maximum: maximum), maximum: maximum, classCount: dataset.classCount, finding)
    }
}

extension ImageDataset {
    /// How many boxes an image has at most.
    ///
    /// - Throws: `UserError(.usage)` when there are none, or the data ask for what boxes do not have.
    func requireBoxes(for task: String) throws -> Int {
        guard let boxes = images.boxes else {
            throw UserError(at: "data", "\(name) has no boxes, which \(task) needs; expected a data set with the boxes of objects, such as fashion-scenes")
        }
        if !indices(of: .train).contains(where: { !boxes.boxes[Int($0)].isEmpty }) {
            throw UserError(at: "data", "no training image of \(name) has an object, of which \(task) could learn")
        }
        if classNumbers != nil { throw UserError(at: "data.classes", "boxes have all classes; leave this key out for \(task)") }
        if !relabeledImages.isEmpty { throw UserError(at: "data.label_noise", "changes the labels of images, which \(task) does not see; leave this key out") }
        return boxes.maximum
    }
}
