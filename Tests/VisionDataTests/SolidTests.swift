import Configuration
import TensorCore
import Testing

@testable import VisionData

/// Solids and sequences that are made; the digests are those of Tests/Reference/solids.py, which makes them anew from the descriptions.
@Suite struct SolidTests {
    private static func shapes(_ form: SolidShapes.Form = .views, views: Int = 12, upright: Bool = false, noise: Int = 16, counts: (Int, Int) = (14, 5)) -> SolidShapes {
        var shapes = SolidShapes()
        (shapes.form, shapes.views, shapes.orientation, shapes.noise) = (form, views, upright ? .upright : .any, noise)
        (shapes.trainCount, shapes.testCount) = counts
        return shapes
    }

    private static func sequences(_ motif: String, length: Int, noise: Int) -> MotifSequences {
        var sequences = MotifSequences()
        (sequences.motif, sequences.length, sequences.noise, sequences.trainCount, sequences.testCount) = (motif, length, noise, 30, 11)
        return sequences
    }

    @Test func solidsArePinned() throws {
        #expect(try Self.shapes().load().digest == "71d488e75d0e1bf6586a97b2ed1145ec87ac7021761fe547f0d715e3f2346fe3")
        #expect(try Self.shapes(views: 3, upright: true, noise: 0).load().digest == "743846f10aa33798b92aba9bd4322ec77f143ca6568e64c6e081e99cdbfa42d5")
        #expect(try Self.shapes(.voxels).load().digest == "5f13de872f4df4dff8f36d786f9ce0df0cc7f354e9abc93855cae707412937ec")
    }

    @Test func sequencesArePinned() throws {
        #expect(try Self.sequences("1011", length: 32, noise: 64).load().digest == "908dded6935202afa72c2ef4722232d86636de0ef384309a1fc259a4b09508d5")
        #expect(try Self.sequences("0110100", length: 21, noise: 0).load().digest == "f1cd181c5d3cbe7d1650fdaeb3d50151f75547a6b6f43c68ca56097bdb896be8")
    }

    private static func bytes(_ images: LabeledImages) -> [UInt8] {
        guard case .bytes(let values, 255) = images.pixels else { Issue.record("made images are bytes"); return [] }
        return values
    }

    /// Three of twelve views are every fourth camera's, and a solid does not depend on how many there are.
    @Test func viewsAreThoseOfCameras() throws {
        let all = Self.bytes(try Self.shapes(noise: 0, counts: (3, 1)).load()), few = Self.bytes(try Self.shapes(views: 3, noise: 0, counts: (2, 1)).load())
        // The two solids for training, then the one for the test, which is the fourth of the others.
        for (solid, other) in [(0, 0), (1, 1), (2, 3)] {
            for pixel in 0..<1_024 {
                for view in 0..<3 {
                    let index = (solid * 1_024 + pixel) * 3 + view, otherIndex = (other * 1_024 + pixel) * 12 + view * 4
                    #expect(few[index] == all[otherIndex])
                }
            }
        }
        #expect(few.contains { $0 > 0 })
    }

    /// Without noise, the label and the mask say where the motif is.
    @Test func masksSayWhereTheMotifEnds() throws {
        let images = try Self.sequences("1011", length: 20, noise: 0).load(), values = Self.bytes(images), masks = try #require(images.masks)
        var found = Set<Int32>()
        for (number, label) in images.labels.enumerated() {
            let bits = values[number * 20..<(number + 1) * 20].map { $0 == 255 ? 1 : 0 }, mask = Array(masks[number * 20..<(number + 1) * 20])
            for place in bits.indices { #expect((mask[place] == 1) == (place >= 3 && Array(bits[place - 3...place]) == [1, 0, 1, 1])) }
            #expect(mask.contains(1) == (label == 1))
            found.insert(label)
        }
        #expect(found == [0, 1])
        #expect(try ImageDataset(images).fields.map(\.name) == ["image", "label", "mask"])
    }

    private static func read(_ key: String, _ source: ConfigurationNode) -> (DataConfiguration, [String]) {
        let errors = ConfigurationErrors(), mark = SourceMark(file: "x.yaml", line: 1)
        var fields = FieldReader(ConfigurationNode(.map([.init(key: key, mark: mark, node: source)]), mark: mark), path: "data", errors: errors)
        let configuration = DataConfiguration(from: &fields)
        fields.finish()
        return (configuration, errors.messages)
    }

    /// The default ones are those of the name; every option makes others.
    @Test func theyAreDataOfTheirOwn() throws {
        let (views, none) = Self.read("shapes_3d", .map([("views", .scalar(12))])), (voxels, _) = Self.read("shapes_3d", .map([("form", .text("voxels"))]))
        #expect(none.isEmpty && views.identity == DataConfiguration(.shapes3D).identity && voxels.identity != views.identity && voxels.validation == .fraction(0.1))
        let (other, nothing) = Self.read("sequences_1d", .map([("motif", .text("10110"))]))
        #expect(nothing.isEmpty && other.identity != DataConfiguration(.sequences1D).identity)
        #expect(Self.read("sequences_1d", .map([])).0.identity == DataConfiguration(.sequences1D).identity)
    }

    @Test(arguments: [
        ("shapes_3d", "views", "5", "views: expected 1, 2, 3, 4, 6 or 12, found 5"), ("shapes_3d", "views", "24", "views: expected 1, 2, 3, 4, 6 or 12, found 24"),
        ("shapes_3d", "sizes", "8", "sizes: expected two ascending numbers, found [8]"), ("sequences_1d", "motif", "102", "motif: expected at least two zeros and ones, such as \"1011\", found '102'"),
        ("sequences_1d", "length", "3", "length: a motif of 4 places does not fit a sequence of 3"),
        ("sequences_1d", "motif", String(repeating: "01", count: 17), "motif: a motif of 34 places does not fit a sequence of 32"),
    ])
    func misfitsAreSaid(key: String, option: String, value: String, sentence: String) {
        let mark = SourceMark(file: "x.yaml", line: 1)
        let node = ConfigurationNode(.map([.init(key: option, mark: mark, node: ConfigurationNode(.scalar(value, quoted: false), mark: mark))]), mark: mark)
        let messages = Self.read(key, node).1
        #expect(messages.count == 1 && messages[0].contains(sentence), "\(messages)")
    }

    @Test func voxelsHaveNoViews() {
        let messages = Self.read("shapes_3d", .map([("form", .text("voxels")), ("views", .scalar(3))])).1
        #expect(messages.count == 1 && messages[0].contains("views: goes with form: views; voxels are seen by no camera"), "\(messages)")
    }
}
