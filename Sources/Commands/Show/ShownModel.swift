import Configuration
import Experiments
import Figures
import Foundation
import RunStore
import TensorCore

/// A run's model, of which views are made.
final class ShownModel {
    let name: String
    let trained: TrainedModel
    private let threads: Int
    private let makeTests: () throws -> TestImages
    private var loadedTests: TestImages?
    lazy var probe = Result { try ModelProbe(trained, threads: threads) }

    /// How many pictures a sheet has at most.
    private static let limit = 256

    /// - Parameter tests: loads the run's test images.
    init(_ run: RunFolder, weights: RunFolder.Weights, threads: Int, registry: Registry, tests: @escaping () throws -> TestImages) throws {
        trained = try TrainedModel(of: run, weights: weights, registry: registry)
        name = (run.path as NSString).lastPathComponent
        (self.threads, makeTests) = (threads, tests)
    }

    private func tests() throws -> TestImages {
        if let loadedTests { return loadedTests }
        let tests = try makeTests()
        loadedTests = tests
        return tests
    }

    func images(_ choices: [ImageChoice]) throws -> [ShownImage] { try trained.images(choices, tests: tests) }

    /// An image: of several views one of them, the first that the model sees unless another is asked for; of a volume the mean over its depth.
    func picture(_ image: ShownImage, view: Int? = nil) -> Raster {
        let input = trained.input, planes = trained.definition.planes(of: input), channels = planes.channels, values = trained.picture(image.pixels)
        let shown = view.map { [$0] } ?? (planes.isVolume ? planes.seen : [planes.seen[0]])
        let pixels = (0..<input.height * input.width * channels).map { place in
            let first = place / channels * input.channels + place % channels
            return shown.reduce(0) { $0 + values[first + $1 * channels] } / Float(shown.count)
        }
        return Raster(image: pixels, width: input.width, height: input.height, channels: channels)
    }

    /// The words under an image.
    private func words(_ image: ShownImage) -> [String] { [image.name, image.label ?? ""] }

    // MARK: Weights

    /// The kernels of the first layer.
    func filters() throws -> NetworkView {
        let found = try probe.get().firstLayerFilters(), shown = found.filters.prefix(Self.limit), isColoured = found.channels == 3
        let largest = max(shown.joined().map(abs).max() ?? 0, .leastNormalMagnitude)
        let planes = isColoured ? 1 : found.channels
        let cells = shown.enumerated().flatMap { index, values in
            (0..<planes).map { plane -> PictureSheet.Cell in
                let raster = isColoured
                    ? Raster(image: values.map { 0.5 + $0 / (2 * largest) }, width: found.width, height: found.height, channels: 3)
                    : Raster(
                        map: stride(from: plane, to: values.count, by: found.channels).map { values[$0] }, width: found.width, height: found.height,
                        range: -largest...largest, scale: .diverging)
                return PictureSheet.Cell(raster, planes > 1 ? ["\(index), channel \(plane)"] : [])
            }
        }
        let count = found.filters.count, edge = text(Double(largest))
        let caption = isColoured
            ? "\(count) kernels of \(found.height)×\(found.width); gray is 0, full colours are ±\(edge)." : "\(count) kernels of \(found.height)×\(found.width)."
        let sheet = PictureSheet(
            title: "First layer of \(name): \(found.path)", caption: caption, cells: cells, columns: columns(cells.count),
            scale: isColoured ? nil : PictureSheet.Scale(.diverging, low: "−\(edge)", high: edge, label: "weight"))
        let channelsFirst = found.filters.flatMap { values in (0..<found.channels).flatMap { channel in stride(from: channel, to: values.count, by: found.channels).map { values[$0] } } }
        return NetworkView(
            "filters", sheet, [.init(name: "weights", shape: [count, found.channels, found.height, found.width], values: .floats(channelsFirst), title: "kernels of \(found.path)")],
            note: count > shown.count ? "\(found.path) has \(count) kernels; the picture shows the first \(shown.count)" : nil)
    }

