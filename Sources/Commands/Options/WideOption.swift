import ArgumentParser
import Foundation

/// `--wide`, for every command that prints tables.
struct WideOption: ParsableArguments {
    @Flag(help: "Print tables as wide as they come; without it, on a terminal that is narrower, a row takes several lines.")
    var wide = false

    /// How many characters a line may have; nil where nothing cuts it: with `--wide`, in a file, in a pipe.
    var width: Int? {
        guard !wide, isatty(STDOUT_FILENO) == 1 else { return nil }
        var size = winsize()
        guard ioctl(STDOUT_FILENO, UInt(TIOCGWINSZ), &size) == 0, size.ws_col > 0 else { return 80 }
        return Int(size.ws_col)
    }
}
