import TensorCore

/// How what belongs to the places of images changes with them: by the same draws of the geometric augmentations, and into the same size.
struct GeometricChange {
    /// Of stored images.
    let shape: ImageShape
    /// Of those that models get.
    let target: ImageShape
    let resize: ResizeKind
    /// The class of the pixels around an image that stays as it is.
    let borderLabel: UInt8
    private let augmentations: [Augmentation]
    private let stream: PhiloxStream

    init(_ dataset: ImageDataset, augmentations: [Augmentation], seed: UInt64) {
        (shape, target, resize, borderLabel) = (dataset.images.shape, dataset.shape, dataset.resize, dataset.borderLabel)
        self.augmentations = augmentations
        stream = ImagePreparer.stream(seed: seed)
    }

    /// Where the pixels of image `index` come from in `epoch`, both in the stored image's size.
    func map(of index: Int, epoch: Int) -> AffineMap {
        if augmentations.isEmpty { return .identity }
        var draws = stream.draws(time: UInt64(epoch), sample: UInt64(index))
        return .drawn(by: augmentations, from: &draws)
    }
}
