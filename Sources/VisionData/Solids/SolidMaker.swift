import TensorCore

/// Makes solids and what is seen of them.
///
/// A solid is a function of the options, its part and its place in the part. Lengths are in 1/256 voxel, x to the right, y down, z away from the
/// viewer, 0 in the middle of the 32×32×32 voxels; voxel i of an axis has its centre at (2i − 31) · 128:
///
/// 1. drawn uniformly, in this order: the kind (the label), half the extent along u, v and w between the two `sizes`, the share (22 to 36 hundredths for
///    a torus, 30 to 45 for an L-shape, 25 to 40 for a cross, none for others), the angles about x, y and z in whole degrees (only about y for `upright`
///    ones), and x, y and z of its middle, up to 2 voxels from 0;
/// 2. it is turned by R = Rz · Ry · Rx (`FixedRotation`). A voxel whose centre is p belongs to it if `Solid` holds Rᵀ(p − middle), rounded down, and has
///    255, others 0;
/// 3. camera k stands 30° above the horizon, turned by 30° · k about the upright axis: it sees the voxels of the solid turned by V = Rx(30°) · Ry(30° · k),
///    its middle too. A pixel at which the first filled voxel lies at depth d from 0 has 255 − 6d, others 0. Of n views camera 12 i / n gives view i;
/// 4. noise as on scenes: every value changes by ⌊(a + b − 255) · noise / 255⌋ towards 0, a and b random bytes, and stays within 0 to 255.
///
/// All of it is arithmetic of integers, so solids are the same on every machine. Streams: `solids` and `solid noise`, with the part (0 training, 1 test) in
/// the place of the time. Corners of the largest may lie outside the voxels, and are cut off.
struct SolidMaker {
    /// Of the voxels, and of a picture.
    static let side = 32
    static let cameraCount = 12
    private static let elevation = 30
    /// How many units a voxel has.
    private static let unit = 256
    /// How far the middle may lie from 0, in voxels.
    private static let distance = 2
    /// How much darker each voxel of depth makes a pixel.
    private static let shade = 6

    private let options: SolidShapes
    private let cameras: [FixedRotation]

    init(_ options: SolidShapes) {
        self.options = options
        cameras = (0..<options.views).map { view in
            FixedRotation(axis: 0, degrees: Self.elevation)
                * FixedRotation(axis: 1, degrees: 360 / Self.cameraCount * (view * Self.cameraCount / options.views))
        }
    }

    /// All solids, as the data set `shapes-3d`.
    func solids() -> LabeledImages {
        let count = options.trainCount + options.testCount, shape = options.shape, dataset = NamedDataset.shapes3D
        var labels: [Int32] = []
        let values = [UInt8](unsafeUninitializedCapacity: count * shape.count) { values, initialized in
            values.initialize(repeating: 0)
            for number in 0..<count {
                let isTest = number >= options.trainCount, sample = UInt64(isTest ? number - options.trainCount : number), time: UInt64 = isTest ? 1 : 0
                let room = UnsafeMutableBufferPointer(rebasing: values[number * shape.count..<(number + 1) * shape.count])
                let placed = draw(PhiloxStream(seed: options.seed, name: "solids").draws(time: time, sample: sample))
                labels.append(Int32(placed.solid.kind.rawValue))
                switch options.form {
                case .voxels: fill(room, with: placed)
                case .views: for (view, camera) in cameras.enumerated() { photograph(placed.seen(by: camera), as: view, in: room) }
                }
                addNoise(options.noise, to: room, draws: PhiloxStream(seed: options.seed, name: "solid noise").draws(time: time, sample: sample))
            }
            initialized = count * shape.count
        }
        return LabeledImages(
            name: dataset.name, shape: shape, pixels: .bytes(values, maximum: 255), labels: labels, classCount: dataset.classNames.count,
            classNames: dataset.classNames, train: 0..<options.trainCount, validation: nil, test: options.trainCount..<count)
    }

    /// A solid in the room.
    private struct Placed {
        let solid: Solid
        let rotation: FixedRotation
        let middle: [Int]

