import Foundation
import Synchronization

private let requested = Atomic<Bool>(false)

/// Whether someone asked the program to end (Ctrl-C, SIGTERM, or SIGHUP when a terminal closes): the step at hand is finished, and files
/// are closed as they should be.
///
/// A second Ctrl-C ends the process at once.
public enum Interrupt {
    public static var isRequested: Bool { requested.load(ordering: .relaxed) }
    /// What a program ends with that was interrupted, as a shell has it.
    public static let exitCode: Int32 = 128 + SIGINT

    /// Begins to listen. The handler only sets a flag, as a signal handler may, and gives the signal its default meaning back.
    public static func listen() {
        // The global is made here, not on its first use inside the handler.
        requested.store(false, ordering: .relaxed)
        // Whoever started the program may have blocked signals, which is inherited.
        var signals = sigset_t()
        sigemptyset(&signals)
        for number in [SIGINT, SIGTERM, SIGHUP] {
            sigaddset(&signals, number)
            // `nohup` had it ignored, and so it stays.
            if number == SIGHUP, isIgnored(number) { continue }
            signal(number) { received in
                requested.store(true, ordering: .relaxed)
                signal(received, SIG_DFL)
            }
        }
        pthread_sigmask(SIG_UNBLOCK, &signals, nil)
        // A reader of the output that goes away shall not take the training with it.
        signal(SIGPIPE, SIG_IGN)
    }

    private static func isIgnored(_ number: Int32) -> Bool {
        let earlier = signal(number, SIG_IGN)
        let ignored = unsafeBitCast(earlier, to: Int.self) == unsafeBitCast(SIG_IGN, to: Int.self)
        signal(number, earlier)
        return ignored
    }
}
