import ArgumentParser
import Configuration
import Experiments
import Foundation
import HDF5
import Reports
import TensorCore
import VisionData

struct DataCheckCommand: DefinitionCommand {
    static let configuration = CommandConfiguration(
        commandName: "check",
        abstract: "Look at every image of a data set, and write a definition for a folder of image files.",
        discussion: """
            SOURCE is a folder of image files, a list of them (CSV, TSV), a data set's name, an HDF5 or .npz file, or a definition, whose data are looked at. A folder \
            has a folder for each class, or train, val and test with folders of classes in them; or COCO's annotations/instances_train2017.json; or images and masks, \
            in JPEGImages and SegmentationClass as PASCAL VOC has them or in images and masks. Every image is looked at: counts, of masks the pixels and of boxes the \
            objects of each class, sizes, formats, damaged files and records that do not fit, one sentence each, and duplicates within and across splits are shown.

            Examples:
              harness data check ~/leaves
              harness data check ~/leaves --write-definition leaves.yaml
              harness data check VOC2012
              harness data check fashion-mnist --html fashion-mnist.html
            """)

    @Argument(help: "A folder or list of image files, a name, an HDF5 or .npz file, or a definition.")
    var source: String

    @Option(help: ArgumentHelp("Write a definition with three small models for these image files.", valueName: "file"))
    var writeDefinition: String?

    @Option(help: ArgumentHelp("Write a page with small pictures of each class, for a browser.", valueName: "file"))
    var html: String?

    @Option(help: "The order of an image's axes in an HDF5 or .npz file: \(HDF5Source.Layout.allCases.map(\.rawValue).joined(separator: ", ")).")
    var layout: HDF5Source.Layout?

    @OptionGroup var dataOptions: DataOptions
    @OptionGroup var wideOption: WideOption

    func run(_ registry: Registry) throws {
        var source = try DataSource(source, registry)
        if writeDefinition != nil, source.folder == nil || source.folder?.masks != nil {
            let found = source.folder == nil ? "is none" : "has masks"
            throw UserError(.usage, "--write-definition: goes with a folder or a list of image files; \(source.text) \(found)")
        }
        let definition = try writeDefinition.map { try OutputFile.path($0) }
        if let definition, FileManager.default.fileExists(atPath: definition) {
            throw UserError(.usage, "--write-definition: \(definition) is there already; move it away, or choose another name")
        }
        if let layout { try source.setLayout(layout) }
        let page = try html.map { try OutputFile.path($0, besides: [source.path].compactMap { $0 }, replacing: ("HTML", Array("<!doctype html>".utf8))) }
        let progress = FileProgress(), thumbnailCount = page == nil ? 0 : 10, survey: ImageSurvey
        if let folder = source.folder {
            survey = try ImageSurvey(folder, thumbnailCount: thumbnailCount, progress: progress.progress.report)
        } else {
            // Images of several sizes are looked at as they are, whatever size a model gets.
            if try source.holdsSizesOfTheirOwn() { source.configuration.size = Size2D(64, 64) }
            var problems: [String] = []
            let found: FoundImages
            do {
                found = try FoundImages(source.configuration, dataDirectory: dataOptions.dataDirectory) { problems.append($0.message) }
            } catch let error as UserError where !problems.isEmpty {
                // What is left is too little because of them.
                throw UserError(error.kind, (problems.prefix(20) + [error.message]).joined(separator: "\n"))
            }
            survey = try ImageSurvey(found, source: source.text, damaged: problems, thumbnailCount: thumbnailCount, progress: progress.progress.report)
        }
        progress.end()
        print(Self.text(survey, width: wideOption.width))
        if let page {
            try replaceFile(at: page, with: Data(ContactSheet(survey).html.utf8), isForeign: true)
            print("\nwrote \(page)")
        }
        guard let definition, let folder = source.folder else { return }
        let text = try StarterDefinition(survey, folder: folder.path, at: definition).text
        try replaceFile(at: definition, with: Data(text.utf8), isForeign: true)
        print("\nwrote \(definition); next: harness run \(definition.contains { !$0.isLetter && !$0.isNumber && !"/._-+".contains($0) } ? "'\(definition.replacing("'", with: "'\\''"))'" : definition)")
    }

