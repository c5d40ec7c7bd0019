import Configuration
import Foundation
import RunStore

/// Two rows of a comparison, run by run on the same test images: on which images one of two networks is right and the other wrong.
public struct PairedImages {
    /// Two runs of one seed, and of one fold where there are some.
    public struct Pair: Sendable {
        /// The seed of both; nil where they differ.
        public let seed: Int?
        /// On which fold both were tested; nil for the data set's own test images.
        public let fold: Int?
        /// How many test images there are.
        public let imageCount: Int
        /// How many both classify right.
        public let bothRight: Int
        /// Those on which one of the two is right: the first, which is compared, or the second, the baseline.
        public let test: McNemarTest
        /// Of the difference of the accuracies, the first's less the second's: the percentile interval of the bootstrap over images.
        public let interval: ClosedRange<Double>

        /// The first's accuracy less the second's.
        public var difference: Double { Double(test.onlyFirst - test.onlySecond) / Double(imageCount) }
    }

    /// What the two rows are called: the one that is compared, and the baseline.
    public let first, second: String
    /// In the order of the seeds.
    public let pairs: [Pair]

    /// - Throws: `.usage` when there are not two rows with runs that pair, `.data` when a pair was tested on different images.
    init(_ comparison: Comparison) throws {
        let rows = comparison.rows.filter { !$0.measured.isEmpty }
        guard rows.count == 2, let baseline = rows.firstIndex(where: { $0.label == comparison.baseline.map { comparison.rows[$0].label } ?? rows[0].label }) else {
            throw UserError(.usage, "--paired-images: found \(rows.count == 1 ? "one row" : "\(rows.count) rows"), expected two (--where key=value chooses among them, or name two runs)")
        }
        let (one, two) = (rows[1 - baseline], rows[baseline])
        (first, second) = (one.label, two.label)
        let runs = one.measured.map(\.run), others = two.measured.map(\.run)
        func unit(_ run: Comparison.Run) -> [Int] { [run.summary.description.seed, run.fold?.index ?? -1] }
        var matches = runs.compactMap { run in others.first { unit($0) == unit(run) }.map { (run, $0) } }
        // Two runs are a pair whatever their seeds.
        if matches.isEmpty, runs.count == 1, others.count == 1 { matches = [(runs[0], others[0])] }
        if matches.isEmpty { throw UserError(.usage, "--paired-images: \(first) and \(second) have no seed in common, expected runs that pair") }
        pairs = try matches.map { try Self.pair($0, $1) }
    }

    private static func pair(_ first: Comparison.Run, _ second: Comparison.Run) throws -> Pair {
        let (one, two) = (try TestedImages(first), try TestedImages(second))
        guard one.isOfTheImages(of: two) else {
            throw UserError(.data, "--paired-images: \(first.summary.name) and \(second.summary.name) were tested on different images, expected the same test images")
        }
        let differences = one.isRight.indices.map { Int8(one.isRight[$0] ? 1 : 0) - (two.isRight[$0] ? 1 : 0) }
        let seeds = (first.summary.description.seed, second.summary.description.seed)
        return Pair(
            seed: seeds.0 == seeds.1 ? seeds.0 : nil, fold: first.fold?.index, imageCount: differences.count,
            bothRight: one.isRight.indices.count { one.isRight[$0] && two.isRight[$0] },
            test: McNemarTest(onlyFirst: differences.count { $0 > 0 }, onlySecond: differences.count { $0 < 0 }), interval: ImageBootstrap.interval(of: differences)!)
    }

    // MARK: Rendering

    /// - Parameter width: how many characters a line of the table may have; nil for any number.
    public func rendered(as format: Comparison.Format, width: Int? = nil) throws -> String {
        switch format {
        case .table: ([readable.text(width: width)] + caption.flatMap { broken($0, width: width) }).joined(separator: "\n")
        case .markdown: readable.markdown + "\n\n" + caption.map { "- \($0)" }.joined(separator: "\n")
        case .csv: exact.csv
        case .latex: readable.latex(caption: caption)
        case .json: try json(pairs.map(record))
        }
    }

