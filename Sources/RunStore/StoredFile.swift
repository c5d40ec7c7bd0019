import HDF5

/// What this program stores in HDF5, and safetensors of weights.
public enum StoredFile: Sendable {
    case run, weights, sweep, ensemble

    /// Tells by its content what `path` is.
    ///
    /// - Throws: `.data` when it is none of them, `.noInput` when it is not there.
    public init(_ path: String) throws {
        if try WeightsContainer(of: path) == .safetensors {
            self = .weights
            return
        }
        let file = try HDF5Reader(path, live: true)
        if file.exists("/status"), file.exists("/metrics") {
            self = .run
        } else if file.exists("/parameters") {
            self = .weights
        } else if file.exists("/trials"), file.exists("/sweep") {
            self = .sweep
        } else if file.exists(EnsembleFile.mark) {
            self = .ensemble
        } else {
            throw file.error("is neither a run file (it has no /status) nor a weights file (it has no /parameters) nor a sweep's plan (it has no /trials) nor an ensemble (it has no /members)")
        }
    }
}
