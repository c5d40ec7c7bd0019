import Foundation
import Synchronization

/// The signal that came first; 0: none came.
private let received = Atomic<Int32>(0)

/// Whether someone asked the program to end (Ctrl-C, SIGTERM, or SIGHUP when a terminal closes): the step at hand is finished, and files
/// are closed as they should be.
///
/// A second Ctrl-C ends the process at once.
public enum Interrupt {
    /// Whether Ctrl-C or a request to end has come.
    public static var isRequested: Bool { received.load(ordering: .relaxed) != 0 }
    /// What a program ends with that was interrupted, as a shell has it: 130 after Ctrl-C, 143 after SIGTERM, 129 after SIGHUP.
    public static var exitCode: Int32 {
        let signal = received.load(ordering: .relaxed)
        return 128 + (signal == 0 ? SIGINT : signal)
    }

    /// What ends a command that has nothing to keep when it is interrupted.
    public struct Requested: Error {}

    /// - Throws: `Requested` when someone asked the program to end.
    public static func check() throws {
        if isRequested { throw Requested() }
    }

    /// Begins to listen. The handler only notes the signal, as a signal handler may, and gives the signal its default meaning back.
    public static func listen() {
        // The global is made here, not on its first use inside the handler.
        received.store(0, ordering: .relaxed)
        // Whoever started the program may have blocked signals, which is inherited.
        var signals = sigset_t()
        sigemptyset(&signals)
        for number in [SIGINT, SIGTERM, SIGHUP] {
            sigaddset(&signals, number)
            // `nohup` had it ignored, and so it stays.
            if number == SIGHUP, isIgnored(number) { continue }
            signal(number) { number in
                _ = received.compareExchange(expected: 0, desired: number, ordering: .relaxed)
                signal(number, SIG_DFL)
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
