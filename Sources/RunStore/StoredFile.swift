import HDF5

/// What this program stores in HDF5.
public enum StoredFile: Sendable {
    case run, weights

    /// Tells by its content what `path` is.
    ///
    /// - Throws: `.data` when it is neither, `.noInput` when it is not there.
    public init(_ path: String) throws {
        let file = try HDF5Reader(path, live: true)
        if file.exists("/status"), file.exists("/metrics") {
            self = .run
        } else if file.exists("/parameters") {
            self = .weights
        } else {
            throw file.error("is neither a run file (it has no /status) nor a weights file (it has no /parameters)")
        }
    }
}
