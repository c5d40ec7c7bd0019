import Configuration
import Synchronization
import VisionData

/// Says how far a look at many files is, from any thread: on a terminal in one line that is rewritten, elsewhere in a line every ten seconds.
public final class FileProgress: Sendable {
    private let terminal: Terminal
    private let last = Mutex(ContinuousClock.now)

    /// Says nothing in the first second.
    public init(_ terminal: Terminal = .standardError) { self.terminal = terminal }

    /// What tells it.
    public var progress: FilesProgress {
        FilesProgress { [self] done, count in
            let isDue = last.withLock { last in
                guard .now - last > (terminal.isInteractive ? .seconds(1) : .seconds(10)) else { return false }
                last = .now
                return true
            }
            guard isDue else { return }
            let line = "looking at files: \(grouped(done)) of \(grouped(count))"
            if terminal.isInteractive { terminal.status(line) } else { terminal.line(line) }
        }
    }

    /// Takes the line away.
    public func end() { terminal.endStatus() }
}

extension DataConfiguration {
    /// The images, with the progress of a long look at files on standard error.
    func load(dataDirectory: String? = nil) throws -> ImageDataset {
        let progress = FileProgress()
        defer { progress.end() }
        var shown = self
        shown.places.progress = progress.progress
        return try ImageDataset.load(shown, dataDirectory: dataDirectory)
    }
}
