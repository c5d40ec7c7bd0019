import ArgumentParser

/// The seeds of `--seeds`: numbers and ranges, separated by commas: `0,1,2`, `0..2`, `0..2,5`.
struct SeedList: ExpressibleByArgument, Sendable {
    /// Each with its count; a range of many is refused before it is written out.
    private let ranges: [ClosedRange<Int>]
    /// More trials of one model than anybody trains.
    static let limit = 10_000

    /// What is neither a number nor a range.
    private let wrongPart: String?

    init?(argument: String) {
        let parts = argument.split(separator: ",", omittingEmptySubsequences: false)
        var wrongPart: String?
        ranges = parts.compactMap { part in
            let ends = part.split(separator: "..", omittingEmptySubsequences: false).map { Int($0) }
            guard (1...2).contains(ends.count), let first = ends[0], let last = ends[ends.count - 1], first <= last else {
                wrongPart = wrongPart ?? String(part)
                return nil
            }
            return first...last
        }
        self.wrongPart = wrongPart
    }

    /// In the order in which they were written.
    var values: [Int] { ranges.flatMap { Array($0) } }

    func validate() throws {
        if let wrongPart { throw ValidationError("--seeds: expected numbers and ranges such as 0,1,2 or 0..2, found '\(wrongPart)'") }
        if let wrong = ranges.first(where: { $0.lowerBound < 0 }) {
            throw ValidationError("--seeds: expected numbers from 0, found \(wrong.lowerBound)")
        }
        // From 0 up, the difference of two numbers is one.
        let hasMany = ranges.contains { $0.upperBound - $0.lowerBound >= Self.limit }
        if hasMany || ranges.reduce(0, { $0 + $1.count }) > Self.limit {
            throw ValidationError("--seeds: expected at most \(Self.limit) seeds, found more")
        }
        if Set(values).count < values.count { throw ValidationError("--seeds: a seed is listed twice") }
    }
}
