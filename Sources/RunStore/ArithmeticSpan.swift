import HDF5

/// The version of the arithmetic with which a run's steps were computed, from one step on: bits change with it, on purpose.
public struct ArithmeticSpan: Sendable, Equatable {
    /// Steps that were finished when this version took over: 0 for the first.
    public var fromStep: Int
    /// The version of the arithmetic that made the steps from there on.
    public var version: Int

    /// A span that begins at a step.
    public init(fromStep: Int = 0, version: Int) {
        self.fromStep = fromStep
        self.version = version
    }

    /// What a run has that does not say: runs were first recorded without it.
    public static let unrecorded = [ArithmeticSpan(version: 1)]
}

extension [ArithmeticSpan] {
    /// The spans of a run that goes on after so many finished steps with `version`. What was computed after them is computed again.
    public func resumed(after step: Int, with version: Int) -> [ArithmeticSpan] {
        let kept = filter { $0.fromStep < step }
        if kept.last?.version == version { return kept }
        return kept + [ArithmeticSpan(fromStep: kept.isEmpty ? 0 : step, version: version)]
    }

    /// The version with which all of the first `steps` steps were computed, and the start; nil when there were several.
    public func version(through steps: Int) -> Int? {
        let versions = Set(filter { $0.fromStep < Swift.max(steps, 1) }.map(\.version))
        return versions.count == 1 ? versions.first : nil
    }

    /// Such as `version 1`, or `version 1 through step 40, then version 2`.
    public var text: String {
        var words = self.isEmpty ? "" : "version \(self[0].version)"
        for span in dropFirst() { words += " through step \(span.fromStep), then version \(span.version)" }
        return words
    }
}

/// Two attributes of the root, each with a number for every span.
extension [ArithmeticSpan] {
    func write(to file: borrowing HDF5Writer) throws {
        try file.setAttribute("arithmetic_version", of: "/", to: map { Int64($0.version) })
        try file.setAttribute("arithmetic_from_step", of: "/", to: map { Int64($0.fromStep) })
    }

    init(from file: HDF5Reader) throws {
        guard let versions = try file.attribute("arithmetic_version", of: "/", as: Int64.self) else {
            self = ArithmeticSpan.unrecorded
            return
        }
        let steps = try file.attribute("arithmetic_from_step", of: "/", as: Int64.self) ?? []
        guard !versions.isEmpty, steps.count == versions.count else {
            throw file.error("arithmetic_version has \(versions.count) and arithmetic_from_step \(steps.count) numbers, expected as many of both")
        }
        self = zip(steps, versions).map { ArithmeticSpan(fromStep: Int($0), version: Int($1)) }
    }
}
