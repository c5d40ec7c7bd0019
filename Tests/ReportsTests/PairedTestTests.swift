import Foundation
import Testing

@testable import Reports

/// Against SciPy; Tests/Reference/paired_tests.py made the fixtures.
struct PairedTestTests {
    struct Fixtures: Decodable {
        struct Paired: Decodable, Sendable {
            let differences: [Double]
            let p: Double
            let interval: [Double]
        }
        struct Holm: Decodable, Sendable {
            let p, corrected: [Double]
        }
        struct Corrected: Decodable, Sendable {
            let differences, interval: [Double]
            let overlap, p: Double
        }
        let paired: [Paired]
        let holm: [Holm]
        let correctedT: [Corrected]

        static func read() throws -> Fixtures {
            let tests = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
            let decoder = JSONDecoder()
            decoder.keyDecodingStrategy = .convertFromSnakeCase
            return try decoder.decode(Fixtures.self, from: Data(contentsOf: tests.appending(path: "Fixtures/paired_tests.json")))
        }
    }

    @Test(arguments: try Fixtures.read().paired)
    func agreesWithSciPy(_ fixture: Fixtures.Paired) throws {
        let test = PairedTest(fixture.differences)
        #expect(test.p == fixture.p, "both count patterns")
        let interval = try #require(test.differences.confidenceInterval)
        let width = fixture.interval[1] - fixture.interval[0]
        #expect(abs(interval.lowerBound - fixture.interval[0]) < 1e-9 * width && abs(interval.upperBound - fixture.interval[1]) < 1e-9 * width)
    }

    @Test(arguments: try Fixtures.read().holm)
    func correctsByHolm(_ fixture: Fixtures.Holm) {
        #expect(zip(holmCorrected(fixture.p), fixture.corrected).allSatisfy { abs($0 - $1) < 1e-15 })
    }

    /// Nadeau and Bengio's test of folds.
    @Test(arguments: try Fixtures.read().correctedT)
    func foldsAgreeWithSciPy(_ fixture: Fixtures.Corrected) throws {
        let test = PairedTest(fixture.differences, overlap: fixture.overlap)
        #expect(abs(test.p - fixture.p) < 1e-9 * fixture.p, "\(test.p) \(fixture.p)")
        let interval = try #require(test.differences.confidenceInterval), width = fixture.interval[1] - fixture.interval[0]
        #expect(abs(interval.lowerBound - fixture.interval[0]) < 1e-9 * width && abs(interval.upperBound - fixture.interval[1]) < 1e-9 * width)
        #expect(!test.isExact && !test.isEstimated)
    }

    @Test func foldsThatDoNotDiffer() {
        #expect(PairedTest([0, 0, 0], overlap: 0.5).p == 1 && PairedTest([0.1], overlap: 0.5).p == 1)
        #expect(PairedTest([0.25, 0.25], overlap: 1).p == 0)
    }

    /// All differences of one sign are the rarest pattern there is: 2 of 2ⁿ.
    @Test(arguments: [1, 2, 5, 6, 20]) func theLeastP(pairs: Int) {
        let p = PairedTest((1...pairs).map { 0.1 * Double($0) }).p
        #expect(p == 2 / Double(1 << pairs) && p == PairedTest.leastP(pairs: pairs))
        #expect((p <= 0.05) == (pairs >= 6))
    }

    /// Sums that only rounding tells apart: 0.1 + 0.2 ≠ 0.3.
    @Test func roundingDoesNotCount() {
        // ±0.1 ±0.2 ±0.3: the sum is 0 in two patterns and at least as far from it in all.
        #expect(PairedTest([0.1, 0.2, -0.3]).p == 1)
        #expect(PairedTest([0.3, 0.1, 0.2, 0, 0]).p == 0.25)
    }

    @Test func manyPairsAreEstimatedAndRepeatToTheBit() {
        // 21 pairs, 15 of them positive and all of size 1: P(|sum| ≥ 9) is twice the binomial tail of at least 15 of 21.
        let differences = [Double](repeating: 1, count: 15) + [Double](repeating: -1, count: 6)
        let exact = 2 * 82_160.0 / Double(1 << 21)
        let test = PairedTest(differences)
        #expect(!test.isExact && PairedTest(differences.dropLast()).isExact)
        // Five standard errors of the estimate.
        #expect(abs(test.p - exact) < 5 * (exact * (1 - exact) / Double(PairedTest.drawCount)).squareRoot())
        #expect(test == PairedTest(differences))
    }
}
