import Configuration
import Training
import VisionData

/// `task: {metric_learning: {loss: triplet, mining: semi_hard, embedding: 64}}`
struct MetricLearningOptions: Configurable {
    /// How embeddings of images are compared.
    enum LossKind: String, CaseIterable, Sendable {
        case contrastive, triplet
        case nPair = "n_pair"
        case supcon, simclr
    }

    /// Which triplets count.
    enum Mining: String, CaseIterable, Sendable {
        case all, easy
        case semiHard = "semi_hard"
        case hard
        case batchHard = "batch_hard"
    }

    var loss = LossKind.triplet
    /// nil: the semi-hard ones of triplet.
    var mining: Mining?
    /// How many numbers an embedding has.
    var embedding = 64
    /// Whether embeddings are divided by their length.
    var normalize = true
    /// nil: the loss's own.
    var margin: Double?
    /// nil: the loss's own.
    var temperature: Double?
    /// Among how many nearest images one of the class is looked for.
    var recall = [1, 5, 10]
    /// nil: no episodes.
    var fewShot: FewShotOptions?

    static let options: [Key<MetricLearningOptions>] = [
        Key("loss", \.loss, .choice, paper: "Hadsell et al., CVPR 2006; Schroff et al., CVPR 2015; Sohn, NIPS 2016; Khosla et al., NeurIPS 2020; Chen et al., ICML 2020",
            "How embeddings are compared, within each shard of a batch: pairs (contrastive), triplets (triplet), one pair of each class (n_pair), all images of a class (supcon), or two views of each image, without labels (simclr)."),
        Key("mining", \.mining, .choice, paper: "Schroff et al., CVPR 2015; batch_hard: Hermans et al., 2017",
            "Which triplets count: all; those whose negative is farther than the positive by the margin (easy, which have no loss), by less (semi_hard), or not at all (hard); or of each anchor the farthest positive with the nearest negative (batch_hard). Absent: semi_hard."),
        Key("embedding", \.embedding, .integer(in: 1...4096), "How many numbers an embedding has: the model's answer for one image."),
        Key("normalize", \.normalize, .flag, "Whether embeddings are divided by their Euclidean length, so that they lie on the unit sphere."),
        Key("margin", \.margin, .positive, "By how much images of other classes are to be farther away: of contrastive a distance (absent: 1), of triplet a squared distance (absent: 0.2)."),
        Key("temperature", \.temperature, .number(in: 0.001...1_000), "τ, by which products of embeddings are divided: of n_pair (absent: 1), supcon (absent: 0.1) and simclr (absent: 0.5)."),
        Key("recall", \.recall, .integers(in: 1...100), paper: "Song et al., CVPR 2016", "k of recall@k: the share of images that have one of their class among the k nearest others."),
        Key("few_shot", \.fewShot, .map, paper: "Snell et al., NeurIPS 2017",
            "Episodes in which images are told apart by a few examples of each class, in the test of data.unseen_classes where there are some; absent: none."),
    ]

    mutating func check(_ fields: inout FieldReader) {
        recall.sort()
        let isRead = !fields.errors.hasAny(under: fields.path(of: "recall"))
        if isRead, recall.isEmpty || Set(recall).count < recall.count { fields.report("expected different numbers, such as [1, 5, 10]", at: "recall") }
        if fields.errors.hasAny(under: fields.path(of: "loss")) { return }
        let usesTriplets = loss == .triplet
        if mining != nil, !usesTriplets { fields.report("goes with the loss triplet, not with \(loss.rawValue)", at: "mining") }
        if margin != nil, !usesTriplets, loss != .contrastive { fields.report("goes with contrastive and triplet, not with \(loss.rawValue)", at: "margin") }
        if temperature != nil, usesTriplets || loss == .contrastive { fields.report("goes with n_pair, supcon and simclr, not with \(loss.rawValue)", at: "temperature") }
    }

    var minedTriplets: Mining { mining ?? .semiHard }
    var marginValue: Float { Float(margin ?? (loss == .contrastive ? 1 : 0.2)) }
    var temperatureValue: Float {
        Float(temperature ?? (loss == .simclr ? 0.5 : loss == .supcon ? 0.1 : 1))
    }
}

/// `few_shot: {ways: 5, shots: 1}`
struct FewShotOptions: Configurable {
    /// What an image is compared with.
    enum Classifier: String, CaseIterable, Sendable {
        /// The mean embedding of each class's examples.
        case prototypes
        /// Every example.
        case nearest
    }

    var ways = 5
    var shots = 1
    var queries = 15
    var episodes = 400
    var classifier = Classifier.prototypes

    static let options: [Key<FewShotOptions>] = [
        Key("ways", \.ways, .integer(in: 2...1_000), "N: how many classes an episode has."),
        Key("shots", \.shots, .integer(in: 1...1_000), "K: how many examples of each class."),
        Key("queries", \.queries, .integer(in: 1...1_000), "How many other images of each class are told apart."),
        Key("episodes", \.episodes, .integer(in: 1...100_000), "How many episodes there are, which are the same in all trials."),
        Key("classifier", \.classifier, .choice, paper: "prototypes: Snell et al., NeurIPS 2017; nearest: Vinyals et al., NIPS 2016",
            "Whether an image gets the class whose examples' mean is nearest, or that of the nearest example."),
    ]

