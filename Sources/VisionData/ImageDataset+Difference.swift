import Configuration
import TensorCore

extension ImageDataset {
    /// The classes in the order of their labels: by name where they have names, else by number.
    public var classList: [String] { classNames ?? (classNumbers ?? Array(0..<classCount)).map(String.init) }

    /// What is done to images before they are evaluated that is not done in another data set, as a key of `data` with what it says in each; nil where nothing is.
    public func differenceInInputs(from other: ImageDataset) -> String? {
        func keyed(_ key: String, _ text: (ImageDataset) -> String) -> String { "data.\(key) (\(text(self)) and \(text(other)))" }
        func numbers(_ values: [Double]) -> String { values.map { decimals($0, 5) }.joined(separator: ", ") }
        let isSameSize = switch (native, other.native) {
        case (nil, nil): shape == other.shape
        case (let own?, let others?): (own.patch, own.tokens) == (others.patch, others.tokens)
        default: false
        }
        if !isSameSize {
            return keyed("size") { set in set.native.map { "native, patch \($0.patch), tokens \($0.tokens)" } ?? "\(set.shape)" }
        }
        if resize != other.resize { return keyed("resize") { $0.resize.rawValue } }
        if let files = images.files, let others = other.images.files {
            if files.sizing.interpolation != others.sizing.interpolation {
                return keyed("interpolation") { $0.images.files?.sizing.interpolation.rawValue ?? "" }
            }
            if files.decoding != others.decoding { return "data.folder (how files are decoded)" }
        }
        if normalization != other.normalization {
            return keyed("normalization") { "mean \(numbers($0.normalization.mean)), deviation \(numbers($0.normalization.std))" }
        }
        return nil
    }
}
