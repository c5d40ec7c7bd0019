import TensorCore

/// Places images of single objects on a canvas: a scene, the class of every pixel, and a box around each object.
///
/// A scene is a function of the options, the objects' images, its part and its place in the part:
///
/// 1. the number of objects is uniform between the two that are given; each has an image, uniform among those of the part (training scenes show training
///    images, test scenes test images), a side and a place, both uniform in whole pixels. A place on which more of its square lies on earlier
///    squares than `overlap` allows is drawn again, at most 20 times, after which the object is left out;
/// 2. an image is brought to its side by bilinear interpolation between pixel centres in fixed point (1/256 pixel). Pixels of at least `threshold` of
///    255 are the object: they cover what lies below, and have its class in the mask. Class 0 is the background, class c + 1 that of label c;
/// 3. every pixel changes by ⌊(a + b − 255) · noise / 255⌋ towards 0, a and b random bytes, and stays within 0 to 255;
/// 4. the label is the class of the object of which most pixels are seen, of equal ones the first. An object of which at least a quarter is seen has a
///    box, around its visible pixels.
///
/// All of it is arithmetic of integers, so scenes are the same on every machine. Streams: `scenes` and `scene noise`, with the part (0 training, 1 test) in the
/// place of the time.
struct SceneMaker {
    private let options: FashionScenes
    private let objects: LabeledImages
    private let values: [UInt8]
    private let maximum: Int
    /// From which value on a pixel belongs to the object.
    private static let threshold = 32
    /// How often a place is drawn.
    private static let triesForPlace = 20

    /// - Parameter objects: images of one channel in bytes.
    init(_ options: FashionScenes, of objects: LabeledImages) {
        guard case .bytes(let values, let maximum) = objects.pixels, objects.shape.channels == 1 else {
            preconditionFailure("scenes are made of grey images in bytes")
        }
        (self.options, self.objects, self.values, self.maximum) = (options, objects, values, Int(maximum))
    }

    /// All scenes, as the data set of this name.
    func scenes(_ dataset: NamedDataset) -> LabeledImages {
        let count = options.trainCount + options.testCount, size = options.canvas * options.canvas
        var masks = [UInt8](repeating: 0, count: count * size), labels: [Int32] = [], boxes: [[InstanceBox]] = []
        let pixels = [UInt8](unsafeUninitializedCapacity: count * size) { pixels, initialized in
            masks.withUnsafeMutableBufferPointer { masks in
                for scene in 0..<count {
                    let isTest = scene >= options.trainCount, room = scene * size..<(scene + 1) * size
                    let made = make(
                        isTest ? scene - options.trainCount : scene, isTest: isTest, pixels: UnsafeMutableBufferPointer(rebasing: pixels[room]),
                        mask: UnsafeMutableBufferPointer(rebasing: masks[room]))
                    labels.append(made.label)
                    boxes.append(made.boxes)
                }
            }
            initialized = count * size
        }
        return LabeledImages(
            name: dataset.name, shape: ImageShape(height: options.canvas, width: options.canvas, channels: 1), pixels: .bytes(pixels, maximum: 255),
            labels: labels, classCount: dataset.classNames.count, classNames: dataset.classNames, train: 0..<options.trainCount, validation: nil,
            test: options.trainCount..<count, masks: masks, boxes: InstanceBoxes(maximum: options.garments[1], boxes))
    }

    /// An image on the canvas.
    private struct Placed {
        let image: Int
        let label: Int32
        let x, y, side: Int

        /// How many pixels two squares share.
        func shared(with other: Placed) -> Int {
            func length(_ a: Int, _ aSide: Int, _ b: Int, _ bSide: Int) -> Int { max(0, min(a + aSide, b + bSide) - max(a, b)) }
            return length(x, side, other.x, other.side) * length(y, side, other.y, other.side)
        }
    }

