import TensorCore

/// Writes the masks of images as `ImagePreparer` writes the images: changed by the same draws of the geometric augmentations, and in the same size.
///
/// A pixel has the class of the nearest one of the stored mask; what comes from outside the image is background, class 0, and the border of `data.pad_to` does not count. What else changes images
/// (random erasing, a program's own augmentations) leaves masks as they are.
struct MaskPreparer {
    private let masks: [UInt8]
    private let change: GeometricChange
    private var shape: ImageShape { change.shape }
    private var target: ImageShape { change.target }

    /// The data set must have masks.
    init(_ dataset: ImageDataset, augmentations: [Augmentation], seed: UInt64) {
        guard let masks = dataset.images.masks else { preconditionFailure("\(dataset.name) has no masks") }
        self.masks = masks
        change = GeometricChange(dataset, augmentations: augmentations, seed: seed)
    }

    /// Writes the mask of image `index` as it looks in `epoch`, `[height, width]` of the data set's `shape`.
    func write(_ index: Int, epoch: Int, to output: UnsafeMutablePointer<Int32>) {
        let map = change.map(of: index, epoch: epoch)
        masks.withUnsafeBufferPointer { masks in
            let mask = masks.baseAddress! + index * shape.height * shape.width
            for row in 0..<target.height {
                for column in 0..<target.width {
                    let label = origin(row, column).map { place in
                        source(place, seenThrough: map).map { mask[$0.row * shape.width + $0.column] } ?? 0
                    }
                    output[row * target.width + column] = Int32(label ?? change.borderLabel)
                }
            }
        }
    }

    private typealias Pixel = (row: Int, column: Int)

    /// The pixel of the image in its own size that is nearest to one of the size that models get; nil in the border around it.
    private func origin(_ row: Int, _ column: Int) -> Pixel? {
        if shape.height == target.height, shape.width == target.width { return (row, column) }
        guard change.resize == .exact else {
            let pixel = (row: row - (target.height - shape.height) / 2, column: column - (target.width - shape.width) / 2)
            return isInside(pixel) ? pixel : nil
        }
        return ((2 * row + 1) * shape.height / (2 * target.height), (2 * column + 1) * shape.width / (2 * target.width))
    }

    /// The stored pixel that is nearest to where one of the changed image comes from; nil outside the image.
    private func source(_ pixel: Pixel, seenThrough map: AffineMap) -> Pixel? {
        let found: Pixel
        if let move = map.exactMove {
            found = (pixel.row + move.y, move.isFlipped ? shape.width - 1 - pixel.column + move.x : pixel.column + move.x)
        } else {
            let centerX = Double(shape.width - 1) / 2, centerY = Double(shape.height - 1) / 2
            let x = Double(pixel.column) - centerX, y = Double(pixel.row) - centerY
            func nearest(_ place: Double) -> Int { Int((place + 0.5).rounded(.down)) }
            found = (nearest(map.c * x + map.d * y + map.y + centerY), nearest(map.a * x + map.b * y + map.x + centerX))
        }
        return isInside(found) ? found : nil
    }

    private func isInside(_ pixel: Pixel) -> Bool { (0..<shape.height).contains(pixel.row) && (0..<shape.width).contains(pixel.column) }
}