    /// The similarity of position embeddings, one view for each grid.
    func positions() throws -> [NetworkView] {
        let all = try probe.get().positionSimilarities()
        return all.enumerated().map { index, found in
            let (rows, columns) = (found.grid.rows, found.grid.columns)
            let cells = found.cosines.map { PictureSheet.Cell(Raster(map: $0, width: columns, height: rows, range: -1...1, scale: .sequential)) }
            let sheet = PictureSheet(
                title: "Similarity of the position embeddings of \(name)\(all.count > 1 ? ": \(found.path)" : "")",
                caption: "At the place of each patch, how much alike its \(found.areTrained ? "trained" : "fixed") vector and those of all patches are.", cells: cells, columns: columns,
                scale: PictureSheet.Scale(.sequential, low: "−1", high: "1", label: "cosine similarity"))
            return NetworkView(
                index == 0 ? "positions" : "positions_\(index + 1)", sheet,
                [.init(name: "cosine", shape: [rows * columns, rows, columns], values: .floats(found.cosines.flatMap(\.self)), title: "cosine similarity of \(found.path)")])
        }
    }

    // MARK: One image at a time

    /// The maps of a layer's output.
    func activations(_ layer: String, _ choices: [ImageChoice]) throws -> NetworkView {
        let probe = try probe.get(), tensor = try probe.layer(layer), shape = tensor.shape
        let images = try images(choices), evaluate = try probe.evaluator(of: [tensor]), target = [Float](repeating: 0, count: trained.outputs)
        let layout = probe.layout(of: shape)
        var cells: [PictureSheet.Cell] = [], numbers: [Float] = []
        let shown = min(layout.maps, max(8, Self.limit / images.count)), perRow = columns(shown + 1)
        for image in images {
            let values = layout.maps(try evaluate(image.pixels, target)[0].floats)
            numbers += values.flatMap(\.self)
            cells.append(PictureSheet.Cell(picture(image), [image.name]))
            cells += values.prefix(shown).enumerated().map { index, map in
                let low = map.min() ?? 0, high = map.max() ?? 0
                let raster = Raster(map: map, width: layout.columns, height: layout.rows, range: low...high, scale: .sequential)
                return PictureSheet.Cell(raster, layout.maps > 1 ? ["\(index)", span(low, high)] : [span(low, high)])
            }
            // Each image begins a row.
            if images.count > 1 { while cells.count % perRow != 0 { cells.append(PictureSheet.Cell(Raster(width: 1, height: 1))) } }
        }
        let sheet = PictureSheet(
            title: "Output of \(layer) in \(name)", caption: "\(layout.maps) \(layout.maps == 1 ? "map" : "channels") of \(layout.rows)×\(layout.columns); each has its own range.", cells: cells,
            columns: perRow, scale: PictureSheet.Scale(.sequential, low: "least", high: "largest", label: "value within each map"))
        return NetworkView(
            "activations", sheet,
            [.init(name: "maps", shape: [images.count, layout.maps, layout.rows, layout.columns], values: .floats(numbers), title: "output of \(layer)")],
            texts: [("image", images.map(\.name))], note: layout.maps > shown ? "\(layer) has \(layout.maps) channels; the picture shows the first \(shown)" : nil)
    }