    private func make(
        _ scene: Int, isTest: Bool, pixels: UnsafeMutableBufferPointer<UInt8>, mask: UnsafeMutableBufferPointer<UInt8>
    ) -> (label: Int32, boxes: [InstanceBox]) {
        let time: UInt64 = isTest ? 1 : 0, placed = place(scene, isTest: isTest, time: time), canvas = options.canvas
        pixels.initialize(repeating: 0)
        // Which object is seen at a pixel, from 1.
        var owners = [UInt8](repeating: 0, count: canvas * canvas), sizes = [Int](repeating: 0, count: placed.count)
        for (number, object) in placed.enumerated() {
            for row in 0..<object.side {
                for column in 0..<object.side {
                    let value = value(of: object, row: row, column: column)
                    guard value >= Self.threshold else { continue }
                    let pixel = (object.y + row) * canvas + object.x + column
                    (pixels[pixel], mask[pixel], owners[pixel]) = (UInt8(value), UInt8(object.label), UInt8(number + 1))
                    sizes[number] += 1
                }
            }
        }
        addNoise(options.noise, to: pixels, draws: PhiloxStream(seed: options.seed, name: "scene noise").draws(time: time, sample: UInt64(scene)))
        return found(placed, owners, sizes)
    }

    private func place(_ scene: Int, isTest: Bool, time: UInt64) -> [Placed] {
        var draws = PhiloxStream(seed: options.seed, name: "scenes").draws(time: time, sample: UInt64(scene))
        let part = isTest ? objects.test : objects.train
        func draw(_ bounds: [Int]) -> Int { bounds[0] + draws.integer(below: bounds[1] - bounds[0] + 1) }
        // In thousandths.
        let overlap = Int((options.overlap * 1_000).rounded())
        var placed: [Placed] = []
        for _ in 0..<draw(options.garments) {
            let image = part.lowerBound + draws.integer(below: part.count), side = draw(options.sides)
            for _ in 0..<Self.triesForPlace {
                let x = draw([0, options.canvas - side]), y = draw([0, options.canvas - side])
                let object = Placed(image: image, label: objects.labels[image] + 1, x: x, y: y, side: side)
                let covered = placed.reduce(0) { $0 + object.shared(with: $1) }
                guard covered * 1_000 <= overlap * side * side else { continue }
                placed.append(object)
                break
            }
        }
        return placed
    }

    /// A pixel of an image at its side, from 0 to 255.
    private func value(of object: Placed, row: Int, column: Int) -> Int {
        let height = objects.shape.height, width = objects.shape.width, start = object.image * height * width
        /// The pixel before a place, the one after it, and how far it is from the first, in 1/256.
        func neighbours(_ place: Int, _ length: Int) -> (first: Int, second: Int, weight: Int) {
            let position = min(max((2 * place + 1) * length * 128 / object.side - 128, 0), (length - 1) * 256)
            return (position >> 8, min((position >> 8) + 1, length - 1), position & 255)
        }
        let (top, bottom, down) = neighbours(row, height), (left, right, along) = neighbours(column, width)
        func mixture(_ row: Int) -> Int {
            Int(values[start + row * width + left]) * (256 - along) + Int(values[start + row * width + right]) * along
        }
        return ((mixture(top) * (256 - down) + mixture(bottom) * down) * 255 / maximum + 32_768) >> 16
    }

    /// The label of a scene, and the boxes of its objects.
    private func found(_ placed: [Placed], _ owners: [UInt8], _ sizes: [Int]) -> (label: Int32, boxes: [InstanceBox]) {
        var best = (label: placed[0].label, count: 0), boxes: [InstanceBox] = []
        for (number, object) in placed.enumerated() {
            var count = 0, rows = (first: Int.max, last: -1), columns = (first: Int.max, last: -1)
            for row in object.y..<object.y + object.side {
                for column in object.x..<object.x + object.side where owners[row * options.canvas + column] == number + 1 {
                    count += 1
                    rows = (min(rows.first, row), max(rows.last, row))
                    columns = (min(columns.first, column), max(columns.last, column))
                }
            }
            if count > best.count { best = (object.label, count) }
            guard count > 0, 4 * count >= sizes[number] else { continue }
            boxes.append(InstanceBox(
                label: object.label, x: Float(columns.first), y: Float(rows.first), width: Float(columns.last - columns.first + 1),
                height: Float(rows.last - rows.first + 1)))
        }
        return (best.label, boxes)
    }
}
