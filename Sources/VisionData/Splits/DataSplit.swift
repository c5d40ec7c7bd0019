import Configuration
import TensorCore

/// Which images of a data set are used for what, and under which labels.
///
/// 1. The classes of `classes` are kept, in every part of the data set, and numbered in that order.
/// 2. With `folds`, the training images are cut into folds (`Folds`). One of them is the test in the place of the data set's own test images,
///    which are not used, and the others are the training images.
/// 3. The training images are shuffled with the stream `split` of the seed. The first ones are held out for validation, unless the data set brings
///    its own validation images; in folders whole groups, or as many of each class.
/// 4. Of the rest `train_examples`, or `images_per_class` of each class, are the training split. So its size changes neither the validation split nor
///    the order, and a smaller one lies within a larger one.
///    `unseen_classes` have none in it, and none for validation.
/// 5. `imbalance` thins out its classes (`ClassQuotas.longTailed`), and `label_noise` replaces some of its labels (`LabelNoise`).
struct DataSplit {
    /// Global indices of the images of each split, ascending.
    let train, validation, test: [Int32]
    /// By global index; of the training images as the training sees them, −1 for images of classes that are left out.
    let labels: [Int32]
    /// Labels are from 0 up to it.
    let classCount: Int
    /// By label, where the data set names its classes.
    let classNames: [String]?
    /// What the classes are numbered in the data set; nil where all of them are used.
    let classNumbers: [Int]?
    /// Global indices of training images that have a label other than their own, ascending.
    let relabeled: [Int32]
    /// The labels of classes that only the test has, ascending.
    let unseen: [Int]

    /// - Throws: `UserError(.usage)` when the configuration asks for more than there is.
    init(_ images: LabeledImages, _ configuration: DataConfiguration) throws {
        let seed = configuration.splitSeed
        func order(_ images: [Int32], stream: String) -> [Int32] { shuffled(images, stream: PhiloxStream(seed: seed, name: stream), time: 0) }
        if images.validation != nil {
            if configuration.validation != nil {
                throw UserError(at: "data.validation", "\(images.name) brings its own validation images; leave this key out")
            }
            if configuration.folds != nil {
                throw UserError(at: "data.folds", "\(images.name) brings its own validation images, which would be those of every fold; expected training images alone")
            }
        }
        let classNumbers = try configuration.classes.map { try images.labels(of: $0, at: "data.classes") }
        var labels = images.labels(numberedBy: classNumbers)
        let classCount = classNumbers?.count ?? images.classCount
        let classNames = images.classNames.map { names in classNumbers?.map { names[$0] } ?? names }
        func used(_ range: Range<Int>) -> [Int32] { range.map(Int32.init).filter { labels[Int($0)] >= 0 } }
        func describe(_ label: Int) -> String { images.describeClass(classNumbers?[label] ?? label) }
        try Self.requireClasses(of: images, configuration, describe)

        let groups: ((Int32) -> String?)? = images.groups.map { groups in { groups[Int($0)] } }
        var pool = used(images.train), testPool = used(images.test)
        if let count = configuration.folds {
            var folds = try Folds(count, of: pool, labels: labels, group: groups, seed: seed, of: images.name, describe: describe).parts
            testPool = folds.remove(at: configuration.fold ?? 0)
            pool = folds.flatMap(\.self).sorted()
        }

        let unseen = try images.unseenLabels(configuration.unseenClasses, among: classNumbers), trained = (0..<classCount).filter { !unseen.contains($0) }
        func isSeen(_ image: Int32) -> Bool { !unseen.contains(Int(labels[Int(image)])) }
        if !unseen.isEmpty { pool = pool.filter(isSeen) }

        var shuffledPool = order(pool, stream: "split")
        var heldOut = images.validation == nil ? (configuration.validation ?? .default).count(of: pool.count) : 0
        guard heldOut < pool.count else {
            throw UserError(at: "data.validation", "\(heldOut) images held out, but \(images.name) has only \(pool.count) training images")
        }
        if images.files != nil || configuration.isStratified, heldOut > 0 {
            if let groups {
                let front = wholeGroups(of: shuffledPool, by: groups, atLeast: heldOut), chosen = Set(front)
                (shuffledPool, heldOut) = (front + shuffledPool.filter { !chosen.contains($0) }, front.count)
            } else {
                shuffledPool = stratified(shuffledPool, labels, heldOut)
            }
        }
        validation = images.validation.map { used($0).filter(isSeen) } ?? shuffledPool[..<heldOut].sorted()

        let rest = Array(shuffledPool[heldOut...])
        let subset = try Self.subset(of: rest, configuration, ClassQuotas(rest, labels: labels, classCount: classCount), trained, heldOut: heldOut, of: images.name, describe)
        train = try Self.thinned(subset, configuration, ClassQuotas(subset, labels: labels, classCount: classCount), describe).sorted()
        let testCount = configuration.testExamples ?? testPool.count
        guard testCount <= testPool.count else {
            throw UserError(at: "data.test_examples", "\(testCount) images asked for, but \(images.name) has \(testPool.count) test images")
        }
        test = order(testPool, stream: "test subset")[..<testCount].sorted()

        relabeled = configuration.labelNoise.apply(to: &labels, of: train, classCount: classCount, seed: seed)
        let counts = ClassQuotas(train, labels: labels, classCount: classCount).counts
        if case .sets(let sets) = configuration.sampling { try sets.check(counts, of: trained, of: images.name, describe) }
        if configuration.sampling == .balanced, let empty = trained.first(where: { counts[$0] == 0 }) {
            throw UserError(at: "data.sampling", "balanced draws each class equally often, but \(describe(empty)) of \(images.name) has no training images")
        }
        (self.labels, self.classCount, self.classNames, self.classNumbers, self.unseen) = (labels, classCount, classNames, classNumbers, unseen)
    }

