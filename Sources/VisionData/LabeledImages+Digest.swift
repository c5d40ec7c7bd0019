import Checksums
import TensorCore

extension LabeledImages {
    /// SHA-256 over everything that a training can see of the data set: the pixels, their range and shape, the labels, which images are for
    /// training, validation and test, and masks, boxes, label sets and targets where there are some. The same for the same images, wherever and in whatever format they lie.
    public var digest: String { digest(of: shape) }

    /// `digest` as it would be if the files had been brought to another size; nil where the images are no files.
    public func digest(inSize size: Size2D) -> String? {
        files.map { _ in digest(of: ImageShape(height: size.height, width: size.width, channels: shape.channels)) }
    }

    private func digest(of shape: ImageShape) -> String {
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
            for entry in files.entries {
                digest.update("\(entry.path)\u{0}\(entry.digest)" + (entry.group.map { "\u{0}\($0)\u{0}" } ?? "") + (entry.maskDigest.map { "\u{0}mask \($0)" } ?? ""))
            }
        }
        labels.withUnsafeBytes { digest.update($0) }
        // Masks in files have been digested as they lie, whatever size they come to.
        if let masks, files == nil {
            digest.update("masks\n")
            masks.withUnsafeBytes { digest.update($0) }
        }
        if let boxes {
            let areWhole = boxes.boxes.allSatisfy { $0.allSatisfy(\.isWhole) }
            digest.update("boxes \(boxes.maximum)\(areWhole ? "" : " in float32")\n")
            for image in boxes.boxes {
                add([image.count] + image.flatMap { box in [Int(box.label)] + box.numbers.map { areWhole ? Int($0) : Int($0.bitPattern) } })
            }
        }
        if let labelSets {
            digest.update("label sets \(labelSets.classCount)\n")
            labelSets.values.withUnsafeBytes { digest.update($0) }
        }
        if let targets {
            digest.update("targets \(targets.count)\n")
            targets.values.withUnsafeBytes { digest.update($0) }
        }
        return digest.finish()
    }

    /// SHA-256 over what some images hold, one after another: their pixels, or the bytes of their files. In whatever size models get them, it is the same.
    ///
    /// - Parameter places: global indices.
    public func digest(of places: [Int32]) -> String {
        let digest = SHA256()
        func add<Value>(_ values: [Value]) {
            values.withUnsafeBytes { bytes in
                let length = shape.count * MemoryLayout<Value>.stride
                for place in places { digest.update(UnsafeRawBufferPointer(rebasing: bytes[Int(place) * length..<(Int(place) + 1) * length])) }
            }
        }
        switch pixels {
        case .bytes(let values, let maximum):
            digest.update("bytes \(shape) \(maximum)\n")
            add(values)
        case .floats(let values):
            digest.update("floats \(shape)\n")
            add(values)
        case .files(let files):
            for place in places { digest.update("\(files.entries[Int(place)].digest)\n") }
        }
        return digest.finish()
    }
}
