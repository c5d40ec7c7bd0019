import Configuration
import TensorCore
import Testing

@testable import VisionData

/// Scenes that are made from images of single objects.
@Suite struct SceneTests {
    private static let digits = try! FashionScenes.digits()
    private static let hasFashionMNIST = (try? NamedDataset.fashionMNIST.find(in: nil)) != nil

    private static func smallScenes(_ count: Int = 12) -> FashionScenes {
        var scenes = FashionScenes()
        (scenes.trainCount, scenes.testCount) = (count, 6)
        return scenes
    }

    /// Whatever the machine: a version's scenes never change.
    @Test func scenesOfDigitsArePinned() { #expect(Self.digits.digest == "bb6030eba94589f6dcb47b686f64fb10e0a3bbdc61a93c70747e102ece4e7514") }

    /// Made again, from the description alone, by Tests/Reference/scenes.py.
    @Test(.enabled(if: hasFashionMNIST)) func scenesOfGarmentsArePinned() throws {
        #expect(try Self.smallScenes().load(in: nil).images.digest == "ddb7cb34beea240d20e397f544bd6c79c7bf93d3f81d59fa24bc1eda03e53817")
    }

    @Test func aSceneDoesNotDependOnHowManyThereAre() throws {
        let objects = try loadDigits(), few = SceneMaker(Self.smallScenes(2), of: objects).scenes(.digitScenes), more = SceneMaker(Self.smallScenes(5), of: objects).scenes(.digitScenes)
        let size = few.shape.count
        guard case .bytes(let first, _) = few.pixels, case .bytes(let second, _) = more.pixels else { Issue.record("scenes are bytes"); return }
        #expect(first[..<(2 * size)] == second[..<(2 * size)] && first[(2 * size)...] == second[(5 * size)...])
        #expect(few.masks![(2 * size)...] == more.masks![(5 * size)...])
        #expect(few.boxes!.boxes[2...] == more.boxes!.boxes[5...])
        #expect(few.labels[2...] == more.labels[5...])
    }

    /// Without noise the background is black, and a pixel of the mask is one of an object.
    @Test func masksAndBoxesAreWhereTheObjectsAre() throws {
        var options = Self.smallScenes(60)
        (options.noise, options.overlap, options.canvas, options.garments, options.sides) = (0, 0, 48, [1, 4], [10, 20])
        let scenes = SceneMaker(options, of: try loadDigits()).scenes(.digitScenes), size = scenes.shape.count
        guard case .bytes(let pixels, _) = scenes.pixels else { Issue.record("scenes are bytes"); return }
        let masks = try #require(scenes.masks), boxes = try #require(scenes.boxes)
        #expect(boxes.maximum == 4 && Set(boxes.boxes.map(\.count)) == [1, 2, 3, 4])
        for scene in scenes.labels.indices {
            var mask = Array(masks[scene * size..<(scene + 1) * size]), largest = (count: 0, label: Int32(0))
            for pixel in mask.indices { #expect((mask[pixel] == 0) == (pixels[scene * size + pixel] == 0)) }
            // Squares do not overlap, so each box holds one object, touched at every side, and nothing is left outside.
            for box in boxes.boxes[scene] {
                var count = 0, touched = Set<Int>()
                for row in Int(box.y)..<Int(box.y + box.height) {
                    for column in Int(box.x)..<Int(box.x + box.width) where mask[row * 48 + column] != 0 {
                        #expect(Int32(mask[row * 48 + column]) == box.label)
                        mask[row * 48 + column] = 0
                        count += 1
                        if row == Int(box.y) { touched.insert(0) }
                        if row == Int(box.y + box.height) - 1 { touched.insert(1) }
                        if column == Int(box.x) { touched.insert(2) }
                        if column == Int(box.x + box.width) - 1 { touched.insert(3) }
                    }
                }
                #expect(touched.count == 4)
                if count > largest.count { largest = (count, box.label) }
            }
            #expect(mask.allSatisfy { $0 == 0 })
            #expect(scenes.labels[scene] == largest.label)
        }
    }

    /// Later objects cover earlier ones, and one that is hardly seen has no box.
    @Test func scenesOverlap() throws {
        var options = Self.smallScenes(40)
        (options.overlap, options.canvas, options.garments, options.sides) = (1, 24, [6, 6], [16, 20])
        let scenes = SceneMaker(options, of: try loadDigits()).scenes(.digitScenes)
        #expect(scenes.boxes!.boxes.contains { $0.count < 6 })
        #expect(try ImageDataset(scenes).fields.map(\.name) == ["image", "label", "mask", "boxes"])
    }

    @Test func theyAreDataOfTheirOwn() throws {
        func read(_ source: ConfigurationNode) -> (DataConfiguration, [String]) {
            let errors = ConfigurationErrors(), mark = SourceMark(file: "x.yaml", line: 1)
            var fields = FieldReader(ConfigurationNode(.map([.init(key: "fashion_scenes", mark: mark, node: source)]), mark: mark), path: "data", errors: errors)
            let configuration = DataConfiguration(from: &fields)
            return (configuration, errors.messages)
        }
        // The default scenes are those of the name.
        let byName = DataConfiguration(.fashionScenes), (byOptions, none) = read(.map([("canvas", .scalar(64))]))
        #expect(none.isEmpty && byName.identity == byOptions.identity)
        let (other, _) = read(.map([("canvas", .scalar(96))]))
        #expect(other.identity != byName.identity && other.validation == .fraction(0.1))
        let (_, messages) = read(.map([("canvas", .scalar(20)), ("garments", .list([.scalar(3), .scalar(2)]))]))
        #expect(messages.contains { $0.contains("garments: expected two ascending numbers, found [3, 2]") })
        #expect(messages.contains { $0.contains("canvas: garments of up to 36 pixels do not fit a canvas of 20×20") })
    }
}
