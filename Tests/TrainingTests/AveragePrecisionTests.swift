import Foundation
import Measures
import Testing

/// Against pycocotools; Tests/Reference/average_precision.py made the fixtures.
@Suite struct AveragePrecisionTests {
    struct Fixture: Decodable, Sendable {
        struct Image: Decodable, Sendable { let detections: [[Double]], objects: [[Double]] }
        struct Case: Decodable, Sendable, CustomTestStringConvertible {
            let name: String, classes: Int, at50: Double, overall: Double, ofClasses: [Double], images: [Image]
            var testDescription: String { name }
        }
        struct Suppression: Decodable, Sendable { let threshold: Double, detections: [[Double]], kept: [Int] }

        let cases: [Case], suppressions: [Suppression]

        static let all: Fixture = {
            let tests = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent(), decoder = JSONDecoder()
            decoder.keyDecodingStrategy = .convertFromSnakeCase
            return try! decoder.decode(Fixture.self, from: Data(contentsOf: tests.appending(path: "Fixtures/average_precision.json")))
        }()
    }

    private static func box(_ edges: ArraySlice<Double>) -> Box {
        let edges = Array(edges)
        return Box(x0: edges[0], y0: edges[1], x1: edges[2], y1: edges[3])
    }

    private static func detection(_ row: [Double]) -> Detection { Detection(label: Int(row[0]), score: row[1], box: box(row[2...])) }

    private static func isClose(_ found: Double, _ expected: Double) -> Bool { expected < 0 ? found.isNaN : abs(found - expected) <= 1e-12 }

    @Test(arguments: Fixture.all.cases) func agreesWithPycocotools(_ fixture: Fixture.Case) {
        var precision = AveragePrecision(classCount: fixture.classes)
        for image in fixture.images {
            precision.add(image.detections.map(Self.detection), objects: image.objects.map { (label: Int($0[0]), box: Self.box($0[1...])) })
        }
        let values = precision.values
        #expect(Self.isClose(values.at50, fixture.at50) && Self.isClose(values.overall, fixture.overall), "\(values)")
        #expect(zip(precision.classValues, fixture.ofClasses).allSatisfy(Self.isClose), "\(precision.classValues)")
    }

    @Test(arguments: Fixture.all.suppressions) func duplicatesAreSuppressed(_ fixture: Fixture.Suppression) {
        let detections = fixture.detections.map(Self.detection), kept = fixture.kept.map { detections[$0] }
        #expect(detections.withoutDuplicates(overlapping: fixture.threshold) == kept)
        #expect(detections.withoutDuplicates(overlapping: fixture.threshold, atMost: 3) == Array(kept.prefix(3)))
    }

    @Test func overlapsOfBoxesThatDoNotMeetOrHaveNoAreaAreZero() {
        let box = Box(x0: 0, y0: 0, x1: 2, y1: 2)
        #expect(box.overlap(with: Box(x0: 1, y0: 0, x1: 3, y1: 2)) == 1.0 / 3)
        #expect(box.overlap(with: Box(x0: 2, y0: 0, x1: 3, y1: 2)) == 0 && box.overlap(with: Box(x0: 1, y0: 1, x1: 1, y1: 1)) == 0)
        #expect(box.overlap(with: Box(x: 1, y: 1, width: -1, height: 1)) == 0)
    }
}
