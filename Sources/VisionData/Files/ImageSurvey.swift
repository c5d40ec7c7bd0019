import CImages
import Configuration
import Foundation
import TensorCore

/// What a data set holds, every image looked at: `harness data check`.
public struct ImageSurvey: Sendable {
    /// Some images that show the same.
    public struct Twins: Sendable, Equatable {
        /// The files' paths below the folder, or places such as `test 12`; the first first.
        public let names: [String]
        /// Whether they lie in different splits.
        public let crossesSplits: Bool
    }

    /// A small picture of an image.
    public struct Thumbnail: Sendable {
        /// The image's name, as in `Twins`.
        public let name: String
        /// Its class.
        public let label: Int
        /// A PNG file of at most 64×64 pixels.
        public let png: [UInt8]
        /// Of the picture.
        public let size: Size2D
    }

    /// What was looked at: a folder, a file, or a data set's name.
    public let source: String
    /// In the order of their numbers.
    public let classNames: [String]
    /// For each split that there is, the images of each class that can be decoded.
    public let counts: [(split: Split, images: [Int])]
    /// How many files of each format there are; empty for arrays.
    public let formats: [String: Int]
    /// How often each size occurs, the most frequent first.
    public let sizes: [(size: Size2D, count: Int)]
    /// Of pixels 0 to 1: of the training images of arrays, or of all files brought to 64×64.
    public let statistics: ChannelStatistics
    /// Whether the images are files.
    public let areFiles: Bool
    /// A sentence for each file that cannot be decoded, and each record that does not fit.
    public let damaged: [String]
    /// What masks and boxes have of each class; nil where there are none.
    public let targets: SurveyedTargets?
    /// Images with the same bytes.
    public let duplicates: [Twins]
    /// Images that look the same: equal difference hashes of 64 bits (Krawetz, "Kind of Like That", 2013), other bytes.
    public let nearDuplicates: [Twins]
    /// What was passed over or converted.
    public let notes: [String]
    /// Some images of each class, evenly from all of it.
    public let thumbnails: [Thumbnail]

    /// What was seen of an image.
    private struct Look: Sendable {
        let digest: String
        let hash: UInt64
        let size: Size2D
        /// Of files.
        var format = "", sums: ChannelSums?
        /// How many pixels of the mask each number has, and the class of the image by it.
        var mask: (counts: [Int], label: Int32)?
        var thumbnail: (png: [UInt8], size: Size2D)?
    }

    fileprivate struct Place {
        let name: String
        let label: Int
        let split: Split
    }

    /// How many bits of an image's hash are set at least and at most, so that it says something: of plain surfaces all are equal.
    private static let tellingBits = 8...56

    /// Looks at every file of a folder or of a list, and at the masks where it has them.
    ///
    /// - Parameters:
    ///   - source: the folder, or the list.
    ///   - thumbnailCount: how many pictures of each class are made.
    ///   - progress: is told how many files were looked at, of how many; on any thread.
    public init(_ source: FolderSource, thumbnailCount: Int = 0, progress: (@Sendable (_ done: Int, _ count: Int) -> Void)? = nil) throws {
        var damaged: [String] = []
        let folder = try ImageFolder(source.path, source) { damaged.append($0.message) }
        let files = folder.files, root = folder.root, names = folder.classNames
        let shown = Self.shown(files.map { Int($0.label) }, thumbnailCount)
        let results = SystemThread.results(below: files.count, progress: progress) { index in
            let path = ImageFiles.join(root, files[index].path)
            var look = try Self.look(at: path, hasThumbnail: shown.contains(index))
            if let file = files[index].mask {
                let mask = try ImageMask(ImageFiles.join(root, file), of: (path, look.size), ImageSizing(target: look.size), classNames: names)
                look.mask = (SurveyedTargets.counts(of: mask.pixels), mask.label)
            }
            return look
        }
        var looks: [(Place, Look)] = []
        for (file, result) in zip(files, results) {
            switch result! {
            case .success(let look): looks.append((Place(name: file.path, label: Int(look.mask?.label ?? file.label), split: file.split), look))
            case .failure(let error as UserError) where error.kind != .internal: damaged.append(error.message)
            case .failure(let error): throw error
            }
        }
        let masks = looks.compactMap { place, look in look.mask.map { (place.split, $0.counts) } }
        let targets = source.masks.map { _ in SurveyedTargets(pixels: masks) }
        try self.init(
            source.path, targets.map { names.isEmpty ? (0..<max(2, $0.classCount)).map(String.init) : names } ?? names, looks,
            ChannelStatistics(looks.compactMap(\.1.sums), valuesEach: 64 * 64), areFiles: true, damaged: damaged, notes: folder.notes, targets)
    }

    /// Looks at every image of a data set in memory or in one file.
    ///
    /// - Parameters:
    ///   - source: as it was asked for.
    ///   - damaged: what was left out.
    public init(_ found: FoundImages, source: String, damaged: [String] = [], thumbnailCount: Int = 0, progress: (@Sendable (_ done: Int, _ count: Int) -> Void)? = nil) throws {
        let images = found.images, shown = Self.shown(images.labels.map(Int.init), thumbnailCount), scale = images.byteScale
        let results = SystemThread.results(below: images.labels.count, stopsAtFailure: true, progress: progress) { index in
            let image = try images.picture(index, scale)
            return try Self.look(at: image, digest: images.digest(of: index, image), hasThumbnail: shown.contains(index))
        }
        let looks = try zip(images.labels.indices, results).compactMap { index, result in
            try result.map { (Place(images, index), try $0.get()) }
        }
        let names = images.classNames ?? (0..<images.classCount).map(String.init)
        try self.init(
            source, names, looks, ChannelStatistics(of: images, at: images.train.map(Int32.init)), areFiles: false, damaged: damaged, notes: found.notes, SurveyedTargets(images))
    }

