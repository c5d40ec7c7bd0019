import HDF5
import VisionData

/// A file of found objects: `/boxes` `[m, 4]` (x, y, width and height in pixels of the image's own size), `/classes`, `/scores` and `/box_image` `[m]`, the place
/// of the image in which each was found; for each image `/image_sizes` `[n, 2]`, height and width, and `/paths` of image files; `/class_names` where classes have
/// names. Its path holds what it held before until it is finished.
public final class ObjectFile {
    private let replacement: FileReplacement
    private var file: HDF5Writer?
    private let boxes: HDF5Column<Float>
    private let classes: HDF5Column<Int32>
    private let scores: HDF5Column<Float>
    private let places: HDF5Column<Int32>
    private let sizes: HDF5Column<Int32>
    private var paths: [String] = []
    private var count: Int32 = 0

    /// Begins a file.
    ///
    /// - Throws: `.io` when it cannot be written.
    public init(_ path: String, classNames: [String]) throws {
        replacement = try FileReplacement(of: path, isForeign: true)
        let file = try HDF5Writer(replacement.temporaryPath, for: path)
        if !classNames.isEmpty { try file.write(classNames, to: "/class_names") }
        boxes = try file.makeColumn("/boxes", of: Float.self, rowShape: [4], rowsPerChunk: 1_024)
        try file.setAttribute("columns", of: "/boxes", to: ["x", "y", "width", "height"])
        try file.setAttribute("units", of: "/boxes", to: "pixel")
        classes = try file.makeColumn("/classes", of: Int32.self, rowsPerChunk: 1_024)
        scores = try file.makeColumn("/scores", of: Float.self, rowsPerChunk: 1_024)
        places = try file.makeColumn("/box_image", of: Int32.self, rowsPerChunk: 1_024)
        sizes = try file.makeColumn("/image_sizes", of: Int32.self, rowShape: [2], rowsPerChunk: 1_024)
        self.file = consume file
    }

    /// Adds an image and what was found in it.
    ///
    /// - Parameter isFile: whether the image's name is the path of its file.
    public func append(_ found: [FoundObject], in image: WholeImage, isFile: Bool) throws {
        if isFile { paths.append(image.name) }
        try sizes.append([Int32(image.size.height), Int32(image.size.width)])
        if !found.isEmpty {
            try boxes.append(found.flatMap { [$0.box.x0, $0.box.y0, $0.box.x1 - $0.box.x0, $0.box.y1 - $0.box.y0].map { Float($0) } })
            try classes.append(found.map { Int32($0.label) })
            try scores.append(found.map { Float($0.score) })
            try places.append([Int32](repeating: count, count: found.count))
        }
        count += 1
    }

    /// Brings the file to disk and gives it its name.
    public func finish() throws {
        for column in [classes, places, sizes] { try column.close() }
        for column in [boxes, scores] { try column.close() }
        let file = file.take()!
        if !paths.isEmpty { try file.write(paths, to: "/paths") }
        try file.close()
        try replacement.commit()
    }
}
