import Checksums
import Configuration
import Foundation
import TensorCore

/// A folder of image files, one folder a class:
///
///     leaves/oak/1.jpg  leaves/oak/more/2.png  leaves/beech/1.jpg
///     leaves/train/oak/1.jpg  leaves/val/oak/2.jpg  leaves/test/oak/3.jpg
///
/// With a folder `train`, the splits are its and those of `val` (or `validation`, `valid`) and `test`; what is missing is drawn from the training
/// images, as many of each class. Classes are matched by name, and numbered in the order of their names' bytes. Files are JPEG, PNG and WebP, by
/// the ends of their names; what begins with a point is passed over.
struct ImageFolder {
    /// A file, before anybody looked into it.
    struct File: Sendable, Equatable {
        /// Below the folder.
        let path: String
        let label: Int32
        let split: Split
        /// Of what is never torn apart; nil where nothing is said.
        var group: String?
        /// The mask's path, below the folder; nil where there are no masks.
        var mask: String?
    }

    let root: String
    /// Empty where masks number classes that have no names.
    let classNames: [String]
    /// By split, class and path.
    let files: [File]
    let hasTest: Bool
    let hasValidation: Bool
    /// What was passed over.
    let notes: [String]

    static let extensions: Set<String> = ["jpg", "jpeg", "jpe", "jfif", "png", "webp"]

    /// The images of a list.
    private init(_ manifest: Manifest, at file: String) {
        let folder = file.parentPath
        root = folder.isEmpty ? "." : folder
        let classNames = Set(manifest.rows.map(\.label)).sorted(by: Self.precedes)
        self.classNames = classNames
        let labels = Dictionary(uniqueKeysWithValues: classNames.enumerated().map { ($1, Int32($0)) })
        files = Self.sorted(manifest.rows.map { File(path: $0.path, label: labels[$0.label]!, split: $0.split ?? .train, group: $0.group) })
        hasTest = files.contains { $0.split == .test }
        hasValidation = files.contains { $0.split == .validation }
        notes = []
    }

    /// The images of a folder that has been looked into.
    init(root: String, classNames: [String], files: [File], notes: [String]) {
        (self.root, self.classNames, self.files, self.notes) = (root, classNames, Self.sorted(files), notes)
        hasTest = files.contains { $0.split == .test }
        hasValidation = files.contains { $0.split == .validation }
    }

    private static func sorted(_ files: [File]) -> [File] {
        files.sorted { a, b in
            (a.split.order, a.label) != (b.split.order, b.label) ? (a.split.order, a.label) < (b.split.order, b.label) : precedes(a.path, b.path)
        }
    }

    /// Looks what lies in a folder, or reads a list (`Manifest`) where the path ends in `.csv` or `.tsv`; no image is opened.
    ///
    /// - Parameter onProblem: is told what is wrong with an image of a folder with masks, which is then left out; nil: it is thrown.
    /// - Throws: `.noInput` when it is not there, `.data` when it holds no classes.
    init(_ path: String, _ source: FolderSource = FolderSource(), onProblem: ((UserError) -> Void)? = nil) throws {
        if let masks = source.masks {
            self = try ImageFolder(masked: source, masks, at: path, onProblem: onProblem)
            return
        }
        self = ["csv", "tsv"].contains((path as NSString).pathExtension.lowercased())
            ? ImageFolder(try Manifest(path), at: path) : try ImageFolder(folder: path)
    }