    private init(
        _ source: String, _ classNames: [String], _ looks: [(place: Place, look: Look)], _ statistics: ChannelStatistics, areFiles: Bool, damaged: [String],
        notes: [String], _ targets: SurveyedTargets?
    ) throws {
        self.targets = targets
        (self.source, self.classNames, self.statistics, self.areFiles, self.damaged, self.notes) = (source, classNames, statistics, areFiles, damaged, notes)
        var counts: [Split: [Int]] = [:], formats: [String: Int] = [:], sizes: [[Int]: Int] = [:]
        for (place, look) in looks {
            counts[place.split, default: .init(repeating: 0, count: classNames.count)][place.label] += 1
            sizes[[look.size.height, look.size.width], default: 0] += 1
            if !look.format.isEmpty { formats[look.format, default: 0] += 1 }
        }
        self.counts = [Split.train, .validation, .test].compactMap { split in counts[split].map { (split, $0) } }
        self.formats = formats
        self.sizes = sizes.map { (Size2D($0.key[0], $0.key[1]), $0.value) }
            .sorted { ($0.1, $0.0.height, $0.0.width) > ($1.1, $1.0.height, $1.0.width) }
        duplicates = Self.twins(looks) { $0.digest }
        nearDuplicates = Self.twins(looks.filter { Self.tellingBits.contains($0.look.hash.nonzeroBitCount) }, differingIn: { $0.digest }) { $0.hash }
        thumbnails = looks.compactMap { place, look in
            look.thumbnail.map { Thumbnail(name: place.name, label: place.label, png: $0.png, size: $0.size) }
        }
    }

    /// Which images are shown: of each class so many, evenly from all of it.
    private static func shown(_ labels: [Int], _ count: Int) -> Set<Int> {
        guard count > 0 else { return [] }
        return Set(Dictionary(grouping: labels.indices) { labels[$0] }.values.flatMap { members in
            members.count <= count ? members : (0..<count).map { members[$0 * members.count / count] }
        })
    }

    private static func look(at path: String, hasThumbnail: Bool) throws -> Look {
        let bytes = try ImageFiles.bytes(of: path), header = try ImageFileHeader(bytes, path: path)
        let image = try DecodedImage(bytes, path: path, ImageDecoding())
        var look = try look(at: image, digest: ImageFiles.digest(of: bytes), hasThumbnail: hasThumbnail)
        look.format = header.format
        look.sums = try image.sums(ImageSizing(target: Size2D(64, 64)))
        return look
    }

    private static func look(at image: DecodedImage, digest: String, hasThumbnail: Bool) throws -> Look {
        // Whether each of 8×8 pixels is brighter than its right neighbour.
        let small = try image.values(Size2D(8, 9))
        func gray(_ row: Int, _ column: Int) -> Float { (0..<image.channels).reduce(0) { $0 + small[(row * 9 + column) * image.channels + $1] } }
        var hash: UInt64 = 0
        for row in 0..<8 { for column in 0..<8 { hash = hash << 1 | (gray(row, column) > gray(row, column + 1) ? 1 : 0) } }
        return Look(digest: digest, hash: hash, size: image.size, thumbnail: hasThumbnail ? try image.thumbnail : nil)
    }

    /// Images with the same value of `key`, of which at least two differ in `other`.
    private static func twins<Key: Hashable>(
        _ looks: [(place: Place, look: Look)], differingIn other: ((Look) -> String)? = nil, by key: (Look) -> Key
    ) -> [Twins] {
        let groups = Dictionary(grouping: looks.indices) { key(looks[$0].look) }.values.filter { group in
            group.count > 1 && (other.map { other in Set(group.map { other(looks[$0].look) }).count > 1 } ?? true)
        }
        return groups.sorted { $0[0] < $1[0] }.map { group in
            Twins(names: group.map { looks[$0].place.name }, crossesSplits: Set(group.map { looks[$0].place.split }).count > 1)
        }
    }
}

extension ImageSurvey.Place {
    fileprivate init(_ images: LabeledImages, _ index: Int) {
        let (split, start): (Split, Int) =
            if images.train.contains(index) { (.train, 0) } else if images.test.contains(index) { (.test, images.test.lowerBound) } else {
                (.validation, images.validation?.lowerBound ?? 0)
            }
        self.init(name: "\(split.rawValue) \(index - start)", label: Int(images.labels[index]), split: split)
    }
}

extension DecodedImage {
    /// A PNG file of at most 64×64 pixels.
    fileprivate var thumbnail: (png: [UInt8], size: Size2D) {
        get throws {
            let small = size.shrunk(to: 64), samples = try values(small).map { UInt8($0.rounded()) }
            var bytes: UnsafeMutablePointer<UInt8>?, count = 0
            guard image_encode_png(samples, Int32(small.width), Int32(small.height), Int32(channels), &bytes, &count) == 0, let bytes else {
                throw UserError(.internal, "there is no memory for a picture")
            }
            defer { free(bytes) }
            return (Array(UnsafeBufferPointer(start: bytes, count: count)), small)
        }
    }
}

extension LabeledImages {
    /// By which equal images are known.
    fileprivate func digest(of index: Int, _ image: DecodedImage) -> String {
        let range = index * shape.count..<(index + 1) * shape.count
        switch pixels {
        case .bytes(let values, _): return ImageFiles.digest(of: Array(values[range]))
        case .floats(let values): return values[range].withUnsafeBytes { ImageFiles.digest(of: Array($0)) }
        case .files: return image.digest
        }
    }
}