    /// Where the model looks.
    func attention(_ layer: String?, _ choices: [ImageChoice]) throws -> NetworkView {
        let probe = try probe.get(), evaluate = try probe.attentionMaps(layer: layer), images = try images(choices)
        var cells: [PictureSheet.Cell] = [], heads: [Float] = [], rollouts: [Float] = [], last: AttentionMaps?
        for image in images {
            let maps = try evaluate(image.pixels)
            cells.append(PictureSheet.Cell(picture(image), words(image)))
            if let rollout = maps.rollout { cells.append(overlay(image, rollout, maps.grid.rows, maps.grid.columns, "rollout")) }
            cells += maps.heads.enumerated().map { overlay(image, $1, maps.grid.rows, maps.grid.columns, "head \($0 + 1)") }
            heads += maps.heads.flatMap(\.self)
            rollouts += maps.rollout ?? []
            last = maps
        }
        let maps = last!, grid = maps.grid, count = images.count, headCount = maps.heads.count
        let perRow = cells.count / count
        let query = probe.usesClassToken(of: maps.layer) ? "of the class token" : "of all tokens, their mean,"
        let sheet = PictureSheet(
            title: "Attention \(query) in \(maps.layer.path) of \(name)",
            caption: maps.rollout == nil ? "Attention rollout is left out: not all layers have the same tokens." : "Rollout: attention through all layers (Abnar and Zuidema, 2020).",
            cells: cells, columns: perRow, scale: PictureSheet.Scale(.sequential, low: "least", high: "largest", label: "probability within each map"))
        var numbers = [NetworkView.Numbers(
            name: "heads", shape: [count, headCount, grid.rows, grid.columns], values: .floats(heads), title: "probability of attention by head in \(maps.layer.path)")]
        if maps.rollout != nil { numbers.append(.init(name: "rollout", shape: [count, grid.rows, grid.columns], values: .floats(rollouts), title: "attention rollout")) }
        return NetworkView("attention", sheet, numbers + [imageNumbers(images)], texts: [("image", images.map(\.name))])
    }

    /// - Throws: `.usage` for a model whose answers are pixels or boxes, and which predicts no class of an image.
    private func requireAnswerForImage(_ option: String) throws {
        if let boxes = trained.boxes {
            throw UserError(
                .usage, "--\(option): \(name) is of the task \(boxes.task), whose answers are boxes and no class of an image; expected --boxes, or another model")
        }
        if trained.embeds { throw UserError(.usage, "--\(option): \(name) gives an image an embedding and no class; expected --embedding or --neighbours, or another model") }
        guard trained.definition.answersPixels else { return }
        throw UserError(.usage, "--\(option): \(name) answers for every pixel and predicts no class of an image; expected \(trained.imageAnswers == nil ? "--masks" : "--reconstructions"), or another model")
    }

    /// What speaks for a class, by Grad-CAM.
    func gradCAM(_ layer: String?, _ classWord: String?, _ choices: [ImageChoice]) throws -> NetworkView {
        try requireAnswerForImage("gradcam")
        let probe = try probe.get(), layer = try layer ?? probe.gradCAMLayerName(), classIndex = try classWord.map(trained.classIndex)
        let evaluate = try probe.gradCAM(layer: layer), images = try images(choices)
        var cells: [PictureSheet.Cell] = [], numbers: [Float] = [], mapCount = 1, size = (rows: 1, columns: 1)
        let views = trained.definition.planes(of: trained.input).seen
        for image in images {
            let found = try evaluate(image.pixels, classIndex), high = found.maps.joined().max() ?? 0
            for (place, map) in found.maps.enumerated() {
                let view = found.maps.count > 1 ? views[place] : nil, title = place == 0 ? words(image) : []
                cells.append(PictureSheet.Cell(picture(image, view: view), view.map { title.prefix(1) + ["view \($0)"] } ?? title))
                cells.append(overlay(
                    image, map, found.rows, found.columns, "for \(trained.className(found.classIndex))", scoreText(found.score), isSmooth: true, view: view, high: high))
            }
            numbers += found.maps.joined()
            (mapCount, size) = (found.maps.count, (found.rows, found.columns))
        }
        let sheet = PictureSheet(
            title: "Grad-CAM of \(layer) in \(name)", caption: "How strongly parts of the image speak for a class, and the model's \(trained.kind.name) of it (Selvaraju et al., 2017).", cells: cells,
            columns: perRow(images.count * mapCount),
            scale: PictureSheet.Scale(.sequential, low: "0", high: "largest", label: mapCount == 1 ? "within each map" : "among an image's views"))
        return NetworkView(
            "gradcam", sheet,
            [.init(name: "maps", shape: [images.count] + (mapCount == 1 ? [] : [mapCount]) + [size.rows, size.columns], values: .floats(numbers), title: "class activation by gradients of \(layer)"), imageNumbers(images)],
            texts: [("image", images.map(\.name))])
    }