    private init(folder root: String) throws {
        self.root = root
        var status = stat()
        guard stat(root, &status) == 0 else { throw UserError(.noInput, "\(root): there is no such folder") }
        guard status.st_mode & S_IFMT == S_IFDIR else { throw UserError(.data, "\(root): is not a folder, expected one with a folder for each class") }

        let top = try Listing(root)
        let splits: [(split: Split, folder: String)] =
            if top.folders.contains("train") {
                [(.train, "train")] + ["val", "validation", "valid"].filter(top.folders.contains).prefix(1).map { (.validation, $0) }
                    + (top.folders.contains("test") ? [(.test, "test")] : [])
            } else { [(.train, "")] }
        var emptySplits: [String] = [], hidden = 0, strays: [String] = [], unreadable: [String] = [], found: [(path: String, name: String, split: Split)] = [], names: Set<String> = []
        func add(_ listing: Listing, at path: String) {
            hidden += listing.hiddenCount
            unreadable += listing.unreadable.map { ImageFiles.join(path, $0) }
            strays += listing.files.map { ImageFiles.join(path, $0) }
        }
        if splits[0].folder != "" {
            add(top, at: "")
            strays += top.folders.filter { name in !splits.contains { $0.folder == name } }.map { "\($0)/" }
        }
        for (split, folder) in splits {
            let listing = splits[0].folder == "" ? top : try Listing(ImageFiles.join(root, folder))
            add(listing, at: folder)
            if listing.folders.isEmpty, folder != "" { emptySplits.append(folder) }
            for name in listing.folders {
                names.insert(name)
                try Self.walk(root, ImageFiles.join(folder, name), depth: 0) { listing, path in
                    hidden += listing.hiddenCount
                    unreadable += listing.unreadable.map { ImageFiles.join(path, $0) }
                    for file in listing.files {
                        let path = ImageFiles.join(path, file)
                        if Self.extensions.contains((file as NSString).pathExtension.lowercased()) { found.append((path, name, split)) } else { strays.append(path) }
                    }
                }
            }
        }
        let used = Set(found.map(\.name)), classNames = used.sorted(by: Self.precedes)
        self.classNames = classNames
        guard !found.isEmpty else {
            throw UserError(.data, "\(root): has no images; expected a folder for each class with JPEG, PNG or WebP files\(Self.advice(strays))")
        }
        let labels = Dictionary(uniqueKeysWithValues: classNames.enumerated().map { ($1, Int32($0)) })
        files = Self.sorted(found.map { File(path: $0.path, label: labels[$0.name]!, split: $0.split) })
        hasTest = files.contains { $0.split == .test }
        hasValidation = files.contains { $0.split == .validation }
        notes = Self.summary(hidden: hidden, strays: strays, unreadable: unreadable, empty: emptySplits + names.subtracting(used).sorted(by: Self.precedes)).map { ["\(root): \($0)"] } ?? []
    }

    /// The order of UTF-8 bytes, which depends on no locale.
    static func precedes(_ a: String, _ b: String) -> Bool { a.utf8.lexicographicallyPrecedes(b.utf8) }

    private static func advice(_ strays: [String]) -> String {
        let images = strays.filter { extensions.contains(($0 as NSString).pathExtension.lowercased()) }
        if let first = images.first { return "; found \(counted(images.count, "image", "images")) outside of such folders, such as \(first.shortened())" }
        return strays.isEmpty ? "" : "; found \(counted(strays.count, "other file", "other files")), such as \(strays[0].shortened())"
    }

    /// One sentence for all that is passed over; nil for nothing.
    private static func summary(hidden: Int, strays: [String], unreadable: [String], empty: [String]) -> String? {
        var parts: [String] = []
        func examples(_ names: [String]) -> String { names.prefix(3).map { $0.shortened() }.joined(separator: ", ") + (names.count > 3 ? ", …" : "") }
        if !empty.isEmpty { parts.append("\(counted(empty.count, "folder", "folders")) without images (\(examples(empty)))") }
        if !strays.isEmpty { parts.append("\(counted(strays.count, "file", "files")) outside classes or of other kinds (\(examples(strays)))") }
        if !unreadable.isEmpty {
            parts.append("\(counted(unreadable.count, "file or folder whose name is", "files and folders whose names are")) not UTF-8 (\(examples(unreadable)))")
        }
        if hidden > 0 { parts.append("\(counted(hidden, "hidden file or folder", "hidden files and folders"))") }
        return parts.isEmpty ? nil : "passed over: " + parts.joined(separator: "; ")
    }

    /// What lies directly in a folder, by name.
    struct Listing {
        var folders: [String] = []
        var files: [String] = []
        var hiddenCount = 0
        /// Names that are not UTF-8, with marks in place of what cannot be read.
        var unreadable: [String] = []

        init(_ path: String) throws {
            for bytes in try ImageFolder.entries(of: path) {
                if bytes.first == UInt8(ascii: ".") {
                    hiddenCount += 1
                    continue
                }
                // Class names and paths are stored as UTF-8.
                guard let name = String(validating: bytes, as: UTF8.self) else {
                    unreadable.append(String(decoding: bytes, as: UTF8.self))
                    continue
                }
                var status = stat()
                let isFolder = stat(ImageFiles.join(path, name), &status) == 0 && status.st_mode & S_IFMT == S_IFDIR
                if isFolder { folders.append(name) } else { files.append(name) }
            }
        }
    }

    /// The names in a folder, in the order of their bytes.
    private static func entries(of path: String) throws -> [[UInt8]] {
        func failure() -> UserError { UserError(.io, "\(path): cannot be read: \(String(cString: strerror(errno)))") }
        guard let folder = opendir(path) else { throw failure() }
        defer { closedir(folder) }
        var names: [[UInt8]] = []
        while true {
            errno = 0
            guard let entry = readdir(folder) else { break }
            let name = withUnsafeBytes(of: &entry.pointee.d_name) { Array($0.prefix { $0 != 0 }) }
            if name != [0x2E], name != [0x2E, 0x2E] { names.append(name) }
        }
        guard errno == 0 else { throw failure() }
        return names.sorted { $0.lexicographicallyPrecedes($1) }
    }

