import Configuration

extension LabeledImages {
    /// - Parameter place: of the files, for the error.
    /// - Throws: `.data` when all training images are of one class, of which nothing can be learnt.
    public func requireSeveralClasses(at place: String) throws {
        let labels = labels[train]
        guard let first = labels.first, labels.allSatisfy({ $0 == first }) else { return }
        throw UserError(.data, "\(place): all \(grouped(labels.count)) training images have the label \(first), expected at least two classes")
    }

    /// - Throws: `UserError(.usage)` where the data give each image a set of classes, and no single one.
    public func requireLabels() throws {
        guard hasSetsAlone else { return }
        throw UserError(at: "data", "\(name) has label_sets and no labels, one class for each image, which this task needs; expected the task multi_label, or labels")
    }

    /// Images of one part that are, pixel by pixel, also in another.
    ///
    /// - Returns: how many images of `part` there are in `other`, with the first of them and its twin; nil when there are none.
    func duplicates(of part: Range<Int>, in other: Range<Int>) -> (count: Int, first: Int, twin: Int)? {
        if case .files(let files) = pixels { return files.duplicates(of: part, in: other) }
        let imageSize = (byteCount - (masks?.count ?? 0)) / max(labels.count, 1)
        return withPixelBytes { bytes in
            func image(_ index: Int) -> UnsafeRawBufferPointer { UnsafeRawBufferPointer(rebasing: bytes[index * imageSize..<(index + 1) * imageSize]) }
            func hash(_ index: Int) -> Int {
                var hasher = Hasher()
                hasher.combine(bytes: image(index))
                return hasher.finalize()
            }
            let places = Dictionary(grouping: part, by: hash)
            var twins: [Int: Int] = [:]
            for index in other {
                for place in places[hash(index)] ?? [] where twins[place] == nil && image(place).elementsEqual(image(index)) { twins[place] = index }
            }
            return twins.min { $0.key < $1.key }.map { (twins.count, $0.key, $0.value) }
        }
    }

    private func withPixelBytes<Result>(_ body: (UnsafeRawBufferPointer) -> Result) -> Result {
        switch pixels {
        case .bytes(let values, _): values.withUnsafeBytes(body)
        case .floats(let values): values.withUnsafeBytes(body)
        case .files: body(UnsafeRawBufferPointer(start: nil, count: 0))
        }
    }
}

extension ImageFiles {
    /// Files of one part whose bytes are also in another.
    fileprivate func duplicates(of part: Range<Int>, in other: Range<Int>) -> (count: Int, first: Int, twin: Int)? {
        let places = Dictionary(other.map { (entries[$0].digest, $0) }) { first, _ in first }
        let twins = part.compactMap { index in places[entries[index].digest].map { (index, $0) } }
        return twins.first.map { (twins.count, $0.0, $0.1) }
    }
}

extension ImageDataset {
    /// Sentences about classes without images.
    var classDoubts: [String] {
        func labels(_ split: Split) -> Set<Int32> { Set(indices(of: split).map { self.labels[Int($0)] }) }
        let trained = labels(.train), all = Set(self.labels), classes = Set((0..<classCount).map(Int32.init))
        var doubts: [String] = []
        // Of images with masks the first class is what lies behind all objects.
        let empty = classes.subtracting(images.masks == nil ? all : all.union([0]))
        if !empty.isEmpty {
            let counting = empty.contains(0) ? "; labels are counted from 0" : ""
            doubts.append("\(name): no image is of \(list(empty)), but there are \(grouped(classCount)) classes\(counting)")
        }
        for (split, text) in [(Split.validation, "validation"), (.test, "test")] {
            let unknown = labels(split).subtracting(trained).subtracting(unseenClasses.map(Int32.init))
            if !unknown.isEmpty { doubts.append("\(name): there are \(text) images of \(list(unknown)), but no training images of it") }
        }
        return doubts
    }

    /// Sentences about images that a model has seen before it is tested on them.
    var duplicateDoubts: [String] {
        let parts = [(images.test, "test")] + (images.validation.map { [($0, "validation")] } ?? [])
        return parts.compactMap { part, text in
            guard let found = images.duplicates(of: part, in: images.train) else { return nil }
            let places = "\(text) image \(grouped(found.first - part.lowerBound)) is training image \(grouped(found.twin))"
            return "\(name): \(grouped(found.count)) of \(grouped(part.count)) \(text) images are among the training images too (\(places))"
        }
    }

    /// `class 3 (dress)`, or `the classes 3 (dress) and 4 (coat)`, of which at most eight are named.
    private func list(_ classes: Set<Int32>) -> String {
        let shown = classes.sorted().prefix(8).map { label in "\(label)" + (classNames.map { " (\($0[Int(label)]))" } ?? "") }
        let rest = classes.count - shown.count
        if classes.count == 1 { return "class \(shown[0])" }
        return rest > 0
            ? "the classes \(shown.joined(separator: ", ")) and \(grouped(rest)) more"
            : "the classes \(shown.dropLast().joined(separator: ", ")) and \(shown[shown.count - 1])"
    }
}