    /// What speaks for a class, pixel by pixel.
    func integratedGradients(_ classWord: String?, _ choices: [ImageChoice]) throws -> NetworkView {
        try requireAnswerForImage("integrated-gradients")
        let classIndex = try classWord.map(trained.classIndex), evaluate = try probe.get().integratedGradients(), images = try images(choices)
        let (height, width) = (trained.input.height, trained.input.width)
        var cells: [PictureSheet.Cell] = [], numbers: [Float] = []
        for image in images {
            let (index, score, values) = try evaluate(image.pixels, classIndex), largest = values.map(abs).max() ?? 0
            cells.append(PictureSheet.Cell(picture(image), words(image)))
            cells.append(PictureSheet.Cell(
                Raster(map: values, width: width, height: height, range: -largest...largest, scale: .diverging), ["for \(trained.className(index))", scoreText(score)]))
            numbers += values
        }
        let sheet = PictureSheet(
            title: "Integrated gradients in \(name)", caption: "Which pixels speak for a class and which against it, beside a black image, and the model's \(trained.kind.name) of it (Sundararajan et al., 2017).",
            cells: cells, columns: perRow(images.count), scale: PictureSheet.Scale(.diverging, low: "against", high: "for", label: "within each map"))
        return NetworkView(
            "integrated_gradients", sheet,
            [.init(name: "maps", shape: [images.count, height, width], values: .floats(numbers), title: "integrated gradients", units: "logit"), imageNumbers(images)],
            texts: [("image", images.map(\.name))])
    }

    // MARK: Many images

    /// How far attention reaches.
    func distances(_ count: Int) throws -> NetworkView {
        // The probabilities of many images would take much memory.
        let probe = try ModelProbe(trained, batchSize: 8, threads: threads)
        _ = try probe.attentionLayers()
        let found = try probe.attentionDistances(over: tests(), limit: count)
        // Attentions within windows have no distance, but are layers.
        let all = probe.attentionPaths, places = found.paths.map { all.firstIndex(of: $0)! + 1 }, left = all.filter { !found.paths.contains($0) }
        let points = zip(places, found.pixels).flatMap { layer, heads in heads.map { SIMD2(Double(layer), $0) } }
        let chart = PointChart(
            title: "Mean attention distance of \(name)", xAxis: Axis("layer, from the image up (a point for each head)", shows: 0.5...Double(all.count) + 0.5, isWhole: true),
            yAxis: Axis("mean attention distance (pixels), over \(found.imageCount) test images", shows: 0...1), series: [PointChart.Series("", points)])
        let width = found.pixels.map(\.count).max() ?? 1
        let table = found.pixels.flatMap { heads in heads.map(Float.init) + [Float](repeating: .nan, count: width - heads.count) }
        return NetworkView(
            "distance", chart, [.init(name: "distance", shape: [found.paths.count, width], values: .floats(table), title: "mean attention distance by layer and head", units: "pixel")],
            texts: [("layer", found.paths)],
            note: left.isEmpty ? nil : "left out, because they attend within windows: \(left.joined(separator: ", "))")
    }

