import Configuration
import Foundation
import RunStore
import TestSupport
import Testing

@testable import Reports

struct PairedImagesTests {
    @Test(arguments: try ClassScoreFixtures.read().mcnemar)
    func mcNemarAgreesWithStatsmodels(_ fixture: ClassScoreFixtures.Discordance) {
        let test = McNemarTest(onlyFirst: fixture.first, onlySecond: fixture.second)
        #expect(abs(test.p - fixture.p) <= 1e-12 * fixture.p, "\(test.p) \(fixture.p)")
        #expect(test.isExact == (fixture.first + fixture.second < 25))
        #expect(test.p == McNemarTest(onlyFirst: fixture.second, onlySecond: fixture.first).p)
    }

    @Test(arguments: try ClassScoreFixtures.read().wilson)
    func wilsonAgreesWithStatsmodels(_ fixture: ClassScoreFixtures.Wilson) throws {
        let interval = try #require(wilsonInterval(fixture.right, of: fixture.count))
        #expect(abs(interval.lowerBound - fixture.interval[0]) < 1e-12 && abs(interval.upperBound - fixture.interval[1]) < 1e-12)
        #expect(wilsonInterval(0, of: 0) == nil)
    }

    /// Of many images the percentiles are those of the normal distribution: within five standard errors of a percentile from 10,000 draws, 0.027 of its width.
    @Test func theBootstrapHasTheSpreadOfTheMean() throws {
        let differences = (0..<2001).map { Int8($0 % 10 == 0 ? 1 : $0 % 25 == 3 ? -1 : 0) }
        let mean = Double(differences.reduce(0) { $0 + Int($1) }) / 2001
        let variance = differences.reduce(0.0) { $0 + (Double($1) - mean) * (Double($1) - mean) } / 2001
        let half = 1.959963984540054 * (variance / 2001).squareRoot()
        let interval = try #require(ImageBootstrap.interval(of: differences))
        #expect(abs(interval.lowerBound - (mean - half)) < 0.07 * half && abs(interval.upperBound - (mean + half)) < 0.07 * half, "\(interval) \(mean - half) \(mean + half)")
        #expect(ImageBootstrap.interval(of: differences) == interval, "seeded")
        #expect(ImageBootstrap.interval(of: []) == nil && ImageBootstrap.interval(of: [1]) == 1...1)
    }

    private func logits(_ predictions: [Int]) -> [Float] { predictions.flatMap { [$0 == 0 ? 1 : 0, $0 == 1 ? 1 : 0] } }

    @Test func twoRunsOnTheSameImages() throws {
        try withTemporaryFolder { results in
            let labels: [Int64] = [0, 0, 0, 0, 0, 0, 1, 1, 1, 1]
            try Example.writeScoredRun(results, model: "a", seed: 0, logits: logits([0, 0, 0, 0, 0, 0, 1, 0, 0, 1]), labels: labels, classes: 2, storesLogits: false)
            try Example.writeScoredRun(results, model: "b", seed: 0, logits: logits([1, 1, 1, 1, 1, 0, 1, 1, 0, 1]), labels: labels, classes: 2)
            let pairs = try Comparison(under: [results]).pairedImages()
            #expect(pairs.first == "b" && pairs.second == "a" && pairs.pairs.count == 1)
            let pair = pairs.pairs[0]
            #expect(pair.test == McNemarTest(onlyFirst: 1, onlySecond: 5) && pair.bothRight == 3 && pair.imageCount == 10 && pair.difference == -0.4)
            // 2 (1 + 6) / 2⁶.
            #expect(pair.test.p == 0.21875 && pair.interval.contains(-0.4))
            let text = try pairs.rendered(as: .table, width: 80)
            #expect(text.split(separator: "\n").allSatisfy { $0.count <= 80 } && text.contains("0.2188"), "\(text)")
            let record = try #require((try JSONSerialization.jsonObject(with: Data(pairs.rendered(as: .json).utf8)) as? [[String: Any]])?.first)
            #expect(record["only_second"] as? Int == 5 && record["p"] as? Double == 0.21875)

            // Three rows, other images, none in common.
            try Example.writeScoredRun(results, experiment: "f", model: "c", seed: 0, logits: logits([Int](repeating: 0, count: 10)), labels: labels, classes: 2, dataDigest: "07he")
            func sentence(_ comparison: @autoclosure () throws -> Comparison) -> String? {
                #expect(throws: UserError.self) { _ = try comparison().pairedImages() }?.message
            }
            #expect(sentence(try Comparison(under: [results])) == "--paired-images: found 3 rows, expected two (--where key=value chooses among them, or name two runs)")
            var options = Comparison.Options()
            options.conditions = ["model=a"]
            #expect(sentence(try Comparison(under: ["\(results)/e"], options: options)) == "--paired-images: found one row, expected two (--where key=value chooses among them, or name two runs)")
            try FileManager.default.removeItem(atPath: RunFolder(results: results, experiment: "e", model: "b", seed: 0, hash: "0123abcd").path)
            #expect(sentence(try Comparison(under: [results]))
                == "--paired-images: c-s0-0123abcd and a-s0-0123abcd were tested on different images, expected the same test images")
        }
    }
}
