import Configuration
import Foundation
import HDF5
import TestSupport
import Testing

/// Files that h5py wrote, in forms that this program does not write itself.
struct ForeignFileTests {
    @Test(.enabled(if: Python.withH5py != nil, "\(Python.missing)"))
    func filesOfH5pyAreRead() throws {
        let python = try #require(Python.withH5py)
        try withTemporaryFolder { folder in
            let path = "\(folder)/a.h5"
            let script = """
                import h5py, numpy as np
                with h5py.File("\(path)", "w") as f:
                    f["train/images"] = np.arange(24, dtype=">f4").reshape(2, 1, 3, 4)
                    f.create_dataset("train/labels", data=np.arange(10, dtype="i2"), chunks=(3,), compression="gzip")
                    f["half"] = np.array([0.5, 2], dtype="f2")
                    f["flags"] = np.array([True, False])
                    f["name"] = "größe"
                    f["names"] = ["a", "bcd"]
                    f["complex"] = np.array([1j])
                    f["link"] = h5py.SoftLink("/nowhere")
                    f.attrs["title"] = "text of variable length"
                    f.attrs["mean"] = np.array([0.5, 0.25])
                """
            #expect(Python.run([python, "-c", script]).status == 0)
            let file = try HDF5Reader(path)
            #expect(try file.shape(of: "/train/images") == [2, 1, 3, 4])
            #expect(try file.elementType(of: "/train/images") == .float32)
            #expect(try file.read("/train/images", rows: 1..<2, as: Float.self) == (12..<24).map { Float($0) })
            #expect(try file.elementType(of: "/train/labels") == .int16)
            #expect(try file.read("/train/labels", as: Int64.self) == Array(0..<10))
            #expect(try file.elementType(of: "/half") == .otherFloat)
            #expect(try file.read("/half", as: Float.self) == [0.5, 2])
            #expect(try file.elementType(of: "/flags") == .int8)
            #expect(try file.read("/flags", as: UInt8.self) == [1, 0])
            #expect(try file.readString("/name") == "größe")
            #expect(try file.elementType(of: "/names") == .string)
            #expect(try file.elementType(of: "/complex") == .compound)
            #expect(throws: UserError(.data, "\(path): /complex: cannot be read: no appropriate function for conversion path")) {
                try file.read("/complex", as: Float.self)
            }
            #expect(!file.exists("/link"))
            #expect(try file.attributeStrings("title", of: "/") == ["text of variable length"])
            #expect(try file.attribute("mean", of: "/", as: Double.self) == [0.5, 0.25])
            #expect(try file.children(of: "/") == ["complex", "flags", "half", "link", "name", "names", "train"])
        }
    }

    /// A header that promises more than memory is an error and no crash.
    @Test(.enabled(if: Python.withH5py != nil, "\(Python.missing)"))
    func anAbsurdShapeIsRefused() throws {
        let python = try #require(Python.withH5py)
        try withTemporaryFolder { folder in
            let path = "\(folder)/a.h5"
            let script = """
                import h5py
                with h5py.File("\(path)", "w") as f:
                    f.create_dataset("huge", (1 << 40, 1 << 10), dtype="f4", chunks=(1, 1))
                """
            #expect(Python.run([python, "-c", script]).status == 0)
            let message = "\(path): /huge: has the shape [1099511627776, 1024], which is more than the memory that this process may use"
            #expect(throws: UserError(.data, message)) { try HDF5Reader(path).read("/huge", as: Float.self) }
        }
    }
}
