import Configuration
import Foundation
import Layers
import Training
import VisionData

/// What is done to images before a model sees them.
enum Corruption: Sendable, Equatable {
    /// Noise of this standard deviation is added; what leaves the range from 0 to 1 is cut off.
    case gaussian(deviation: Double)
    /// This share of the pixels becomes black.
    case masking(share: Double)
    /// This share of the pixels becomes black or white.
    case saltAndPepper(share: Double)
    /// A square of this share of the shorter side becomes gray, at a random place.
    case square(side: Double)

    static let kind = OptionKind<Corruption>.variants("corruption", [
        Variant("gaussian", .number(in: 0...10), default: 0.3, paper: "Vincent et al., ICML 2008", "Adds normal noise of this standard deviation, of pixels from 0 to 1, and cuts off what leaves that range.",
            make: { .gaussian(deviation: $0) }, part: { if case .gaussian(let deviation) = $0 { deviation } else { nil } }),
        Variant("masking", .number(in: 0...1), default: 0.5, paper: "Vincent et al., ICML 2008", "Makes this share of the pixels black.",
            make: { .masking(share: $0) }, part: { if case .masking(let share) = $0 { share } else { nil } }),
        Variant("salt_and_pepper", .number(in: 0...1), default: 0.25, paper: "Vincent et al., JMLR 11, 2010", "Makes this share of the pixels black or white, each as often.",
            make: { .saltAndPepper(share: $0) }, part: { if case .saltAndPepper(let share) = $0 { share } else { nil } }),
        Variant("square", .number(in: 0...1), default: 0.5, paper: "Pathak et al., CVPR 2016", "Hides a square, whose side is this part of the image's shorter one, at a random place: what is left is to be completed.",
            make: { .square(side: $0) }, part: { if case .square(let side) = $0 { side } else { nil } }),
    ])
}

extension Corruption {
    /// How seldom an image may be left without a hidden pixel, where hidden pixels alone count.
    private static let rareness = 1e-6

    /// What is to be said of so many pixels, of which some have to be hidden; nil where some are in all images but one in a million.
    fileprivate func doubt(ofPixels count: Int) -> String? {
        let share: Double
        switch self {
        case .masking(let given), .saltAndPepper(let given): share = given
        case .gaussian, .square: return nil
        }
        guard pow(1 - share, Double(count)) > Self.rareness else { return nil }
        let least = 1 - pow(Self.rareness, 1 / Double(count)), digits = (least * 1000).rounded(.up) / 1000
        return "a share of \(share) hides no pixel of some images of \(grouped(count)) pixels, of which hidden pixels alone count; expected at least \(digits)"
    }
}

/// `task: {reconstruction: {loss: bce, corruption: {gaussian: 0.3}}}`
struct ReconstructionOptions: Configurable {
    /// How far an image is from what it should be.
    enum LossKind: String, CaseIterable, Sendable {
        case mse, l1, bce, luminance, ssim
    }

    /// Which pixels count.
    enum Counted: String, CaseIterable, Sendable {
        case all
        /// Those that the corruption changed or took.
        case hidden
    }

    var loss = LossKind.mse
    var corruption: Corruption?
    var counted = Counted.all
    /// What images are filtered with to have what is to be found; nil: nothing.
    var target: ImageKernel?
    /// How many of the nearest images by code are listed.
    var neighbours = 0

    static let options: [Key<ReconstructionOptions>] = [
        Key("loss", \.loss, .choice, paper: "ssim: Wang et al., IEEE Transactions on Image Processing 13, 2004",
            "How far an answer is from its image: the mean of squared differences (mse), of absolute ones (l1), of squared differences of the luminance alone, the binary cross-entropy of pixels from 0 to 1, whose logits the model then gives (bce), or one less the structural similarity (ssim)."),
        Key("corruption", \.corruption, Corruption.kind, "What is done to an image before the model sees it, drawn anew for each image and step, and in evaluations the same each time, for one train.batch_size; absent: nothing."),
        Key("counted", \.counted, .choice, "Which pixels the loss counts: all, or those alone that the corruption hid."),
        Key("target", \.target, .choice, "A filter that makes of an image what is to be found; absent: the image is."),
        Key("neighbours", \.neighbours, .integer(in: 0...100), paper: "Hinton and Salakhutdinov, Science 313, 2006",
            "How many of the nearest images by code an image is compared with: their classes are a measure, and the test lists them."),
    ]

    mutating func check(_ fields: inout FieldReader) {
        if counted == .hidden, !fields.errors.hasAny(under: fields.path(of: "corruption")) {
            switch corruption {
            case nil: fields.report("goes with a corruption, of which there is none", at: "counted")
            case .gaussian: fields.report("goes with a corruption that hides pixels: masking, salt_and_pepper or square; gaussian changes all", at: "counted")
            case .masking(share: 0), .saltAndPepper(share: 0): fields.report("found a share of 0, which hides no pixel", at: "corruption")
            default: break
            }
            if loss == .ssim { fields.report("goes with a loss of single pixels; ssim compares windows", at: "counted") }
        }
        if loss == .bce, let target, target.values.contains(where: { $0 < 0 }) {
            fields.report("\(target.rawValue) gives values below 0, and bce takes values from 0 to 1; expected box, gaussian or gaussian_5, or another loss", at: "target")
        }
    }
}

extension Reconstruction {
    /// The task of a definition.
    ///
    /// - Throws: `UserError(.usage)` when the data or the training ask for what does not go with images that are their own answers.
    init(_ options: ReconstructionOptions, of dataset: ImageDataset, _ training: TrainConfiguration) throws {
        if training.labelSmoothing > 0 { throw UserError(at: "train.label_smoothing", "is of classes, which reconstruction does not ask for; leave this key out") }
        if dataset.sharesSequences { throw UserError(at: "data.size", "reconstruction takes images of one size, and data.size: native gives each in its own") }
        if options.loss == .luminance, dataset.shape.channels != 3 {
            throw UserError(at: "task.reconstruction.loss", "luminance is of images with 3 channels, and those of \(dataset.name) are \(dataset.shape); expected mse")
        }
        if options.loss == .bce, let outside = dataset.images.valueOutsideUnit {
            throw UserError(at: "task.reconstruction.loss", "bce takes pixels from 0 to 1, and \(dataset.name) has \(outside); expected mse or l1")
        }
        if options.counted == .hidden, let sentence = options.corruption?.doubt(ofPixels: dataset.shape.height * dataset.shape.width) {
            throw UserError(at: "task.reconstruction.corruption", sentence)
        }
        self.init(
            shape: dataset.shape, mean: dataset.normalization.mean.map { Float($0) }, deviation: dataset.normalization.std.map { Float($0) }, options,
            storesCodes: training.storesOutputs)
    }
}

extension LabeledImages {
    /// The first value of images stored as numbers that lies below 0 or above 1; nil: there is none.
    fileprivate var valueOutsideUnit: Float? {
        if case .floats(let values) = pixels { values.first { !(0...1).contains($0) } } else { nil }
    }
}
