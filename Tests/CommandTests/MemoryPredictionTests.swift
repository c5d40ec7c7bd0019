import Foundation
import Testing

/// What `check` and `bench` say of the memory of a training before its first step is what it comes to.
struct MemoryPredictionTests {
    struct Result: Decodable {
        let peak_rss_mb: Double
        let predicted_peak_mb: Double
    }

    @Test(arguments: [["vit-28"], ["vit-28", "--recompute", "blocks"], ["vit-28", "--shards", "2"], ["resnet18-28"]])
    func peakIsPredictedWithinATenth(words: [String]) throws {
        let run = try Program.run(["bench", "--threads", "2", "--steps", "1", "--json"] + words)
        let result = try #require(try JSONDecoder().decode([Result].self, from: Data(run.output.utf8)).first)
        #expect(abs(result.predicted_peak_mb / result.peak_rss_mb - 1) < 0.1, "\(result)")
    }
}
