import Configuration
import Foundation
import HDF5

/// The kinds of files that weights come in.
enum WeightsContainer {
    case hdf5, safetensors

    /// Tells by its first bytes what a file is; what is neither is left to the reader of HDF5, which says so.
    ///
    /// - Throws: `.data` for PyTorch's pickles, `.noInput` when it is not there, `.io` when it cannot be read.
    init(of path: String) throws {
        var start: [UInt8] = []
        _ = try readPieces(of: path) { piece in
            start += piece.prefix(9 - start.count)
            return start.count < 9
        }
        let isMap = start.count == 9 && start[8] == UInt8(ascii: "{")
        if start.starts(with: Self.zipMagic) || start.first == Self.pickleMagic && start.count > 1 && (2...5).contains(start[1]) && !isMap {
            throw UserError(.data, Self.refusal(of: path))
        }
        self = isMap || path.lowercased().hasSuffix(".safetensors") && !start.starts(with: Self.hdf5Magic) ? .safetensors : .hdf5
    }

    private static let hdf5Magic: [UInt8] = [0x89, 0x48, 0x44, 0x46]
    private static let zipMagic: [UInt8] = [0x50, 0x4B, 0x03, 0x04]
    private static let pickleMagic: UInt8 = 0x80

    /// A pickle is a program that Python runs to make the tensors, so it is not opened here.
    private static func refusal(of path: String) -> String {
        func quoted(_ name: String) -> String { "\"\(name.replacing("\\", with: "\\\\").replacing("\"", with: "\\\""))\"" }
        let name = (path as NSString).lastPathComponent, stem = (name as NSString).deletingPathExtension
        let target = "\(stem).safetensors" == name ? "\(stem)-converted.safetensors" : "\(stem).safetensors"
        return """
            \(path): is a pickle of PyTorch's, which is a program rather than data and is not opened here; these two lines of Python convert it:
            import torch, safetensors.torch
            safetensors.torch.save_file({k: v.clone() for k, v in torch.load(\(quoted(name)), weights_only=True).items()}, \(quoted(target)))
            """
    }
}
