import Checksums
import Configuration
import Foundation
import HDF5

/// Several runs that were tested as one, `Results/<experiment>/ensembles/<name>-<8 hex>.h5`, with all by which a reader knows whether they still are those.
///
///     /                                       format_version, experiment, name, kind, parameters, multiply_adds
///     /members/{run, trial_sha256, evaluation_sha256, is_taken}     a row for each run, `run` being its folder's path from the experiment's
///     /evaluation/{test, validation}/<measure>      with units; the validation of soups alone
///
/// The weights of a soup lie beside it, in `<name>-<8 hex>-weights.h5`. The bytes are a function of this value.
public struct EnsembleFile: Sendable, Equatable {
    /// What is averaged.
    public enum Kind: String, Sendable, CaseIterable {
        /// The members' probabilities.
        case ensemble
        /// All members' weights.
        case uniformSoup = "uniform soup"
        /// The weights of those members that do not make the validation worse.
        case greedySoup = "greedy soup"
    }

    /// A run.
    public struct Member: Sendable, Equatable {
        /// The path of its folder from that of the experiment: a name, or `../other/vit-s0-1f0c93ab`.
        public var run: String
        /// `RunDescription.trialDigest`.
        public var trialDigest: String
        /// `EvaluationRecord.digest` of its test.
        public var evaluationDigest: String
        /// Whether it is part of the average; false only in a greedy soup.
        public var isTaken: Bool

        /// A member, part of the average unless said otherwise.
        public init(run: String, trialDigest: String, evaluationDigest: String, isTaken: Bool = true) {
            (self.run, self.trialDigest, self.evaluationDigest, self.isTaken) = (run, trialDigest, evaluationDigest, isTaken)
        }
    }

    /// A measure's value.
    public struct Value: Sendable, Equatable {
        /// The measure's name.
        public var measure: String
        /// Its unit.
        public var unit: String
        /// Over the whole split.
        public var value: Double

        /// A value with its unit.
        public init(_ measure: String, unit: String, _ value: Double) { (self.measure, self.unit, self.value) = (measure, unit, value) }
    }

    /// The experiment's path below the folder of definitions.
    public var experiment: String
    /// As the definition calls it.
    public var name: String
    /// What is averaged.
    public var kind: Kind
    /// The runs, in the order of the definition.
    public var members: [Member]
    /// Of all members of an ensemble together; of a soup those of one.
    public var parameters: Int
    /// Of one image, likewise.
    public var multiplyAdds: Int
    /// Of the test.
    public var test: [Value]
    /// Of the validation; none of an ensemble.
    public var validation: [Value]

    /// All that is said of it.
    public init(
        experiment: String, name: String, kind: Kind, members: [Member], parameters: Int, multiplyAdds: Int, test: [Value], validation: [Value] = []
    ) {
        (self.experiment, self.name, self.kind, self.members) = (experiment, name, kind, members)
        (self.parameters, self.multiplyAdds, self.test, self.validation) = (parameters, multiplyAdds, test, validation)
    }

    /// What it is in words: `ensemble of 6`, `greedy soup of 3 of 4`.
    public var title: String {
        let takenCount = members.count(where: \.isTaken)
        return "\(kind.rawValue) of \(takenCount)" + (kind == .greedySoup ? " of \(members.count)" : "")
    }

    /// The folder of an experiment's ensembles.
    ///
    /// - Parameter folder: that of its runs.
    public static func folder(in folder: String) -> String { (folder as NSString).appendingPathComponent("ensembles") }

    /// The path of an ensemble's file.
    public func path(in folder: String) -> String { "\(stem(in: folder)).h5" }

    /// The path of a soup's weights.
    public func weightsPath(in folder: String) -> String { stem(in: folder) + Self.weightsEnding }

    private static let weightsEnding = "-weights.h5"

    private func stem(in folder: String) -> String { "\(Self.folder(in: folder))/\(name)-\(hash)" }

    /// The first 8 hexadecimal digits of the SHA-256 of its kind and its members' trials.
    public var hash: String {
        let digest = SHA256()
        digest.update(([kind.rawValue] + members.map(\.trialDigest)).joined(separator: "\n"))
        return String(digest.finish().prefix(8))
    }

    /// The ensembles in the folder of an experiment's runs, whole or not, by their files' paths in alphabetical order.
    public static func paths(in folder: String) -> [String] {
        let place = Self.folder(in: folder)
        let names = (try? FileManager.default.contentsOfDirectory(atPath: place)) ?? []
        return names.filter { $0.hasSuffix(".h5") && !$0.hasSuffix(weightsEnding) && !$0.hasPrefix(".") }.sorted().map { "\(place)/\($0)" }
    }