    /// The features before the head, in a plane.
    func embedding(_ count: Int) throws -> NetworkView {
        let probe = try ModelProbe(trained, batchSize: trained.input.count > 64 * 64 * 3 ? 16 : 64, threads: threads)
        if !trained.embeds, !probe.hasCodes { try requireAnswerForImage("embedding") }
        let (vectors, labels) = try probe.pooledFeatures(of: tests(), limit: count)
        guard vectors.count > 1 else { throw UserError(.usage, "the run has \(vectors.count) test images, expected at least 2") }
        let components = PrincipalComponents(vectors), present = Set(labels).sorted()
        let series = present.map { label in PointChart.Series(trained.className(label), labels.indices.filter { labels[$0] == label }.map { components.points[$0] }) }
        func axis(_ number: Int) -> Axis { Axis("principal component \(number + 1) (\(String(format: "%.0f", components.shares[number] * 100))% of the variance)") }
        let what = trained.embeds ? "Embeddings" : probe.hasCodes ? "Codes" : "Features before the head"
        let chart = PointChart(title: "\(what) of \(name), \(vectors.count) test images", xAxis: axis(0), yAxis: axis(1), series: series)
        func column(_ name: String, _ part: Int) -> NetworkView.Numbers {
            .init(name: name, shape: [vectors.count], values: .floats(components.points.map { Float($0[part]) }), title: "principal component \(part + 1)")
        }
        return NetworkView(
            "embedding", chart, [.init(name: "label", shape: [vectors.count], values: .integers(labels.map(Int64.init)), title: "class", units: "class"), column("x", 0), column("y", 1)],
            axes: ["x", "y"])
    }

    // MARK: Parts

    /// A map over an image, or one of its views, in which it has its own range unless the largest is given.
    private func overlay(
        _ image: ShownImage, _ map: [Float], _ rows: Int, _ columns: Int, _ words: String, _ more: String? = nil, isSmooth: Bool = false, view: Int? = nil, high: Float? = nil
    ) -> PictureSheet.Cell {
        let low = isSmooth ? 0 : map.min() ?? 0, high = high ?? map.max() ?? 0, input = trained.input
        // Finer than the image, so that a smooth map is smooth.
        let factor = max(1, 112 / max(input.width, input.height)), width = input.width * factor, height = input.height * factor
        let values = isSmooth ? bilinear(map, width: columns, height: rows, to: width, height) : map
        let colours = isSmooth
            ? Raster(map: values, width: width, height: height, range: low...max(low, high), scale: .sequential)
            : Raster(map: values, width: columns, height: rows, range: low...max(low, high), scale: .sequential)
        return PictureSheet.Cell(picture(image, view: view).enlarged(by: factor).overlaid(with: colours), [words, more ?? span(low, high)])
    }

    func imageNumbers(_ images: [ShownImage]) -> NetworkView.Numbers {
        let input = trained.input, isColoured = input.channels >= 3
        let pixels = images.flatMap { picture($0).pixels }
        return .init(
            name: "images", shape: [images.count, input.height, input.width] + (isColoured ? [3] : []),
            values: .bytes(isColoured ? pixels : stride(from: 0, to: pixels.count, by: 3).map { pixels[$0] }), title: "the images")
    }

    /// A probability, or a margin, of a class.
    private func scoreText(_ score: Float) -> String { trained.kind == .margin ? decimals(Double(score), 2) : percent(score) }

    func percent(_ share: Float) -> String { "\(String(format: "%.1f", share * 100))%" }

    /// Three significant digits.
    private func text(_ value: Double) -> String { String(format: "%.3g", value) }

    /// `-1.5 to 0.02`: two significant digits, which have room under a small picture.
    private func span(_ low: Float, _ high: Float) -> String {
        func short(_ value: Float) -> String {
            let size = abs(value)
            if size >= 10, size < 1000 { return String(format: "%.0f", value) }
            return String(format: "%.2g", value).replacing(/e([+-])0*/) { $0.1 == "-" ? "e-" : "e" }
        }
        return "\(short(low)) to \(short(high))"
    }

    /// Columns of many pictures.
    private func columns(_ count: Int) -> Int { count <= 8 ? count : count <= 64 ? 8 : 16 }

    /// Columns of pairs of an image and its map.
    private func perRow(_ count: Int) -> Int { count == 1 ? 2 : count < 4 ? 2 * count : 8 }
}