    /// Deeper folders are a loop of links.
    private static let deepest = 16

    static func walk(_ root: String, _ path: String, depth: Int, _ visit: (Listing, String) -> Void) throws {
        guard depth < deepest else { throw UserError(.data, "\(ImageFiles.join(root, path)): lies more than \(deepest) folders deep; is there a loop of links?") }
        let listing = try Listing(ImageFiles.join(root, path))
        visit(listing, path)
        for folder in listing.folders { try walk(root, ImageFiles.join(path, folder), depth: depth + 1, visit) }
    }
}

extension Split {
    /// In which `LabeledImages` has them.
    fileprivate var order: Int {
        switch self {
        case .train: 0
        case .validation: 1
        case .test: 2
        }
    }
}

// MARK: The look at all files

extension ImageFolder {
    /// Decodes every file once: finds damaged ones, digests and the sums for the normalization.
    ///
    /// - Parameters:
    ///   - size: nil: that of the images, which must be one.
    ///   - holdsOutTest: whether a part of the training images is the test where there is no folder for it.
    ///   - progress: is told how many files were looked at, of how many.
    func load(
        _ source: FolderSource, size: Size2D?, resize: ResizeKind, interpolation: ImageInterpolation, crop: ImageCrop, splitSeed: UInt64, holdsOutTest: Bool = true,
        progress: (@Sendable (_ done: Int, _ count: Int) -> Void)? = nil
    ) throws -> (images: LabeledImages, notes: [String]) {
        var notes = notes
        let decoding = source.decoding
        let target = try size ?? commonSize(source)
        let sizing = ImageSizing(target: target, resize: resize, interpolation: interpolation)
        let cache = source.cache ? DecodedCache(digests(), decoding, sizing, crop) : nil, earlier = cache?.images
        let results = SystemThread.results(below: files.count, stopsAtFailure: source.onError == .stop, progress: progress) { index in
            try look(at: files[index], decoding, sizing, earlier)
        }

        var kept: [(file: File, entry: ImageFiles.Entry)] = [], damaged: [UserError] = []
        var masks: [String: [UInt8]] = [:]
        for (file, result) in zip(files, results) {
            switch result {
            case .success(let (entry, mask)):
                kept.append((mask.map { File(path: file.path, label: $0.label, split: file.split, mask: file.mask) } ?? file, entry))
                masks[file.path] = mask?.pixels
            case .failure(let error as UserError):
                // A disk that fails is no damaged file.
                if source.onError == .stop || ![.data, .noInput].contains(error.kind) { throw error }
                damaged.append(error)
            case .failure(let error): throw error
            case nil: break
            }
        }
        if let first = damaged.first {
            notes.append("\(root): \(grouped(damaged.count)) of \(grouped(files.count)) files are left out, since they cannot be decoded; the first: \(first.message)")
        }
        if !hasTest, holdsOutTest { kept = Self.holdingOutTest(source.test, of: kept, seed: splitSeed) }
        let counts = [Split.train, .validation, .test].map { split in kept.count { $0.file.split == split } }
        guard counts[0] > 0, counts[2] > 0 || !holdsOutTest else {
            let reason = kept.contains { $0.file.group != nil } ? "; images of one group never come into two splits"
                : counts[2] == 0 ? "; a class of one image gives none to the test" : ""
            throw UserError(.data, "\(source.path): has \(grouped(counts[0])) images for training and \(grouped(counts[2])) for the test, expected at least one of each\(reason)")
        }
        // Masks number classes, of which nobody may have said how many there are.
        let classCount = source.masks == nil || !classNames.isEmpty ? classNames.count : masks.values.reduce(2) { max($0, $1.classCount) }
        let store = ImageFiles(
            root: root, kept.map(\.entry), decoding, sizing, crop, leftOutCount: damaged.count,
            place: .files(try cache.flatMap { try earlier ?? keep(kept.map(\.entry), in: $0, notes: &notes) }))
        var images = LabeledImages(
            name: (root as NSString).standardizingPath.split(separator: "/").last.map(String.init) ?? root, shape: store.shape, pixels: .files(store),
            labels: kept.map(\.file.label), classCount: classCount, classNames: classNames.isEmpty ? nil : classNames, train: 0..<counts[0],
            validation: counts[1] > 0 ? counts[0]..<counts[0] + counts[1] : nil, test: counts[0] + counts[1]..<kept.count)
        if source.masks != nil { images.masks = kept.flatMap { masks[$0.file.path] ?? [] } }
        return (images, notes)
    }

