import HDF5
import TensorCore
import VisionData

/// Which program this is.
public enum ProgramVersion {
    /// Grows with what the program can do; the commit in `machine.json` says it exactly.
    public static let number = "0.11.0"

    /// The libraries that a result depends on, as `machine.json` names them.
    static var libraries: [String: String] { ["hdf5": hdf5Version, "onednn": OneDNN.version, "images": imageLibraryVersions] }

    /// `harness 0.11.0 (HDF5 1.10.8, oneDNN 2.6.3)`.
    public static var text: String { "harness \(number) (HDF5 \(hdf5Version), oneDNN \(OneDNN.version))" }
}