    /// How many images of each class an episode takes.
    var imagesPerClass: Int { shots + queries }
}

extension MetricLearning {
    /// The task of a definition.
    ///
    /// - Throws: `UserError(.usage)` when the data or the training ask for what does not go with images that are compared within a shard.
    init(_ options: MetricLearningOptions, of dataset: ImageDataset, training: TrainConfiguration) throws {
        if training.labelSmoothing > 0 { throw UserError(at: "train.label_smoothing", "is of classes, which metric_learning does not ask for; leave this key out") }
        if dataset.sharesSequences { throw UserError(at: "data.size", "metric_learning takes images of one size, and data.size: native gives each in its own") }
        if options.loss != .simclr { try dataset.images.requireLabels() }
        try Self.checkSampling(options.loss, dataset, training)
        if let fewShot = options.fewShot { try Self.check(fewShot, dataset) }
        let absence = options.fewShot.flatMap { Self.absence(of: $0, in: .validation, of: dataset, among: Array(0..<dataset.classCount)) }
        self.init(
            classCount: dataset.classCount, unseenClasses: dataset.unseenClasses, options, storesEmbeddings: training.storesOutputs,
            absenceOfEpisodes: dataset.indices(of: .validation).isEmpty ? nil : absence)
    }

    private static func checkSampling(_ loss: MetricLearningOptions.LossKind, _ dataset: ImageDataset, _ training: TrainConfiguration) throws {
        let key = "data.sampling", places = training.batchSize / training.shards
        let asked = loss == .simclr ? "{views: 2}" : loss == .nPair ? "{classes: 8, images: 2}" : "{classes: 8, images: 4}"
        guard case .sets(let sets) = dataset.sampling else {
            throw UserError(at: key, "\(loss.rawValue) compares images that stand side by side in a shard of the batch; expected sets of them, such as \(asked)")
        }
        let positives = (sets.images ?? 1) * sets.views
        if loss == .simclr {
            if sets.views != 2 { throw UserError(at: key, "simclr compares two views of each image; expected views: 2") }
            if !dataset.isAugmented {
                throw UserError(at: "data.augment", "simclr compares two views of each image, which are alike without augmentations; expected some, such as [{shift: 2}, horizontal_flip]")
            }
        } else {
            guard let classes = sets.classes, classes > 1 else {
                throw UserError(at: key, "\(loss.rawValue) tells classes apart; expected at least 2 side by side, such as \(asked)")
            }
            if positives < 2 { throw UserError(at: "\(key).images", "found 1, and \(loss.rawValue) compares images of a class with each other; expected at least 2") }
            if loss == .nPair, positives != 2 {
                throw UserError(at: key, "n_pair takes two images of each class, and the set has \(grouped(positives)); expected images: 2")
            }
        }
        if sets.drawsClasses ? places != sets.count : !places.isMultiple(of: sets.views) || places < 2 * sets.views {
            let found = sets.drawsClasses ? "a set of \(grouped(sets.count)) images" : "\(sets.views) views of at least 2 images"
            let expected = sets.drawsClasses ? sets.count : max(2, places / sets.views) * sets.views
            throw UserError(at: "train.batch_size", """
                \(found) has to fill a shard, and \(grouped(training.batchSize)) images in \(grouped(training.shards)) shards are \(grouped(places)) in each; \
                expected \(grouped(expected * training.shards)), or other train.shards
                """)
        }
    }

    private static func check(_ fewShot: FewShotOptions, _ dataset: ImageDataset) throws {
        let classes = dataset.unseenClasses.isEmpty ? Array(0..<dataset.classCount) : dataset.unseenClasses, key = "task.metric_learning.few_shot"
        if fewShot.ways > classes.count {
            let which = dataset.unseenClasses.isEmpty ? "classes of \(dataset.name)" : "data.unseen_classes"
            throw UserError(at: "\(key).ways", "found \(grouped(fewShot.ways)), and there are \(grouped(classes.count)) \(which)")
        }
        if let absence = absence(of: fewShot, in: .test, of: dataset, among: classes) { throw UserError(at: key, "\(absence); expected fewer queries or shots") }
    }

    /// Why a split has no episodes; nil where it has enough images of enough classes.
    private static func absence(of fewShot: FewShotOptions, in split: Split, of dataset: ImageDataset, among classes: [Int]) -> String? {
        var counts = [Int](repeating: 0, count: dataset.classCount)
        for image in dataset.indices(of: split) { counts[Int(dataset.labels[Int(image)])] += 1 }
        let enough = classes.count { counts[$0] >= fewShot.imagesPerClass }
        if enough >= fewShot.ways { return nil }
        return """
            an episode takes \(grouped(fewShot.imagesPerClass)) images of each of \(grouped(fewShot.ways)) classes, and the \(split) of \(dataset.name) has as many of \
            \(grouped(enough))
            """
    }
}
