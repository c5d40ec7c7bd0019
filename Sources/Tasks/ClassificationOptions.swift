import Configuration
import VisionData

/// `task: {classification: {class_weights: balanced}}`, `task: {classification: {loss: squared_hinge}}`
struct ClassificationOptions: Configurable {
    /// What is made small.
    enum LossKind: String, CaseIterable, Sendable {
        case crossEntropy = "cross_entropy"
        case focal, hinge
        case squaredHinge = "squared_hinge"
        case ordinal
    }

    /// What is made small.
    var loss = LossKind.crossEntropy
    /// Of the focal loss.
    var gamma = 2.0
    /// Of hinge losses.
    var multiclass = ClassificationLoss.Multiclass.oneVersusRest
    /// How much samples of each class count in the loss; nil: all alike.
    var classWeights: ClassWeights?

    static let options: [Key<ClassificationOptions>] = [
        Key("loss", \.loss, .choice, writesDefault: false,
            paper: "focal: Lin et al., ICCV 2017; hinge: Crammer and Singer, JMLR 2, 2001; ordinal: Rennie and Srebro, IJCAI Workshop 2005",
            "What is made small: the cross-entropy; the focal loss, which counts images that are classified well little; the hinge loss of a support vector machine, as it is or squared, whose λ is the optimizer's weight_decay; or, for classes in an order, the cross-entropies of being above each class but the last."),
        Key("gamma", \.gamma, .number(in: 1...16), writesDefault: false, paper: "Lin et al., ICCV 2017",
            "Of loss: focal: how little images that are classified well count; its α are class_weights."),
        Key("multiclass", \.multiclass, .choice, writesDefault: false, paper: "Crammer and Singer, JMLR 2, 2001; Weston and Watkins, ESANN 1999",
            "Of hinge losses: whether each class is set against all others by itself, as scikit-learn's LinearSVC does, against the one of them with the largest margin, or against each of them."),
        Key("class_weights", \.classWeights, .classWeights, paper: "King and Zeng, Political Analysis 9, 2001",
            "How much images of each class count in the training's loss, whose mean over a batch is Σ weight · loss / Σ weight: one number a class, or balanced, n / (classes · images of the class). The losses of validation and test are not weighted. Absent: all alike."),
    ]

    mutating func check(_ fields: inout FieldReader) {
        if loss != .focal, fields.has("gamma") { fields.report("goes with loss: focal", at: "gamma") }
        if loss != .hinge, loss != .squaredHinge, fields.has("multiclass") { fields.report("goes with loss: hinge or squared_hinge", at: "multiclass") }
    }

    /// What is made small, with its options.
    ///
    /// - Throws: `UserError(.usage)` when labels are to be smoothed in a loss that has no probabilities of classes to smooth.
    func loss(labelSmoothing: Double) throws -> ClassificationLoss {
        if loss != .crossEntropy, labelSmoothing > 0 {
            throw UserError(at: "train.label_smoothing", "goes with task.classification.loss: cross_entropy, found \(loss.rawValue); leave this key out")
        }
        return switch loss {
        case .crossEntropy: .crossEntropy
        case .focal: .focal(gamma: gamma)
        case .hinge, .squaredHinge: .hinge(multiclass, isSquared: loss == .squaredHinge)
        case .ordinal: .ordinal
        }
    }
}

/// How much samples of each class count in the loss.
enum ClassWeights: Sendable, Equatable {
    /// All classes count alike together: n / (C · n_c) for each of the n_c training images, or pixels, of a class.
    case balanced
    /// A number above 0 for each class.
    case given([Double])

    /// The weights of the classes of a data set.
    ///
    /// - Throws: `UserError(.usage)` when there are more or fewer classes, or one has no images to be balanced.
    func values(for dataset: ImageDataset) throws -> [Double] {
        try values(for: dataset, counts: dataset.trainingCounts, of: "training images", at: "task.classification.class_weights")
    }

    /// The same for whatever has classes.
    ///
    /// - Parameters:
    ///   - counts: how much there is of each class, in the training.
    ///   - things: what is counted, for the error.
    ///   - key: the path of the option.
    func values(for dataset: ImageDataset, counts: @autoclosure () -> [Int], of things: String, at key: String) throws -> [Double] {
        switch self {
        case .given(let weights):
            guard weights.count == dataset.classCount else {
                throw UserError(at: key, "found \(grouped(weights.count)) weights, expected \(grouped(dataset.classCount)), one for each class of \(dataset.name)")
            }
            return weights
        case .balanced:
            let counts = counts(), total = counts.reduce(0, +)
            if let empty = counts.firstIndex(of: 0) {
                let name = dataset.classNames.map { " (\($0[empty]))" } ?? ""
                throw UserError(at: key, "class \(empty)\(name) of \(dataset.name) has no \(things) by which its weight could be balanced")
            }
            return counts.map { Double(total) / (Double(counts.count) * Double($0)) }
        }
    }
}

extension OptionKind where Value == ClassWeights {
    private static let balanced = "balanced"

    static let classWeights = OptionKind(
        "balanced, or a list of numbers above 0", schema: .either([.names([balanced]), .list(of: .range(from: 0, to: nil, isOpen: false), orOne: false)]),
        read: { fields, key in
            guard let node = fields.node(key) else { return nil }
            guard case .list = node.value else {
                if case .scalar(balanced, _) = node.value { return .balanced }
                fields.report("expected balanced, or a list of numbers above 0, one a class", at: key)
                return nil
            }
            guard let numbers = fields.numbers(key, in: 0...) else { return nil }
            if numbers.contains(0) { fields.report("found 0, expected numbers above 0", at: key) }
            return numbers.isEmpty || numbers.contains(0) ? nil : .given(numbers)
        },
        write: { weights in
            switch weights {
            case .balanced: .text(balanced)
            case .given(let numbers): .list(numbers.map { .scalar($0) })
            }
        })
}