        func seen(by camera: FixedRotation) -> Placed { Placed(solid: solid, rotation: camera * rotation, middle: camera(middle)) }
    }

    private func draw(_ draws: PhiloxDraws) -> Placed {
        var draws = draws
        func draw(_ first: Int, _ last: Int) -> Int { first + draws.integer(below: last - first + 1) }
        let kind = Solid.Kind(rawValue: draw(0, Solid.Kind.allCases.count - 1))!
        let half = (0..<3).map { _ in draw(options.sizes[0] * Self.unit, options.sizes[1] * Self.unit) }
        let share =
            switch kind {
            case .torus: draw(22, 36)
            case .lShape: draw(30, 45)
            case .cross: draw(25, 40)
            default: 0
            }
        let angles = options.orientation == .any ? (0..<3).map { _ in draw(0, 359) } : [0, draw(0, 359), 0]
        let turns = angles.enumerated().map { FixedRotation(axis: $0, degrees: $1) }
        let middle = (0..<3).map { _ in draw(-Self.distance * Self.unit, Self.distance * Self.unit) }
        return Placed(solid: Solid(kind: kind, a: half[0], b: half[1], c: half[2], share: share), rotation: turns[2] * turns[1] * turns[0], middle: middle)
    }

    /// Calls `body` along each line of sight, with the depths from 0 up until it says that it has seen enough.
    private func look(at placed: Placed, _ body: (_ row: Int, _ column: Int, _ depth: Int) -> Bool) {
        let r = placed.rotation.rows, bits = FixedRotation.bits, side = Self.side, step = Self.unit
        func centre(_ index: Int, _ axis: Int) -> Int { (2 * index + 1 - side) * step / 2 - placed.middle[axis] }
        // No part of a solid is farther from its middle; an eighth more than that, for what is rounded.
        let (a, b, c) = (placed.solid.a, placed.solid.b, placed.solid.c), farthest = (a * a + b * b + c * c) * 9 / 8
        for row in 0..<side {
            for column in 0..<side {
                let x = centre(column, 0), y = centre(row, 1)
                guard x * x + y * y <= farthest else { continue }
                let z = centre(0, 2)
                // In the solid's own coordinates, times 2^bits; a step of depth adds the same each time.
                var u = r[0][0] * x + r[1][0] * y + r[2][0] * z, v = r[0][1] * x + r[1][1] * y + r[2][1] * z
                var w = r[0][2] * x + r[1][2] * y + r[2][2] * z
                let (du, dv, dw) = (r[2][0] * step, r[2][1] * step, r[2][2] * step)
                for depth in 0..<side {
                    if placed.solid.contains(u >> bits, v >> bits, w >> bits), body(row, column, depth) { break }
                    (u, v, w) = (u + du, v + dv, w + dw)
                }
            }
        }
    }

    private func fill(_ voxels: UnsafeMutableBufferPointer<UInt8>, with placed: Placed) {
        look(at: placed) { row, column, depth in
            voxels[(row * Self.side + column) * Self.side + depth] = 255
            return false
        }
    }

    private func photograph(_ placed: Placed, as view: Int, in pixels: UnsafeMutableBufferPointer<UInt8>) {
        look(at: placed) { row, column, depth in
            pixels[(row * Self.side + column) * options.views + view] = UInt8(255 - Self.shade * depth)
            return true
        }
    }
}

/// Changes every value by ⌊(a + b − 255) · noise / 255⌋ towards 0, a and b random bytes, and keeps it within 0 to 255.
func addNoise(_ noise: Int, to values: UnsafeMutableBufferPointer<UInt8>, draws: PhiloxDraws) {
    guard noise > 0 else { return }
    var draws = draws, word: UInt32 = 0
    for index in values.indices {
        word = index.isMultiple(of: 2) ? draws.nextWord() : word >> 16
        let change = (Int(word & 255) + Int(word >> 8 & 255) - 255) * noise / 255
        values[index] = UInt8(min(max(Int(values[index]) + change, 0), 255))
    }
}
