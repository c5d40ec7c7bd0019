import CHDF5
import Configuration
import Foundation

/// Where a call failed, to turn the library's error stack into one sentence.
struct Place: Sendable {
    let file: String
    /// The object's path inside the file, or nil for the file itself.
    var object: String?
    /// The file's path when it is being written; nil when it is read.
    let health: WriteHealth?

    private var isWriting: Bool { health != nil }

    func at(_ object: String) -> Place { Place(file: file, object: object, health: health) }

    var description: String { object.map { "\(file): \($0)" } ?? file }

    /// An error of our own about this place.
    func error(_ kind: UserError.Kind, _ sentence: String) -> UserError { UserError(kind, "\(description): \(sentence)") }

    /// The error stack in one sentence; `action` completes "cannot be …".
    func sentence(_ action: String) -> UserError {
        let stack = ErrorStack.current()
        if let code = stack.systemError { return systemFailure(code, action, isLock: stack.mentions("unable to lock")) }
        if stack.mentions("file signature not found") || stack.mentions("superblock version") {
            return error(.data, "is not an HDF5 file")
        }
        if let truncation = stack.first(containing: "truncated file") {
            let numbers = truncation.split { !$0.isNumber }.compactMap { Int($0) }
            // What the file has after the block for its users, where that ends, and what it should have with it.
            let sizes = numbers.count == 3 ? " (it has \(numbers[0] + numbers[1]) bytes and should have \(numbers[2]))" : ""
            return error(.data, "is truncated\(sizes)")
        }
        if stack.mentions("file is already open for") { return beingWritten }
        // Without a system error, reading failed by what is in the file and writing by what the system refused.
        return error(isWriting ? .io : .data, "cannot be \(action): \(stack.reason)")
    }

    /// Whether the call that just failed did so because the operating system refused something.
    var isRefusedBySystem: Bool { ErrorStack.current().systemError != nil }

    /// Whether the call that just failed did so because a process has the file locked.
    var isLockedByAnother: Bool {
        let stack = ErrorStack.current()
        return stack.systemError.map(Self.isLocked) == true && stack.mentions("unable to lock")
    }

    private static func isLocked(_ code: Int32) -> Bool { code == EAGAIN || code == EWOULDBLOCK }

    var beingWritten: UserError { error(.io, "is being written, or its writer was killed") }

    /// A failure that the operating system reported.
    func systemFailure(_ code: Int32, _ action: String, isLock: Bool = false) -> UserError {
        let reason = String(cString: strerror(code))
        if isLock {
            if Self.isLocked(code) {
                return error(.io, "is locked by another process; wait until that ends")
            }
            return error(
                .io,
                "the file system refuses file locks (\(reason)); if no other process uses this file, "
                    + "set HDF5_USE_FILE_LOCKING=FALSE and run again")
        }
        switch code {
        case ENOENT: return error(isWriting ? .io : .noInput, isWriting ? "its folder does not exist" : "there is no such file")
        case EISDIR: return error(.data, "is a folder, expected an HDF5 file")
        default: return error(.io, "cannot be \(action): \(reason)")
        }
    }
}

/// The library's error stack after a failed call.
private struct ErrorStack {
    /// Descriptions, the innermost first.
    var descriptions: [String] = []

    static func current() -> ErrorStack {
        var stack = ErrorStack()
        withUnsafeMutablePointer(to: &stack) { pointer in
            _ = H5Ewalk2(defaultID, H5E_WALK_UPWARD, { _, entry, context in
                guard let context, let text = entry?.pointee.desc else { return 0 }
                context.assumingMemoryBound(to: ErrorStack.self).pointee.descriptions.append(String(cString: text))
                return 0
            }, pointer)
        }
        return stack
    }

    func first(containing text: String) -> String? { descriptions.first { $0.contains(text) } }
    func mentions(_ text: String) -> Bool { first(containing: text) != nil }

    /// The `errno` that the file driver wrote into its description.
    var systemError: Int32? {
        for text in descriptions {
            guard let range = text.range(of: "errno = ") else { continue }
            if let code = Int32(text[range.upperBound...].prefix { $0.isNumber }), code != 0 { return code }
        }
        return nil
    }

    var reason: String {
        descriptions.first { !$0.isEmpty } ?? "the HDF5 library gives no reason"
    }
}