    private var hasFolds: Bool { pairs.contains { $0.fold != nil } }

    var caption: [String] {
        [
            "A: \(first); B: \(second); Δ: accuracy of A less that of B on the same test images, with the percentile interval of "
                + "\(grouped(ImageBootstrap.drawCount)) bootstrap samples of the images",
            "p: McNemar's test, two-sided, exact below \(McNemarTest.exactLimit) images on which one alone is right, else χ² with continuity correction",
            "this is about these trained networks, not about what other seeds would give",
        ]
    }

    var readable: TextTable {
        var table = TextTable((["seed"] + (hasFolds ? ["fold"] : []) + ["images", "both right", "only A", "only B", "Δ", "95% CI of Δ", "p"]).map { TextTable.Column($0) })
        for pair in pairs {
            table.append(
                [pair.seed.map(String.init) ?? none] + (hasFolds ? [pair.fold.map(String.init) ?? none] : []) + [
                    grouped(pair.imageCount), grouped(pair.bothRight), grouped(pair.test.onlyFirst), grouped(pair.test.onlySecond), decimals(pair.difference, 4),
                    "\(decimals(pair.interval.lowerBound, 4)) … \(decimals(pair.interval.upperBound, 4))", probability(pair.test.p),
                ])
        }
        return table
    }

    private var exact: TextTable {
        var table = TextTable(
            ["first", "second", "seed", "fold", "images", "both_right", "only_first", "only_second", "difference", "ci95_low", "ci95_high", "p", "exact"]
                .map { TextTable.Column($0, .left) })
        for pair in pairs {
            table.append([
                first, second, pair.seed.map(String.init) ?? "", pair.fold.map(String.init) ?? "", "\(pair.imageCount)", "\(pair.bothRight)",
                "\(pair.test.onlyFirst)", "\(pair.test.onlySecond)", "\(pair.difference)", "\(pair.interval.lowerBound)", "\(pair.interval.upperBound)",
                "\(pair.test.p)", "\(pair.test.isExact)",
            ])
        }
        return table
    }

    private struct Record: Encodable {
        let first, second: String
        let seed, fold: Int?
        let images, bothRight, onlyFirst, onlySecond: Int
        let difference: Double
        let confidenceInterval: [Double]
        let p: Double
        let isExact: Bool
    }

    private func record(_ pair: Pair) -> Record {
        Record(
            first: first, second: second, seed: pair.seed, fold: pair.fold, images: pair.imageCount, bothRight: pair.bothRight, onlyFirst: pair.test.onlyFirst,
            onlySecond: pair.test.onlySecond, difference: pair.difference, confidenceInterval: [pair.interval.lowerBound, pair.interval.upperBound],
            p: pair.test.p, isExact: pair.test.isExact)
    }
}

/// Which test images a run classified right.
private struct TestedImages {
    let isRight: [Bool]
    private let labels: [Int64]
    private let dataDigest: String?
    private let split: SplitDescription?

    /// - Throws: `.data` when the run has no predictions.
    init(_ run: Comparison.Run) throws {
        let reader = try RunReader(run.summary.folder)
        guard let test = try reader.evaluation(), let labels = test.tables["labels"]?.integers, let predictions = test.tables["predictions"]?.integers,
            labels.count == predictions.count, !labels.isEmpty
        else { throw UserError(.data, "--paired-images: \(run.summary.name) keeps no predicted classes of its test images") }
        self.labels = labels
        isRight = zip(labels, predictions).map(==)
        (dataDigest, split) = (reader.description.dataDigest, try reader.wholeDescription().data?.split)
    }

    func isOfTheImages(of other: TestedImages) -> Bool {
        dataDigest == other.dataDigest && labels == other.labels && split?.test == other.split?.test && split?.testIsFold == other.split?.testIsFold
    }
}

extension Comparison {
    /// The two rows, image by image.
    ///
    /// - Throws: `.usage` when there are not two rows with runs that pair, `.data` when a pair was tested on different images or a run keeps no predictions.
    public func pairedImages() throws -> PairedImages { try PairedImages(self) }
}