    /// What is kept of the images from now on; nil, with a note, where it cannot be written.
    private func keep(_ entries: [ImageFiles.Entry], in cache: DecodedCache, notes: inout [String]) throws -> ImageFiles.Cache? {
        do {
            try cache.write(entries, below: root)
        } catch let error as UserError where error.kind == .io {
            notes.append("decoded images are not kept: \(error.message)")
        }
        return cache.images
    }

    /// Of all files that can be read.
    private func digests() -> [String] {
        SystemThread.results(below: files.count) { ImageFiles.digest(of: try ImageFiles.bytes(of: ImageFiles.join(root, files[$0].path))) }
            .compactMap { try? $0?.get() }
    }

    private func look(
        at file: File, _ decoding: ImageDecoding, _ sizing: ImageSizing, _ kept: ImageFiles.Cache?
    ) throws -> (entry: ImageFiles.Entry, mask: ImageMask?) {
        let full = ImageFiles.join(root, file.path), bytes = try ImageFiles.bytes(of: full), header = try ImageFileHeader(bytes, path: full)
        let digest = ImageFiles.digest(of: bytes)
        let mask = try file.mask.map { try ImageMask(ImageFiles.join(root, $0), of: (full, header.size), sizing, classNames: classNames) }
        func entry(_ sums: ChannelSums) -> (ImageFiles.Entry, ImageMask?) {
            (ImageFiles.Entry(path: file.path, digest: digest, size: header.size, sums: sums, group: file.group, maskDigest: mask?.digest), mask)
        }
        if let kept, let image = kept.image(digest) { return entry(try image.sums(kept.areSized ? ImageSizing(target: sizing.target) : sizing)) }
        let count = sizing.target.height * sizing.target.width * decoding.channels
        let sums = try withUnsafeTemporaryAllocation(of: Float.self, capacity: count) { pixels in
            var draws: PhiloxDraws?
            try ImageFiles.write(bytes, path: full, decoding, sizing, .center, draws: &draws, to: pixels.baseAddress!)
            return ChannelSums(UnsafeBufferPointer(pixels), channels: decoding.channels)
        }
        return entry(sums)
    }

    /// The size of all images, where they have one.
    private func commonSize(_ source: FolderSource) throws -> Size2D {
        let (first, other) = try sizes(source)
        if let other {
            throw UserError(at: "data.size", """
                is needed, since the images have several sizes: \(first.path) has \(first.size.height)×\(first.size.width) pixels, \
                \(other.path) \(other.size.height)×\(other.size.width)
                """)
        }
        return first.size
    }

    /// The size of the first image, and of one of another size, if there is one; by the files' headers.
    func sizes(_ source: FolderSource) throws -> (first: (size: Size2D, path: String), other: (size: Size2D, path: String)?) {
        var first: (size: Size2D, path: String)?
        for file in files {
            let path = ImageFiles.join(root, file.path)
            do {
                let size = try ImageFileHeader(ImageFiles.bytes(of: path), path: path).size
                if let first, size != first.size { return (first, (size, path)) }
                if first == nil { first = (size, path) }
            } catch let error as UserError where source.onError == .skip && [.data, .noInput].contains(error.kind) { continue }
        }
        guard let first else { throw UserError(.data, "\(root): no file of it can be decoded") }
        return (first, nil)
    }

    /// Takes a part of each class for the test, at least one image of a class of two or more; the same for the same names, whatever is added elsewhere.
    private static func holdingOutTest(
        _ part: Double, of all: [(file: File, entry: ImageFiles.Entry)], seed: UInt64
    ) -> [(file: File, entry: ImageFiles.Entry)] {
        let training = all.indices.filter { all[$0].file.split == .train }
        let order = shuffled(training.map(Int32.init), stream: PhiloxStream(seed: seed, name: "test split"), time: 0)
        var chosen: Set<Int> = []
        let groups = all.map(\.entry.group)
        if groups.contains(where: { $0 != nil }) {
            let count = Int((part * Double(training.count)).rounded())
            chosen = Set(wholeGroups(of: order, by: { groups[Int($0)] }, atLeast: max(1, count)).map(Int.init))
        } else {
            for (_, members) in Dictionary(grouping: order, by: { all[Int($0)].file.label }) where members.count > 1 {
                let count = min(members.count - 1, max(1, Int((part * Double(members.count)).rounded())))
                chosen.formUnion(members.prefix(count).map(Int.init))
            }
        }
        func moved(_ index: Int) -> (file: File, entry: ImageFiles.Entry) {
            (File(path: all[index].file.path, label: all[index].file.label, split: .test), all[index].entry)
        }
        return all.indices.filter { !chosen.contains($0) }.map { all[$0] } + chosen.sorted().map(moved)
    }
}
