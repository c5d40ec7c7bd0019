import Configuration
import TensorCore

/// `fashion_scenes: {canvas: 64, garments: [2, 5]}`: scenes of several garments of Fashion-MNIST, with a mask and boxes; `SceneMaker` says how they are
/// made.
///
/// The classes are the background, which is 0, and the ten garments.
public struct FashionScenes: Configurable {
    /// By which rules scenes are made; those of a version never change.
    public var version = 1
    /// The height and width of a scene.
    public var canvas = 64
    /// How many garments a scene has at least, and at most.
    public var garments = [2, 5]
    /// The smallest and the largest side of a garment.
    public var sides = [18, 36]
    /// How much of a garment's square may lie on those before it.
    public var overlap = 0.3
    /// The largest change of a pixel's value, from 0 to 255.
    public var noise = 16
    /// How many scenes there are for training.
    public var trainCount = 6_000
    /// How many scenes there are for the test.
    public var testCount = 1_000
    /// Draws them.
    public var seed: UInt64 = 0

    /// The scenes of `name: fashion-scenes`.
    public init() {}

    public static let options: [Key<FashionScenes>] = [
        Key("version", \.version, .integer(in: 1...1), writesDefault: false, "By which rules scenes are made; those of a version never change."),
        Key("canvas", \.canvas, .integer(in: 8...1_024), "The height and width of a scene in pixels."),
        Key("garments", \.garments, .integers(in: 1...64), "How many garments a scene has at least, and at most."),
        Key("sides", \.sides, .integers(in: 4...1_024), "The smallest and the largest side of a garment in pixels."),
        Key("overlap", \.overlap, .number(in: 0...1), "How much of a garment's square may lie on those before it; one that finds no place is left out."),
        Key("noise", \.noise, .integer(in: 0...255), "The largest change of a pixel's value by noise, of values from 0 to 255."),
        Key("train_scenes", \.trainCount, .integer(in: 1...10_000_000), "How many scenes of training images there are."),
        Key("test_scenes", \.testCount, .integer(in: 1...10_000_000), "How many scenes of test images there are."),
        Key("seed", \.seed, .seed, "Draws the scenes."),
    ]

    public mutating func check(_ fields: inout FieldReader) {
        for (key, values) in [("garments", garments), ("sides", sides)] where (values.count != 2 || values[0] > values[1]) && !fields.errors.hasAny(under: fields.path(of: key)) {
            fields.report("expected two ascending numbers, found \(values)", at: key)
        }
        if let largest = sides.last, largest > canvas, !["sides", "canvas"].contains(where: { fields.errors.hasAny(under: fields.path(of: $0)) }) {
            fields.report("garments of up to \(largest) pixels do not fit a canvas of \(canvas)×\(canvas)", at: fields.has("sides") ? "sides" : "canvas")
        }
    }

    /// Makes the scenes from Fashion-MNIST.
    ///
    /// - Parameters:
    ///   - directory: where its files lie, when not in the usual places.
    ///   - recorded: a folder where they were found before, which is looked into last.
    /// - Returns: the scenes, and the folder of the files.
    /// - Throws: `UserError` when they are missing or damaged, or the memory is too small.
    func load(in directory: String?, recordedIn recorded: String? = nil) throws -> (images: LabeledImages, location: String) {
        let files = try NamedDataset.fashionMNIST.find(in: directory, recordedIn: recorded)
        let count = Double(trainCount) + Double(testCount)
        try requireMemory(forImages: count, byteCount: 2 * count * Double(canvas * canvas), at: NamedDataset.fashionScenes.name)
        return (SceneMaker(self, of: try files.load()).scenes(NamedDataset.fashionScenes), files.directory)
    }

    /// What `harness data` says of the default scenes, from the headers of the files alone.
    func survey(in directory: String?) throws -> DatasetSurvey.Finding {
        let files = try NamedDataset.fashionMNIST.find(in: directory)
        _ = try files.survey()
        return .found(
            place: "made from \(files.directory)", trainCount: trainCount, testCount: testCount,
            shape: ImageShape(height: canvas, width: canvas, channels: 1))
    }

    /// The scenes of the embedded digits, for runs of seconds: 32×32 pixels, one to three digits.
    static func digits() throws -> LabeledImages {
        var scenes = FashionScenes()
        (scenes.canvas, scenes.garments, scenes.sides, scenes.trainCount, scenes.testCount) = (32, [1, 3], [10, 16], 400, 100)
        return SceneMaker(scenes, of: try loadDigits()).scenes(NamedDataset.digitScenes)
    }
}