    /// Writes the file so that its path holds the old one or the new one, whole, at any moment.
    public func write(to path: String) throws {
        try replaceSealedFile(at: path) { temporary in
            let file = try HDF5Writer(temporary, for: path, userBlockByteCount: Seal.byteCount)
            try file.setAttribute("format_version", of: "/", to: Int64(ensembleFormatVersion))
            try file.setAttribute("experiment", of: "/", to: experiment)
            try file.setAttribute("name", of: "/", to: name)
            try file.setAttribute("kind", of: "/", to: kind.rawValue)
            try file.setAttribute("parameters", of: "/", to: Int64(parameters))
            try file.setAttribute("multiply_adds", of: "/", to: Int64(multiplyAdds))
            try file.write(members.map(\.run), to: "/members/run")
            try file.write(members.map(\.trialDigest), to: "/members/trial_sha256")
            try file.write(members.map(\.evaluationDigest), to: "/members/evaluation_sha256")
            try file.write(members.map { $0.isTaken ? Int64(1) : 0 }, to: "/members/is_taken")
            for (split, values) in [("test", test), ("validation", validation)] {
                for value in values {
                    let dataset = "/evaluation/\(split)/\(value.measure)"
                    try file.write(value.value, to: dataset)
                    try file.setAttribute("units", of: dataset, to: value.unit)
                }
            }
            try file.close()
        }
    }

    /// Reads a file.
    ///
    /// - Throws: `.data` when it is damaged or something else, `.noInput` when it is not there.
    public init(reading path: String) throws {
        let seal = try Seal.state(of: path)
        let file = try HDF5Reader(path)
        guard file.exists(Self.mark), let version = try file.attribute("format_version", of: "/", as: Int64.self)?.first else {
            throw file.error("is not an ensemble (it has no \(Self.mark))")
        }
        guard version <= ensembleFormatVersion else {
            throw file.error("has format \(version), which is newer than this program's \(ensembleFormatVersion)")
        }
        guard seal == .whole else { throw file.error("is damaged: it has no digest of its content") }
        func text(_ name: String) throws -> String {
            guard let value = try file.attributeStrings(name, of: "/")?.first else { throw file.error("the attribute \(name) is missing") }
            return value
        }
        func integer(_ name: String) throws -> Int {
            guard let value = try file.attribute(name, of: "/", as: Int64.self)?.first else { throw file.error("the attribute \(name) is missing") }
            return Int(value)
        }
        func values(_ split: String) throws -> [Value] {
            let group = "/evaluation/\(split)"
            return try !file.exists(group) ? [] : file.children(of: group).map { name in
                Value(
                    name, unit: try file.attributeStrings("units", of: "\(group)/\(name)")?.first ?? "1",
                    try file.read("\(group)/\(name)", as: Double.self)[0])
            }
        }
        guard let kind = try Kind(rawValue: text("kind")) else { throw file.error("is of the kind '\(try text("kind").shortened())', which this program does not know") }
        let runs = try file.readStrings(Self.mark), trials = try file.readStrings("/members/trial_sha256")
        let evaluations = try file.readStrings("/members/evaluation_sha256"), taken = try file.read("/members/is_taken", as: Int64.self)
        guard [trials.count, evaluations.count, taken.count].allSatisfy({ $0 == runs.count }) else { throw file.error("/members has columns of different lengths") }
        self.init(
            experiment: try text("experiment"), name: try text("name"), kind: kind,
            members: runs.indices.map { Member(run: runs[$0], trialDigest: trials[$0], evaluationDigest: evaluations[$0], isTaken: taken[$0] == 1) },
            parameters: try integer("parameters"), multiplyAdds: try integer("multiply_adds"), test: try values("test"), validation: try values("validation"))
    }

    /// By which such a file is known.
    static let mark = "/members/run"
}

private let ensembleFormatVersion = 1

extension EvaluationRecord {
    /// SHA-256 of all values and tables, in hexadecimal: by it a run is known to have given what it gave.
    public var digest: String {
        let digest = SHA256()
        // The sign and payload of a NaN depend on the processor; its being one is the content.
        func add(_ values: [Double?]) {
            values.map { ($0.map { $0.isNaN ? .nan : $0 } ?? .nan).bitPattern.littleEndian }.withUnsafeBytes { digest.update($0) }
        }
        add(values)
        for (name, table) in tables.sorted(by: { $0.key < $1.key }) {
            digest.update("\(name)\n\(table.count)\n")
            switch table {
            case .integers(let values): values.map(\.littleEndian).withUnsafeBytes { digest.update($0) }
            case .reals(let values): values.map { ($0.isNaN ? Float.nan : $0).bitPattern.littleEndian }.withUnsafeBytes { digest.update($0) }
            }
        }
        return digest.finish()
    }
}
