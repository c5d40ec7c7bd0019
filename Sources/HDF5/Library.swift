import CHDF5
import Configuration
import Foundation

/// The library's one owner: every call into libhdf5, the closing of handles included, happens inside `Library.locked`.
///
/// libhdf5 keeps global state (open files, identifiers, the metadata cache) and an error stack for each thread. A recursive lock
/// keeps a whole operation together, the walk of the error stack after a failure included.
enum Library {
    private static let lock: NSRecursiveLock = {
        // Handles are closed by their owners. The library's own clean-up at exit would retry writes that have already failed.
        H5dont_atexit()
        // Other folders in which the library would look for what a file refers to, before those that were checked.
        for variable in ["HDF5_EXT_PREFIX", "HDF5_EXTFILE_PREFIX", "HDF5_VDS_PREFIX"] { unsetenv(variable) }
        H5open()
        // What describes an open file takes half a megabyte. By default that goes back to the system each time, and comes as empty pages.
        H5set_free_list_limits(8 << 20, 4 << 20, 4 << 20, 256 << 10, 16 << 20, 1 << 20)
        // Past a file size limit a write shall fail like one on a full disk, and not end the process.
        signal(SIGXFSZ, SIG_IGN)
        return NSRecursiveLock()
    }()

    /// How often the thread that has the lock has entered. Changes inside the lock alone.
    private nonisolated(unsafe) static var depth = 0

    static func locked<Result>(_ body: () throws -> Result) rethrows -> Result {
        lock.lock()
        depth += 1
        defer {
            depth -= 1
            lock.unlock()
        }
        // The switch is kept for each thread, so whoever enters from outside sets it.
        if depth == 1 { H5Eset_auto2(defaultID, nil, nil) }
        return try body()
    }

    /// Properties of a transfer that looks at no checksums; the library's default does. It is made at the first use, inside `locked`, and stays.
    static let uncheckedTransfer: hid_t = {
        let properties = H5Pcreate(chdf5_dataset_transfer())
        H5Pset_edc_check(properties, H5Z_DISABLE_EDC)
        return properties
    }()

    /// Properties with which files are opened for reading, made at the first use, inside `locked`, and kept.
    static let readAccess: hid_t = makeReadAccess()

    /// The same for files of which little is read: the library would clear a buffer of 64 KiB for each small dataset.
    static let smallReadAccess: hid_t = {
        let properties = makeReadAccess()
        H5Pset_sieve_buf_size(properties, 0)
        return properties
    }()

    private static func makeReadAccess() -> hid_t {
        let properties = H5Pcreate(chdf5_file_access())
        H5Pset_fclose_degree(properties, H5F_CLOSE_STRONG)
        return properties
    }
}

/// `H5P_DEFAULT`, `H5E_DEFAULT` and `H5S_ALL`, which are all zero.
let defaultID: hid_t = 0

/// An identifier of the library and the duty to close it.
///
/// Hold it in a named constant while its `id` is in use: a temporary is released, and so closed, as soon as the `id` has been read.
///
/// Sendable because the identifier never changes and every use of it goes through `Library.locked`.
final class Handle: @unchecked Sendable {
    let id: hid_t
    private let closer: (hid_t) -> herr_t
    private let place: Place
    private var isOpen = true

    /// Takes over `id`, or throws what the error stack says when the call that made it failed; `action` completes "cannot be …".
    init(_ id: hid_t, _ closer: @escaping (hid_t) -> herr_t, _ place: Place, _ action: String) throws {
        guard id >= 0 else { throw place.failure(action) }
        self.id = id
        self.closer = closer
        self.place = place
    }

    /// Closes now, reporting what the library could not write.
    func close() throws {
        try place.locked {
            guard isOpen else { return }
            isOpen = false
            if closer(id) < 0 { throw place.failure("written") }
        }
    }

    deinit {
        // What belongs to a file that could not be written stays open: see `WriteHealth`. Whoever writes closes what can still write by
        // `close()`, and learns whether it did; here it can only be remembered, for the other handles of the file.
        Library.locked {
            if isOpen, place.health?.failure == nil, closer(id) < 0, place.health != nil { _ = place.failure("written") }
        }
    }
}

extension Handle {
    /// The file that `call` opens or creates.
    ///
    /// A process that another thread has just started holds a copy of each descriptor, and with it the locks of files that were closed here
    /// since, until it has closed its copies: for an instant. So a lock is asked for again before it is an error.
    static func ofFile(_ place: Place, _ action: String, _ call: () -> hid_t) throws -> Handle {
        var id = call()
        for _ in 0..<10 where id < 0 && place.isLockedByAnother {
            usleep(20_000)
            id = call()
        }
        return try Handle(id, H5Fclose, place, action)
    }
}

/// Whether a file could be written so far.
///
/// When a disk is full, libhdf5 1.10 loses track of what it holds open in the file: closing any of it afterwards crashes. So after
/// the first failure nothing of the file is touched again, its handles stay open until the process ends, and every further
/// attempt throws the first error.
///
/// Sendable because it changes only inside `Library.locked`.
final class WriteHealth: @unchecked Sendable {
    fileprivate(set) var failure: UserError?
}

extension Place {
    /// Runs calls about this place with the library locked, unless an earlier one has spoiled the file.
    func locked<Result>(_ body: () throws -> Result) throws -> Result {
        try Library.locked {
            if let failure = health?.failure { throw failure }
            return try body()
        }
    }

    /// What the error stack says about the call that just failed; `action` completes "cannot be …".
    func failure(_ action: String) -> UserError {
        spoiled(sentence(action))
    }

    /// Remembers that the file is not to be touched any more, and returns `failure`.
    func spoiled(_ failure: UserError) -> UserError {
        if let health, health.failure == nil { health.failure = failure }
        return failure
    }
}

/// How files are opened: closing one closes what was opened through it.
func fileAccess(_ place: Place) throws -> Handle {
    let access = try Handle(H5Pcreate(chdf5_file_access()), H5Pclose, place, "opened")
    H5Pset_fclose_degree(access.id, H5F_CLOSE_STRONG)
    return access
}

/// The version of the HDF5 library that runs, such as `1.10.8`.
public let hdf5Version: String = Library.locked {
    var major: UInt32 = 0, minor: UInt32 = 0, release: UInt32 = 0
    H5get_libversion(&major, &minor, &release)
    return "\(major).\(minor).\(release)"
}
