import Foundation
import Synchronization

/// A terminal that keeps what a program shows on it.
final class PseudoTerminal: Sendable {
    /// What the program is given.
    let end: FileHandle
    private let shown: Shown

    private final class Shown: Sendable {
        let data = Mutex(Data())
        let isOver = DispatchSemaphore(value: 0)
    }

    init() throws {
        // Linux's own calls: Swift does not see posix_openpt and its like. TIOCSPTLCK unlocks the other end, TIOCGPTN has its number.
        let descriptor = open("/dev/ptmx", O_RDWR | O_NOCTTY)
        var number: Int32 = 0
        guard descriptor >= 0, ioctl(descriptor, 0x4004_5431, &number) == 0, ioctl(descriptor, 0x8004_5430, &number) == 0 else {
            throw CocoaError(.fileReadUnknown)
        }
        let other = open("/dev/pts/\(number)", O_RDWR | O_NOCTTY)
        guard other >= 0 else { throw CocoaError(.fileReadUnknown) }
        end = FileHandle(fileDescriptor: other, closeOnDealloc: true)
        let shown = Shown()
        self.shown = shown
        // Reads until the last who has the terminal open is gone.
        Thread {
            var buffer = [UInt8](repeating: 0, count: 1 << 16)
            while true {
                let count = read(descriptor, &buffer, buffer.count)
                guard count > 0 else { break }
                shown.data.withLock { $0.append(contentsOf: buffer[..<count]) }
            }
            close(descriptor)
            shown.isOver.signal()
        }.start()
    }

    /// All that was shown by programs that have ended, to the last byte. The terminal is closed then.
    func finalText() throws -> String {
        try end.close()
        shown.isOver.wait()
        return text
    }

    /// All that was shown until now.
    var text: String { shown.data.withLock { String(decoding: $0, as: UTF8.self) } }
}
