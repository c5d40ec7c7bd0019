import TensorCore

/// Writes the boxes of images as `ImagePreparer` writes the images: changed by the same draws of the geometric augmentations, and in the same size.
///
/// A row is class, x0, y0, x1, y1: the left, upper, right and lower edge in pixels of the image that models get, whose left upper corner is (0, 0). A box
/// becomes the smallest one around its moved corners, and ends at the image's border. One of which less than `leastShare` lies within the image is left
/// out. Rows that hold none have the class −1 and zeros, and come last. What else changes images (random erasing, a program's own augmentations) leaves boxes
/// as they are.
struct BoxPreparer {
    /// How much of a box has to lie within the image, as a share of its area.
    static let leastShare = 0.25
    /// Class, x0, y0, x1, y1.
    static let length = 5

    private let boxes: InstanceBoxes
    private let change: GeometricChange
    private var shape: ImageShape { change.shape }
    private var target: ImageShape { change.target }

    /// The data set must have boxes.
    init(_ dataset: ImageDataset, augmentations: [Augmentation], seed: UInt64) {
        guard let boxes = dataset.images.boxes else { preconditionFailure("\(dataset.name) has no boxes") }
        self.boxes = boxes
        change = GeometricChange(dataset, augmentations: augmentations, seed: seed)
    }

    /// Writes the boxes of image `index` as they look in `epoch`, `[maximum, 5]`.
    func write(_ index: Int, epoch: Int, to output: UnsafeMutablePointer<Float>) {
        let map = change.map(of: index, epoch: epoch)
        var row = output
        for box in boxes.boxes[index] {
            guard let edges = edges(of: box, seenThrough: map) else { continue }
            row[0] = Float(box.label)
            for (place, edge) in resized(edges).enumerated() { row[1 + place] = Float(edge) }
            row += Self.length
        }
        while row < output + boxes.maximum * Self.length {
            row[0] = -1
            (row + 1).update(repeating: 0, count: Self.length - 1)
            row += Self.length
        }
    }

    private typealias Edges = (x0: Double, y0: Double, x1: Double, y1: Double)

    /// Those of a box in the changed image, in its own size; nil where too little of it is left.
    private func edges(of box: InstanceBox, seenThrough map: AffineMap) -> Edges? {
        let width = Double(shape.width), height = Double(shape.height)
        // Where a place of the stored image comes to, both from the centre.
        let determinant = map.a * map.d - map.b * map.c
        func moved(_ x: Float, _ y: Float) -> (x: Double, y: Double) {
            let x = Double(x) - width / 2 - map.x, y = Double(y) - height / 2 - map.y
            return ((map.d * x - map.b * y) / determinant + width / 2, (map.a * y - map.c * x) / determinant + height / 2)
        }
        let corners = [box.x, box.x + box.width].flatMap { x in [box.y, box.y + box.height].map { moved(x, $0) } }
        let xs = corners.map(\.x), ys = corners.map(\.y)
        guard let left = xs.min(), let right = xs.max(), let top = ys.min(), let bottom = ys.max() else { return nil }
        let seen: Edges = (max(left, 0), max(top, 0), min(right, width), min(bottom, height))
        guard seen.x1 > seen.x0, seen.y1 > seen.y0 else { return nil }
        let share = (seen.x1 - seen.x0) * (seen.y1 - seen.y0) / ((right - left) * (bottom - top))
        return share < Self.leastShare ? nil : seen
    }

    /// In the size that models get.
    private func resized(_ edges: Edges) -> [Double] {
        if change.resize == .exact {
            let (x, y) = (Double(target.width) / Double(shape.width), Double(target.height) / Double(shape.height))
            return [edges.x0 * x, edges.y0 * y, edges.x1 * x, edges.y1 * y]
        }
        let x = Double((target.width - shape.width) / 2), y = Double((target.height - shape.height) / 2)
        return [edges.x0 + x, edges.y0 + y, edges.x1 + x, edges.y1 + y]
    }
}

extension ImageDataset {
    /// By how much boxes are wider and higher in the size that models get than in the images' own: 1 where these are cropped or continued and not stretched.
    public var boxScale: (x: Double, y: Double) {
        guard resize == .exact else { return (1, 1) }
        return (Double(shape.width) / Double(images.shape.width), Double(shape.height) / Double(images.shape.height))
    }
}
