/// What a user can cause, in one sentence, with the exit code of `sysexits.h`.
///
/// The sentence names the file and the place, what was found there and what was expected.
public struct UserError: Error, Equatable, Sendable, CustomStringConvertible {
    public enum Kind: Int32, Sendable {
        /// A training run whose loss or weights stopped being finite.
        case diverged = 1
        /// A bad command line or definition (`EX_USAGE`).
        case usage = 64
        /// Bad data or a damaged file (`EX_DATAERR`).
        case data = 65
        /// An input that is not there (`EX_NOINPUT`).
        case noInput = 66
        /// Something that only a defect in this program can cause (`EX_SOFTWARE`).
        case `internal` = 70
        /// The system refused to read or write (`EX_IOERR`).
        case io = 74
    }

    public let kind: Kind
    public let message: String

    public init(_ kind: Kind, _ message: String) {
        self.kind = kind
        self.message = message
    }

    public var description: String { message }
    public var exitCode: Int32 { kind.rawValue }
}
