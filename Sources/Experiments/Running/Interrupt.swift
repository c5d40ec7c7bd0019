import Foundation
import Synchronization

private let requested = Atomic<Bool>(false)

/// Whether the user asked the program to end (Ctrl-C or SIGTERM): the step at hand is finished, and files are closed as they should be.
///
/// A second Ctrl-C ends the process at once.
public enum Interrupt {
    public static var isRequested: Bool { requested.load(ordering: .relaxed) }

    /// Begins to listen. The handler only sets a flag, as a signal handler may, and gives the signal its default meaning back.
    public static func listen() {
        // The global is made here, not on its first use inside the handler.
        requested.store(false, ordering: .relaxed)
        // Whoever started the program may have blocked signals, which is inherited.
        var signals = sigset_t()
        sigemptyset(&signals)
        for number in [SIGINT, SIGTERM] {
            sigaddset(&signals, number)
            signal(number) { received in
                requested.store(true, ordering: .relaxed)
                signal(received, SIG_DFL)
            }
        }
        pthread_sigmask(SIG_UNBLOCK, &signals, nil)
    }
}
