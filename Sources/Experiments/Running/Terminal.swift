import Foundation

/// Where progress goes: standard error, so that standard output holds results alone.
public struct Terminal: Sendable {
    /// Whether lines can be rewritten in place.
    public let isInteractive: Bool
    /// Who hears the lines instead of standard error.
    private let listener: (@Sendable (String) -> Void)?

    public static let standardError = Terminal(
        isInteractive: isatty(STDERR_FILENO) == 1 && ProcessInfo.processInfo.environment["TERM"] != "dumb")
    /// For trainings whose progress interests nobody.
    static let silent = Terminal { _ in }

    private init(isInteractive: Bool) {
        self.isInteractive = isInteractive
        listener = nil
    }

    /// A terminal that hands its lines on.
    init(_ listener: @escaping @Sendable (String) -> Void) {
        isInteractive = false
        self.listener = listener
    }

    /// Writes a line that stays.
    public func line(_ text: String) {
        if let listener { return listener(text) }
        write(isInteractive ? "\r\u{1B}[K\(text)\n" : "\(text)\n")
    }

    /// Rewrites the last line, cut to the terminal's width. Nothing where lines cannot be rewritten.
    public func status(_ text: String) {
        guard isInteractive else { return }
        write("\r\u{1B}[K\(text.prefix(columns - 1))")
    }

    /// Takes the rewritten line away, so that other output begins on a line of its own. Nothing where lines cannot be rewritten.
    public func endStatus() {
        if isInteractive { write("\r\u{1B}[K") }
    }

    private var columns: Int {
        var size = winsize()
        guard ioctl(STDERR_FILENO, UInt(TIOCGWINSZ), &size) == 0, size.ws_col > 1 else { return 80 }
        return Int(size.ws_col)
    }

    /// Progress that cannot be shown is no reason to end a training.
    private func write(_ text: String) {
        try? FileHandle.standardError.write(contentsOf: Data(text.utf8))
    }
}
