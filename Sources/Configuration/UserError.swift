/// What a user can cause, in one sentence, with the exit code of `sysexits.h`.
///
/// The sentence names the file and the place, what was found there and what was expected.
public struct UserError: Error, Equatable, Sendable, CustomStringConvertible {
    /// What went wrong, with the program's exit code, as sysexits numbers it.
    public enum Kind: Int32, Sendable {
        /// A training run whose loss or weights stopped being finite, or whose repetition is not the same.
        case diverged = 1
        /// A bad command line or definition (`EX_USAGE`).
        case usage = 64
        /// Bad data or a damaged file (`EX_DATAERR`).
        case data = 65
        /// An input that is not there (`EX_NOINPUT`).
        case noInput = 66
        /// More memory than this process may have, or something that only a defect in this program can cause (`EX_SOFTWARE`).
        case `internal` = 70
        /// The system refused to read or write (`EX_IOERR`).
        case io = 74
    }

    /// Decides the exit code.
    public let kind: Kind
    /// One sentence: where, what was found, what was expected.
    public let message: String
    /// The value of the definition that the error is about, such as `train.batch_size`, where only its place is still to be said.
    public let keyPath: String?

    /// An error with its whole sentence.
    public init(_ kind: Kind, _ message: String) {
        self.kind = kind
        self.message = message
        keyPath = nil
    }

    /// An error about a value of the definition, found where its file and line are not known (`Definition.placing` adds them).
    public init(_ kind: Kind = .usage, at keyPath: String, _ message: String) {
        self.kind = kind
        self.message = "\(keyPath): \(message)"
        self.keyPath = keyPath
    }

    /// The sentence.
    public var description: String { message }
    /// What the program exits with.
    public var exitCode: Int32 { kind.rawValue }
}
