import Configuration
import TensorCore

/// `shapes_3d: {form: views, views: 6}`: solids of eight kinds, as voxels or as cameras around them see them; `SolidMaker` says how they are made.
public struct SolidShapes: Configurable {
    /// What is given of a solid.
    public enum Form: String, CaseIterable, Sendable {
        /// Pictures by cameras around it, one a channel.
        case views
        /// Whether each voxel is filled, depth by depth as channels.
        case voxels
    }

    /// How a solid may lie.
    public enum Orientation: String, CaseIterable, Sendable {
        /// Turned about each axis.
        case any
        /// Turned about the upright axis.
        case upright
    }

    /// By which rules solids are made; those of a version never change.
    public var version = 1
    /// What is given of a solid.
    public var form = Form.views
    /// How many of the cameras are used, evenly around the solid.
    public var views = SolidMaker.cameraCount
    /// How a solid may lie.
    public var orientation = Orientation.any
    /// The smallest and the largest half extent of a solid, in voxels.
    public var sizes = [4, 8]
    /// The largest change of a value, from 0 to 255.
    public var noise = 16
    /// How many solids there are for training.
    public var trainCount = 2_000
    /// How many solids there are for the test.
    public var testCount = 500
    /// Draws them.
    public var seed: UInt64 = 0

    /// The solids of `name: shapes-3d`.
    public init() {}

    private static let viewCounts = (1...SolidMaker.cameraCount).filter { SolidMaker.cameraCount % $0 == 0 }

    public static let options: [Key<SolidShapes>] = [
        Key("version", \.version, .integer(in: 1...1), writesDefault: false, "By which rules solids are made; those of a version never change."),
        Key("form", \.form, .choice, "What is given of a solid: pictures by cameras around it as channels (views), or whether each of 32×32×32 voxels is filled, with the depth as channels (voxels)."),
        Key("views", \.views, .one(of: viewCounts), paper: "Su, Maji, Kalogerakis and Learned-Miller, ICCV 2015", "How many of the 12 cameras are used, evenly around the solid."),
        Key("orientation", \.orientation, .choice, "How solids lie: turned about each axis (any), or about the upright one (upright)."),
        Key("sizes", \.sizes, .integers(in: 2...8), "The smallest and the largest half extent of a solid, in voxels."),
        Key("noise", \.noise, .integer(in: 0...255), "The largest change of a value by noise, of values from 0 to 255."),
        Key("train_shapes", \.trainCount, .integer(in: 1...10_000_000), "How many solids there are for training."),
        Key("test_shapes", \.testCount, .integer(in: 1...10_000_000), "How many solids there are for the test."),
        Key("seed", \.seed, .seed, "Draws the solids."),
    ]

    public mutating func check(_ fields: inout FieldReader) {
        if sizes.count != 2 || sizes[0] > sizes[1], !fields.errors.hasAny(under: fields.path(of: "sizes")) { fields.report("expected two ascending numbers, found \(sizes)", at: "sizes") }
        if form == .voxels, views != SolidMaker.cameraCount { fields.report("goes with form: views; voxels are seen by no camera", at: "views") }
    }

    /// The size of what is given.
    var shape: ImageShape { ImageShape(height: SolidMaker.side, width: SolidMaker.side, channels: form == .views ? views : SolidMaker.side) }

    /// Makes the solids.
    ///
    /// - Throws: `UserError` when the memory is too small.
    func load() throws -> LabeledImages {
        let count = Double(trainCount) + Double(testCount)
        try requireMemory(forImages: count, byteCount: count * Double(shape.count), at: NamedDataset.shapes3D.name)
        return SolidMaker(self).solids()
    }

    /// The same solids in the form of `name: shapes-3d`.
    var solids: SolidShapes {
        let usual = SolidShapes()
        var copy = self
        (copy.form, copy.views, copy.noise) = (usual.form, usual.views, usual.noise)
        return copy
    }

    /// A few of the same form, for runs of seconds.
    public var small: SolidShapes {
        var copy = self
        (copy.trainCount, copy.testCount) = (96, 32)
        return copy
    }
}