    /// Masks and boxes may have classes that no image has as its own, such as a background.
    ///
    /// - Throws: `.usage` for what goes by the classes of images, where one has none.
    private static func requireClasses(of images: LabeledImages, _ configuration: DataConfiguration, _ describe: (Int) -> String) throws {
        guard images.masks != nil || images.boxes != nil, configuration.classes == nil else { return }
        let keys = [
            ("sampling", configuration.sampling != .shuffled), ("images_per_class", configuration.imagesPerClass != nil), ("imbalance", configuration.imbalance != 1),
        ]
        guard let key = keys.first(where: \.1)?.0 else { return }
        let present = Set(images.labels[images.train])
        if let missing = (0..<images.classCount).first(where: { !present.contains(Int32($0)) }) {
            throw UserError(
                at: "data.\(key)", """
                    goes by the class of an image, that of its largest object or of most of its pixels; no training image of \(images.name) is of \(describe(missing)), \
                    so leave this key out
                    """)
        }
    }

    /// What of the training images after the validation split is used.
    private static func subset(
        of rest: [Int32], _ configuration: DataConfiguration, _ quotas: ClassQuotas, _ trained: [Int], heldOut: Int, of name: String, _ describe: (Int) -> String
    ) throws -> [Int32] {
        if let count = configuration.imagesPerClass {
            if let label = trained.first(where: { quotas.counts[$0] < count }) {
                throw UserError(
                    at: "data.images_per_class",
                    "found \(grouped(count)), but \(describe(label)) of \(name) has \(counted(quotas.counts[label], "training image", "training images")) after \(heldOut == 1 ? "1 image was" : "\(grouped(heldOut)) images were") held out")
            }
            return quotas.keeping(quotas.counts.map { _ in count })
        }
        let count = configuration.trainExamples ?? rest.count
        guard count <= rest.count else {
            throw UserError(at: "data.train_examples", """
                \(count) images asked for, but \(name) has \(rest.count) \
                training images after \(heldOut) were held out
                """)
        }
        return Array(rest[..<count])
    }

    private static func thinned(_ images: [Int32], _ configuration: DataConfiguration, _ quotas: ClassQuotas, _ describe: (Int) -> String) throws -> [Int32] {
        if configuration.imbalance == 1 { return images }
        let kept = quotas.longTailed(configuration.imbalance)
        if let label = kept.firstIndex(of: 0) {
            throw UserError(
                at: "data.imbalance",
                "found \(YAML.line(.scalar(configuration.imbalance))), which leaves no image of \(describe(label)); the largest class keeps \(grouped(kept.max() ?? 0))")
        }
        return quotas.keeping(kept)
    }

    /// Whether anything but the plain split of a data set was asked for, which a run then says in numbers.
    static func isTreated(_ configuration: DataConfiguration) -> Bool {
        configuration.classes != nil || configuration.folds != nil || configuration.imagesPerClass != nil || configuration.imbalance != 1
            || configuration.labelNoise != .none || configuration.sampling != .shuffled || configuration.unseenClasses != nil
    }
}

extension LabeledImages {
    /// The labels by global index, numbered anew by the places of the classes in a list; −1 for classes that are not in it.
    fileprivate func labels(numberedBy classes: [Int]?) -> [Int32] {
        guard let classes else { return labels }
        var numbers = [Int32](repeating: -1, count: classCount)
        for (number, label) in classes.enumerated() { numbers[label] = Int32(number) }
        return labels.map { numbers[Int($0)] }
    }

    /// The labels of the classes that training does not see, ascending.
    ///
    /// - Throws: `UserError(.usage)` when one of them is not there, or fewer than two are left.
    fileprivate func unseenLabels(_ names: [ClassName]?, among classNumbers: [Int]?) throws -> [Int] {
        guard let names else { return [] }
        let key = "data.unseen_classes"
        let unseen = try labels(of: names, at: key).map { number in
            guard let classNumbers else { return number }
            if let label = classNumbers.firstIndex(of: number) { return label }
            throw UserError(at: key, "\(describeClass(number)) of \(name) is not among data.classes")
        }
        let count = classNumbers?.count ?? classCount
        if count - unseen.count < 2 {
            throw UserError(at: key, "\(grouped(unseen.count)) of the \(grouped(count)) classes of \(name) leave fewer than two to train on")
        }
        return unseen.sorted()
    }

    /// The groups of image files by global index; nil where there are none.
    fileprivate var groups: [String?]? {
        guard case .files(let files) = pixels else { return nil }
        let groups = files.entries.map(\.group)
        return groups.contains { $0 != nil } ? groups : nil
    }
}

/// The same images with `count` in front that have as many of each class as its part of all is; ties go to the smaller class.
private func stratified(_ order: [Int32], _ labels: [Int32], _ count: Int) -> [Int32] {
    let members = Dictionary(grouping: order) { labels[Int($0)] }
    let shares = members.map { label, images in (label: label, exact: Double(count) * Double(images.count) / Double(order.count)) }
        .sorted { $0.label < $1.label }
    var counts = Dictionary(uniqueKeysWithValues: shares.map { ($0.label, Int($0.exact)) })
    let rest = count - counts.values.reduce(0, +)
    for share in shares.sorted(by: { ($0.exact - $0.exact.rounded(.down), -$0.label) > ($1.exact - $1.exact.rounded(.down), -$1.label) }).prefix(rest) {
        counts[share.label]! += 1
    }
    var front: [Int32] = [], back: [Int32] = []
    for image in order {
        let label = labels[Int(image)]
        if counts[label]! > 0 {
            counts[label]! -= 1
            front.append(image)
        } else { back.append(image) }
    }
    return front + back
}
