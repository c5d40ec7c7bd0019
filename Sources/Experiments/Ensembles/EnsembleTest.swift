import Configuration
import RunStore
import TensorCore
import VisionData

/// What a model is tested on, as far as the members of an ensemble have to agree in it: the classes and their order, and which images, with their labels.
///
/// The same images have the same places in data of the same digest (`LabeledImages.digest`). Where the digests differ, as those of one folder of files in
/// two sizes do, the images in memory are compared by what they hold; a run's images are in memory where the digest that it recorded is theirs, in its
/// size. So files that were changed between two runs are other images: nothing in memory has the digest of both. Solids that are made are the same
/// whatever is given of them: views, be they others or more, or voxels.
struct EnsembleTest {
    /// As messages call the model or the run.
    let name: String
    /// In the order of their labels; nil: there are none.
    let classes: [String]?
    /// Of the images in the order of their places; nil: the run did not keep them.
    let labels: [Int64]?
    /// Of all images of the data.
    let digest: String?
    /// Among the data's own images for the test, or for training of which the images are a fold or are held out.
    let places: [Int32]
    let isOfTraining: Bool
    /// All images of the data; nil where they are not in memory.
    let images: LabeledImages?
    /// The solids of which images are made; nil for images of anything else.
    var solids: SolidShapes?

    /// A sentence about what is other in another test; nil when an ensemble can have both members.
    func difference(from other: EnsembleTest) -> String? {
        func count(_ test: EnsembleTest) -> String { test.classes.map { "\(grouped($0.count)) classes" } ?? "no classes" }
        if classes?.count != other.classes?.count {
            return "\(name) has \(count(self)) and \(other.name) \(count(other)), expected runs of the same classes"
        }
        if let mine = classes, let theirs = other.classes, let place = mine.indices.first(where: { mine[$0] != theirs[$0] }) {
            return "class \(place) of \(name) is '\(mine[place])' and of \(other.name) '\(theirs[place])', expected runs of the same classes in the same order"
        }
        if places.count != other.places.count {
            let counts = "\(grouped(places.count)) images and \(other.name) on \(grouped(other.places.count))"
            return "\(name) is tested on \(counts), expected runs of the same test images"
        }
        if hasSameImages(as: other), labels == nil || other.labels == nil || labels == other.labels { return nil }
        return "\(name) and \(other.name) are tested on different images, expected runs of the same test images"
    }

    /// Whether the images are the same, in the same order.
    func hasSameImages(as other: EnsembleTest) -> Bool {
        if digest == other.digest || solids != nil && solids == other.solids, places == other.places, isOfTraining == other.isOfTraining { return true }
        guard places.count == other.places.count, let images, let others = other.images else { return false }
        return images.digest(of: indices(in: images)) == others.digest(of: other.indices(in: others))
    }

    /// The global indices of the images.
    private func indices(in images: LabeledImages) -> [Int32] {
        let first = Int32((isOfTraining ? images.train : images.test).lowerBound)
        return places.map { $0 + first }
    }
}

extension EnsembleTest {
    /// What the model of an experiment with one kind of data is tested on, or validated on.
    init(_ name: String, _ experiment: Experiment, _ split: Split = .test) {
        let dataset = experiment.dataset, images = dataset.images, indices = dataset.indices(of: split)
        let isOfTraining = split == .test ? dataset.testIsFold : true
        let first = Int32((isOfTraining ? images.train : images.test).lowerBound)
        self.init(
            name: name, classes: dataset.classList, labels: indices.map { Int64(dataset.labels[Int($0)]) }, digest: experiment.dataDigest,
            places: indices.map { $0 - first }, isOfTraining: isOfTraining, images: images, solids: experiment.definition.data.source.solids)
    }

    /// What a run was tested on.
    ///
    /// - Parameter experiment: whose images in memory may be the run's.
    init(_ member: EnsembleMember, _ experiment: Experiment) {
        let description = member.description, split = description.data?.split, names = description.data?.classNames ?? []
        let numbers = split?.treatment?.classNumbers
        self.init(
            name: member.name,
            classes: description.classes.map { count in names.isEmpty ? (numbers ?? Array(0..<count)).map(String.init) : names },
            labels: member.test.tables["labels"]?.integers, digest: description.dataDigest, places: split?.test ?? [], isOfTraining: split?.testIsFold ?? false,
            images: experiment.images(of: description),
            solids: (try? Definition(resolved: description.configuration, name: description.experiment, place: member.folder.runFile))?.data.source.solids)
    }
}

extension Experiment {
    /// The images in memory that a run was trained and tested on, be it in another size; nil where there are none.
    fileprivate func images(of run: RunDescription) -> LabeledImages? {
        guard let digest = run.dataDigest else { return nil }
        let known = [self] + definition.models.compactMap { parts[$0.name] }
        if let same = known.first(where: { $0.dataDigest == digest }) { return same.dataset.images }
        let shape = run.data?.imageShape ?? []
        let sizes = (shape.count == 3 ? [Size2D(shape[0], shape[1])] : []) + [NativeSize.surveyed]
        return known.lazy.map(\.dataset.images).first { images in sizes.contains { images.digest(inSize: $0) == digest } }
    }
}
