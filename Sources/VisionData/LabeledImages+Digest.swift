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
        case .files(let files):
            // What is made of the files, their classes and paths, and what they hold.
            let decoding = files.decoding
            digest.update("files \(decoding.channels) \(decoding.background) \(decoding.precision.rawValue)\n")
            for name in classNames ?? [] { digest.update("\(name)\u{0}") }
            for entry in files.entries { digest.update("\(entry.path)\u{0}\(entry.digest)" + (entry.group.map { "\u{0}\($0)\u{0}" } ?? "")) }
        }
        labels.withUnsafeBytes { digest.update($0) }
        return digest.finish()
    }
}
