import Configuration
import TensorCore

/// What `harness data` shows of one data set known by name: what is there, or where it was looked for. Only headers are read.
public struct DatasetSurvey: Sendable {
    /// What was found where a data set belongs.
    public enum Finding: Sendable {
        /// Counts are those of the official parts. `place` is a folder, or `part of the program`, or `made by the program`.
        case found(place: String, trainCount: Int, testCount: Int, shape: ImageShape)
        /// `reason` says how to get it, or what is wrong with what is there.
        case unusable(reason: String)
    }

    /// The data set that was looked for.
    public let dataset: NamedDataset
    /// What was found.
    public let finding: Finding
    /// Where it was looked for, in order; empty for what is part of the program.
    public let places: [String]

    /// Looks for a data set; `dataDirectory` is the folder of `--data-dir`.
    public init(_ dataset: NamedDataset, dataDirectory: String?) {
        self.dataset = dataset
        places = dataset.load == nil ? IDXDataset.places(of: dataset.scenes == nil ? dataset : .fashionMNIST, directory: dataDirectory) : []
        do {
            if let scenes = dataset.scenes {
                finding = try scenes.survey(in: dataDirectory)
            } else if let made = dataset.made {
                finding = .found(place: "made by the program", trainCount: made.trainCount, testCount: made.testCount, shape: made.shape)
            } else if let load = dataset.load {
                let images = try load(dataDirectory)
                finding = .found(
                    place: "part of the program", trainCount: images.train.count, testCount: images.test.count, shape: images.shape)
            } else {
                let files = try dataset.find(in: dataDirectory)
                let (trainCount, testCount, shape) = try files.survey()
                finding = .found(place: files.directory, trainCount: trainCount, testCount: testCount, shape: shape)
            }
        } catch {
            // Where it was looked for is said below.
            let isMissing = (error as? UserError).map { $0.kind == .noInput && $0.message.hasPrefix("data set ") } ?? false
            finding = .unusable(reason: isMissing ? dataset.howToGet : (error as? UserError)?.message ?? "\(error)")
        }
    }
}

extension DatasetSurvey: CustomStringConvertible {
    /// A few lines: the data set's line, then its classes, or why it cannot be used, and where it was looked for.
    public var description: String {
        var lines: [String]
        switch finding {
        case .found(let place, let trainCount, let testCount, let shape):
            lines = [
                "\(dataset.name): \(trainCount) training and \(testCount) test images of \(shape), \(place)",
                "  \(dataset.classNames.count) classes: \(dataset.classNames.joined(separator: ", "))",
            ]
        case .unusable(let reason):
            lines = ["\(dataset.name): not available", "  \(reason)"]
        }
        if !places.isEmpty { lines.append("  looked in: \(places.joined(separator: ", "))") }
        for archive in dataset.archives {
            lines += ["  from \(archive.address), \(grouped(archive.byteCount)) bytes", "    sha256 \(archive.sha256)"]
        }
        return lines.joined(separator: "\n")
    }
}
