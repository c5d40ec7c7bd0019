import CHDF5
import Configuration

extension HDF5Reader {
    /// Reads a whole dataset into memory that the caller has, in row-major order and converted to `Element` as HDF5 converts.
    ///
    /// - Parameter target: as many numbers as the dataset has.
    public func read<Element: HDF5Element>(_ dataset: String, into target: UnsafeMutableBufferPointer<Element>) throws {
        try Library.locked { try openDataset(dataset).read(into: target) }
    }
}
