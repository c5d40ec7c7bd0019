import Configuration
import Foundation

/// Where progress goes: standard error, so that standard output holds results alone.
public struct Terminal: Sendable {
    /// Whether lines can be rewritten in place.
    public let isInteractive: Bool
    /// Who hears the lines instead of standard error.
    private let listener: (@Sendable (String) -> Void)?

    /// Standard error, where progress is shown.
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
        write((isInteractive ? "\r\u{1B}[K" : "") + "\(text.visible)\n")
    }

    /// Rewrites the last line, with as much of it as the terminal is wide. Nothing where lines cannot be rewritten.
    func status(_ line: FittingLine) {
        if isInteractive { rewrite(line.text(within: columns - 1)) }
    }

    /// The same of a text whose parts stand two spaces apart; it ends behind the last one that fits.
    public func status(_ text: String) {
        if isInteractive { rewrite(FittingLine.ended(text, within: columns - 1)) }
    }

    /// Takes the rewritten line away, so that other output begins on a line of its own. Nothing where lines cannot be rewritten.
    public func endStatus() {
        if isInteractive { write("\r\u{1B}[K") }
    }

    private func rewrite(_ text: String) { write("\r\u{1B}[K\(text.visibleOnOneLine)") }

    /// How many columns the terminal has that is written to; 80 where it does not say.
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
