import Checksums

extension LabeledImages {
    /// SHA-256 over everything that a training can see of the data set: the pixels, their range and shape, the labels, and which images are for
    /// training, validation and test. The same for the same images, wherever and in whatever format they lie.
    public var digest: String {
        let digest = SHA256()
        func add(_ numbers: [Int]) { numbers.map { Int64($0).littleEndian }.withUnsafeBytes { digest.update($0) } }
        add([shape.height, shape.width, shape.channels, classCount, train.count, validation?.count ?? 0, test.count])
        switch pixels {
        case .bytes(let values, let maximum):
            add([Int(maximum)])
            values.withUnsafeBytes { digest.update($0) }
        case .floats(let values):
            values.withUnsafeBytes { digest.update($0) }
        }
        labels.withUnsafeBytes { digest.update($0) }
        return digest.finish()
    }
}
