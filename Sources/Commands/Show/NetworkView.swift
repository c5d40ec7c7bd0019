import Configuration
import Figures
import Foundation
import HDF5
import RunStore

/// Pictures of one kind, and the numbers behind them.
struct NetworkView {
    /// Numbers of an HDF5 group.
    struct Numbers {
        enum Values {
            case floats([Float]), bytes([UInt8]), integers([Int64])
        }

        var name: String
        var shape: [Int]
        var values: Values
        /// What they are, in a few words.
        var title: String
        var units = "1"
    }

    /// As the group is called.
    var name: String
    var figure: any PictureFigure
    /// The first are those that a viewer draws.
    var numbers: [Numbers]
    /// Texts beside them, one for each picture.
    var texts: [(name: String, values: [String])] = []
    /// Which of the numbers are the places of the first, where these are points.
    var axes: [String] = []
    /// What is not shown, in a sentence.
    var note: String?

    /// Who made a file: NeXus asks for it, and by it an own file is known.
    private static let creator = "harness show"

    /// Checks that nobody else's numbers are lost.
    ///
    /// - Throws: `.usage` where there is a file that `show` has not made.
    static func requireOwn(_ path: String) throws {
        guard let size = try? FileManager.default.attributesOfItem(atPath: path)[.size] as? Int, size > 0 else { return }
        guard (try? HDF5Reader(path).attributeStrings("creator", of: "/")?.first) != creator else { return }
        throw UserError(.usage, "\(path): is there already and was not made by show, which replaces its own files alone; expected another name")
    }

    /// Writes views as NeXus groups, one for each: `NXdata` below `/entry`, the first of which is shown unasked.
    static func write(_ views: [NetworkView], to path: String, run: RunFolder) throws {
        let image = try hdf5Image(for: path) { temporary in
            let file = try HDF5Writer(temporary, for: path)
            try file.setAttribute("NX_class", of: "/", to: "NXroot")
            try file.setAttribute("creator", of: "/", to: creator)
            try file.setAttribute("default", of: "/", to: "entry")
            try file.makeGroup("/entry")
            try file.setAttribute("NX_class", of: "/entry", to: "NXentry")
            try file.setAttribute("default", of: "/entry", to: views[0].name)
            try file.write((run.path as NSString).lastPathComponent, to: "/entry/title")
            for view in views { try view.write(to: file) }
            try file.close()
        }
        try replaceFile(at: path, with: image, isForeign: true)
    }

    private func write(to file: borrowing HDF5Writer) throws {
        let group = "/entry/\(name)"
        for number in numbers {
            let path = "\(group)/\(number.name)"
            switch number.values {
            case .floats(let values): try file.write(values, to: path, shape: number.shape)
            case .bytes(let values): try file.write(values, to: path, shape: number.shape)
            case .integers(let values): try file.write(values, to: path, shape: number.shape)
            }
            try file.setAttribute("units", of: path, to: number.units)
            try file.setAttribute("long_name", of: path, to: number.title)
            if number.shape.count > 1, axes.isEmpty {
                let isColoured = if case .bytes = number.values { number.shape.count == 4 } else { false }
                try file.setAttribute("interpretation", of: path, to: isColoured ? "rgb-image" : "image")
            }
        }
        for (name, values) in texts { try file.write(values, to: "\(group)/\(name)") }
        try file.setAttribute("NX_class", of: group, to: "NXdata")
        try file.setAttribute("signal", of: group, to: numbers[0].name)
        if !axes.isEmpty { try file.setAttribute("axes", of: group, to: axes) }
        try file.write(figure.title, to: "\(group)/title")
    }

    // MARK: Errors

    /// The most confident errors that a run keeps.
    ///
    /// - Throws: `.data` where it keeps none.
    init(errorsOf run: RunFolder) throws {
        let reader = try RunReader(run)
        guard let errors = try reader.errors() else {
            throw UserError(.data, "\(run.runFile): keeps no pictures of errors: the run made none, is not finished, is older than they are, or stores no outputs")
        }
        let data = try reader.wholeDescription().data, names = data?.classNames ?? [], tested = data?.split?.test ?? []
        func name(_ index: Int64) -> String { names.indices.contains(Int(index)) ? names[Int(index)] : "class \(index)" }
        let cells = (0..<errors.count).map { index in
            let values = errors.picture(index).map { Float($0) / 255 }
            let place = tested.firstIndex(of: Int32(errors.places[index])).map { "#\($0) " } ?? ""
            return PictureSheet.Cell(
                Raster(image: values, width: errors.width, height: errors.height, channels: errors.channels),
                ["\(name(errors.labels[index])) → \(name(errors.predicted[index]))", "\(place)\(errors.areMargins ? decimals(Double(errors.confidences[index]), 2) : String(format: "%.1f%%", errors.confidences[index] * 100))"])
        }
        self.name = "errors"
        figure = PictureSheet(
            title: "The most confident errors of \((run.path as NSString).lastPathComponent)",
            caption: "Class → predicted class, the place of the test image, and the \(errors.confidence) of the predicted class; the surest error first.", cells: cells, columns: 8)
        numbers = [
            Numbers(
                name: "images", shape: [errors.count, errors.height, errors.width] + (errors.channels == 1 ? [] : [3]), values: .bytes(errors.pixels),
                title: "images of the most confident errors"),
            Numbers(name: "label", shape: [errors.count], values: .integers(errors.labels), title: "class", units: "class"),
            Numbers(name: "predicted", shape: [errors.count], values: .integers(errors.predicted), title: "predicted class", units: "class"),
            Numbers(name: "confidence", shape: [errors.count], values: .floats(errors.confidences), title: "\(errors.confidence) of the predicted class"),
        ]
    }

    /// A view of its parts.
    init(
        _ name: String, _ figure: any PictureFigure, _ numbers: [Numbers], texts: [(name: String, values: [String])] = [], axes: [String] = [], note: String? = nil
    ) {
        (self.name, self.figure, self.numbers, self.texts, self.axes, self.note) = (name, figure, numbers, texts, axes, note)
    }
}
