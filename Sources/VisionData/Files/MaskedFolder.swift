import Configuration
import Foundation

/// Images in one folder, and of each a mask of the same name in another:
///
///     VOC2012/JPEGImages/2007_000032.jpg  VOC2012/SegmentationClass/2007_000032.png  VOC2012/ImageSets/Segmentation/train.txt
///     cells/images/train/a.png  cells/masks/train/a.png  cells/images/test/b.png  cells/masks/test/b.png
///
/// With `lists` the splits are the names in its train.txt, val.txt (or validation.txt, valid.txt) and test.txt, one a line, with or without an ending; images in no
/// list are not used. Without, they are the folders `train`, `val` (or `validation`, `valid`) and `test` of the images; where there is no `train`, all images are
/// for training. What is missing is drawn from the training images.
extension ImageFolder {
    private static let validationNames = ["val", "validation", "valid"]

    /// Looks what lies in the folder; no image is opened.
    ///
    /// - Throws: `.noInput` when a file or folder is not there, `.data` when a list does not fit the images.
    init(masked source: FolderSource, _ masks: String, at root: String, onProblem: ((UserError) -> Void)? = nil) throws {
        func report(_ error: UserError) throws {
            guard let onProblem else { throw error }
            onProblem(error)
        }
        for folder in [source.images, masks] { try Self.requireFolder(ImageFiles.join(root, folder)) }
        var images: [String] = []
        try Self.walk(ImageFiles.join(root, source.images), "", depth: 0) { listing, path in
            images += listing.files.filter { Self.extensions.contains(($0 as NSString).pathExtension.lowercased()) }.map { ImageFiles.join(path, $0) }
        }
        guard !images.isEmpty else { throw UserError(.data, "\(ImageFiles.join(root, source.images)): has no JPEG, PNG or WebP files") }
        let parts = try source.lists.map { try Self.listed(ImageFiles.join(root, $0), images, in: source.images, report) } ?? Self.placed(images)
        let files = try parts.compactMap { image, split -> File? in
            let mask = ImageFiles.join(masks, "\((image as NSString).deletingPathExtension).png")
            guard FileManager.default.fileExists(atPath: ImageFiles.join(root, mask)) else {
                try report(UserError(.noInput, "\(ImageFiles.join(root, mask)): there is no such file, the mask of \(ImageFiles.join(source.images, image))"))
                return nil
            }
            return File(path: ImageFiles.join(source.images, image), label: 0, split: split, mask: mask)
        }
        let unused = images.count - parts.count
        self.init(
            root: root, classNames: source.classes, files: files,
            notes: unused > 0 ? ["\(root): \(counted(unused, "image is", "images are")) in no list and not used"] : [])
    }

    private static func requireFolder(_ path: String) throws {
        var status = stat()
        guard stat(path, &status) == 0 else { throw UserError(.noInput, "\(path): there is no such folder") }
        guard status.st_mode & S_IFMT == S_IFDIR else { throw UserError(.data, "\(path): is not a folder") }
    }

    /// By the folders in which images lie.
    private static func placed(_ images: [String]) -> [(image: String, split: Split)] {
        func folder(_ image: String) -> String? { image.firstIndex(of: "/").map { String(image[..<$0]) } }
        guard images.contains(where: { folder($0) == "train" }) else { return images.map { ($0, .train) } }
        let validation = validationNames.first { name in images.contains { folder($0) == name } }
        return images.compactMap { image in
            switch folder(image) {
            case "train": (image, .train)
            case "test": (image, .test)
            case validation?: (image, .validation)
            default: nil
            }
        }
    }

    /// By the lists in which their names are.
    private static func listed(
        _ folder: String, _ images: [String], in imageFolder: String, _ report: (UserError) throws -> Void
    ) throws -> [(image: String, split: Split)] {
        try requireFolder(folder)
        func list(_ name: String) -> String? {
            let path = ImageFiles.join(folder, "\(name).txt")
            return FileManager.default.fileExists(atPath: path) ? path : nil
        }
        guard let train = list("train") else { throw UserError(.noInput, "\(folder): has no train.txt, the names of the training images") }
        let byName = Dictionary(grouping: images) { ($0 as NSString).deletingPathExtension }, all = Set(images)
        var seen: [String: String] = [:], parts: [(image: String, split: Split)] = []
        for (path, split) in [(train, Split.train), (validationNames.lazy.compactMap(list).first, .validation), (list("test"), .test)] {
            guard let path else { continue }
            guard let text = String(validating: try ImageFiles.bytes(of: path), as: UTF8.self) else { throw UserError(.data, "\(path): is not UTF-8 text") }
            for (index, line) in text.split(omittingEmptySubsequences: false, whereSeparator: \.isNewline).enumerated() {
                let name = line.trimmingCharacters(in: .whitespaces), place = "\(path):\(index + 1)"
                if name.isEmpty { continue }
                let found = all.contains(name) ? [name] : byName[name] ?? []
                guard let image = found.first else {
                    try report(UserError(.data, "\(place): there is no image '\(name.shortened())' in \(imageFolder)"))
                    continue
                }
                if found.count > 1 {
                    try report(UserError(.data, "\(place): there are \(found.sorted().joined(separator: " and ")) in \(imageFolder), expected one image '\(name.shortened())'"))
                    continue
                }
                if let earlier = seen.updateValue(place, forKey: image) {
                    try report(UserError(.data, "\(place): names '\(name.shortened())' again, after \(earlier)"))
                    continue
                }
                parts.append((image, split))
            }
        }
        return parts
    }
}

extension [UInt8] {
    /// How many classes a mask has, from 0 to its largest.
    var classCount: Int { lazy.filter { $0 != LabeledImages.ignored }.max().map { Int($0) + 1 } ?? 0 }
}
