import HDF5

/// The version of the arithmetic with which a run's steps were computed, from one step on: bits change with it, on purpose.
public struct ArithmeticSpan: Sendable, Equatable {
    /// Steps that were finished when this version took over: 0 for the first.
    public var fromStep: Int
    public var version: Int

    public init(fromStep: Int = 0, version: Int) {
        self.fromStep = fromStep
        self.version = version
    }

    /// What a run has that does not say: runs were first recorded without it.
    public static let unrecorded = [ArithmeticSpan(version: 1)]
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