    private static func text(_ survey: ImageSurvey, width: Int?) -> String {
        var table = TextTable([TextTable.Column("class"), TextTable.Column("name", .left)] + survey.counts.map { TextTable.Column("\($0.split.rawValue)") })
        // The labels of arrays may be few and far apart.
        let used = survey.classNames.indices.filter { label in survey.counts.contains { $0.images[label] > 0 } }
        for label in used {
            let name = survey.classNames[label]
            table.append(["\(label)", name.visibleOnOneLine] + survey.counts.map { grouped($0.images[label]) })
        }
        table.append(["", "all"] + survey.counts.map { grouped($0.images.reduce(0, +)) })
        if let targets = survey.targets { table = Self.table(of: targets, survey.classNames) }
        var lines: [String] = []
        let unused = survey.classNames.count - used.count
        if unused > 0, survey.targets == nil { lines.append("\(counted(unused, "class", "classes")) without images") }
        if !survey.formats.isEmpty { lines.append("formats: " + survey.formats.sorted { ($1.value, $0.key) < ($0.value, $1.key) }.map { "\(grouped($0.value)) \($0.key)" }.joined(separator: ", ")) }
        func size(_ size: Size2D) -> String { "\(size.height)×\(size.width)" }
        if survey.sizes.count == 1 {
            lines.append("size: all have \(size(survey.sizes[0].size)) pixels")
        } else if !survey.sizes.isEmpty {
            let sides = survey.sizes.map { min($0.size.height, $0.size.width) }
            let common = survey.sizes.prefix(3).map { "\(size($0.size)) (\(grouped($0.count)))" }.joined(separator: ", ")
            lines.append("sizes: \(grouped(survey.sizes.count)), shorter sides \(sides.min()!) to \(sides.max()!) pixels; most often \(common)")
        }
        func list(_ values: [Double]) -> String { "[" + values.map { decimals($0, 4) }.joined(separator: ", ") + "]" }
        lines.append("\(survey.areFiles ? "channels at 64×64" : "channels of the training images"): mean \(list(survey.statistics.mean)), standard deviation \(list(survey.statistics.std))")
        lines += survey.notes
        func twins(_ all: [ImageSurvey.Twins], _ what: String) {
            guard !all.isEmpty else { return }
            let crossing = all.count(where: \.crossesSplits)
            let example = (all.first(where: \.crossesSplits) ?? all[0]).names.prefix(2).map(\.visibleOnOneLine).joined(separator: ", ")
            lines.append("\(counted(all.count, "group", "groups")) of \(what)\(crossing > 0 ? ", \(grouped(crossing)) of them across splits" : "") (\(example))")
        }
        twins(survey.duplicates, "equal images")
        twins(survey.nearDuplicates, "images that look alike")
        if !survey.damaged.isEmpty {
            let (one, many) = survey.targets == nil ? ("damaged file", "damaged files") : ("problem", "problems")
            lines.append("\(counted(survey.damaged.count, one, many)):")
            lines += survey.damaged.prefix(20).map { "  \($0.visibleOnOneLine)" }
            if survey.damaged.count > 20 { lines.append("  and \(grouped(survey.damaged.count - 20)) more") }
        }
        return ([table.text(width: width), ""] + lines.flatMap { broken($0, width: width) }).joined(separator: "\n")
    }
}

extension DataCheckCommand {
    /// The pixels and objects of each class, and what has none.
    fileprivate static func table(of targets: SurveyedTargets, _ classNames: [String]) -> TextTable {
        let parts = targets.parts, hasPixels = parts.contains { $0.pixels != nil }, hasObjects = parts.contains { $0.objects != nil }
        var table = TextTable(
            [TextTable.Column("class"), TextTable.Column("name", .left)]
                + parts.flatMap { part in (hasPixels ? ["\(part.split.rawValue) pixels"] : []) + (hasObjects ? ["\(part.split.rawValue) objects"] : []) }.map { TextTable.Column($0) })
        func append(_ number: String, _ name: String, pixels: (SurveyedTargets.Part) -> Int?, objects: (SurveyedTargets.Part) -> Int?) {
            table.append([number, name] + parts.flatMap { part in
                (hasPixels ? [pixels(part).map(grouped) ?? ""] : []) + (hasObjects ? [objects(part).map(grouped) ?? ""] : [])
            })
        }
        for (label, name) in classNames.enumerated() {
            append("\(label)", name.visibleOnOneLine, pixels: { label < 255 ? $0.pixels?[label] : nil }, objects: { $0.objects?[label] })
        }
        let ignored = Int(LabeledImages.ignored)
        if parts.contains(where: { ($0.pixels?[ignored] ?? 0) > 0 }) { append("", "do not count", pixels: { $0.pixels?[ignored] }, objects: { _ in nil }) }
        append("", "all", pixels: { $0.pixels?.reduce(0, +) }, objects: { $0.objects?.reduce(0, +) })
        append("", "images", pixels: { $0.images }, objects: { $0.images })
        if hasObjects { append("", "images without objects", pixels: { _ in nil }, objects: { $0.withoutObject }) }
        return table
    }
}

/// A definition with three small models, to begin with.
private struct StarterDefinition {
    let text: String

    init(_ survey: ImageSurvey, folder: String, at file: String) throws {
        guard survey.classNames.count > 1 else { throw UserError(.data, "\(folder): has one class, expected at least two") }
        let side = survey.sizes.map { min($0.size.height, $0.size.width) }.min() ?? 64
        // Small enough to train in minutes.
        let count = survey.counts.first?.images.reduce(0, +) ?? 0
        guard survey.counts.count > 1 || survey.counts.first?.images.contains(where: { $0 > 1 }) == true else {
            throw UserError(.data, "\(folder): every class has one image, of which none is left for a test; expected at least two")
        }
        guard count >= 16 else { throw UserError(.data, "\(folder): has \(count) training images, too few for a definition; expected at least 16") }
        let size = side < 28 ? 28 : side < 64 || count < 2000 ? 32 : 64, patch = size == 28 ? 4 : size / 8
        let home = URL(filePath: file).deletingLastPathComponent().standardizedFileURL.path, full = URL(filePath: folder).standardizedFileURL.path
        let path = full.hasPrefix(home + "/") ? String(full.dropFirst(home.count + 1)) : full
        text = """
            # Three small models on the images in \(path.visible): a ResNet, a vision transformer, and a hybrid of both.
            # harness explain KEY says what a key means; harness check \(file.visible) shows sizes and memory before anything trains.
            data:
              folder:
                path: \(YAML.line(.text(path)))
            \(survey.damaged.isEmpty ? "" : "    on_error: skip             # \(counted(survey.damaged.count, "file", "files")) cannot be decoded\n")  size: \(size)                     # models get square images of so many pixels
              resize: shorter              # the shorter side becomes as long, and the middle is taken
              # crop: random_resized       # in training a random part in its place: for thousands of images
              augment: [{shift: 2}, horizontal_flip]   # no flip where left and right mean something
            seeds: [0, 1, 2]               # every model is trained with each
            train:
              epochs: \(count < 2000 ? 20 : 10)
              batch_size: \(count < 40 ? 8 : count < 500 ? 16 : 64)
              optimizer: {adamw: {learning_rate: 1e-3, weight_decay: 0.05}}
              schedule: {cosine: {warmup_epochs: 1}}
            models:
              resnet: {resnet: {depth: 14, width: 16}}
              vit: {vit: {patch: \(patch), width: 96, depth: 6, heads: 3}}
              hybrid:
                backbone: {resnet: {depth: 14, width: 16, cut_after: stage2}}
                tokens: {patch: \(size == 64 ? 4 : 2)}
                transformer: {width: 96, depth: 4, heads: 3}

            """
    }
}
