import Configuration
import TensorCore

/// The `data:` part of a definition.
///
///     data:
///       name: fashion-mnist           # or mnist, kmnist, digits; or instead of it  hdf5: {path: FILE, classes: 10}, or  folder: PATH, or  numpy: FILE.npz,
///                                     # or  coco: FOLDER, or  fashion_scenes: {canvas: 64, garments: [2, 5]}, or  shapes_3d: {views: 6}, or  sequences_1d: {motif: "1011"}
///       directory: ~/mnist            # where the files lie, when not in the usual places (--data-dir goes before it)
///                                     # it and hdf5.path are relative to the file in which they are written
///       classes: [0, 3]               # the classes that are used, by number or name; default all
///       unseen_classes: [7, 8, 9]     # classes without training and validation images, which are new in the test
///       folds: 5                      # cross-validation: each fifth of the training images is the test once, in trials of their own
///       validation: 0.1               # held out from the training images: a part below 1, or a number of images
///       split_seed: 0                 # seeds the choice of the held-out images and of the subsets
///       train_examples: 5000          # how many training images to use; default all that are left
///       test_examples: 1000           # how many test images to use; default all
///       images_per_class: 10          # in its place: how many training images of each class
///       imbalance: 100                # how many times as many training images the first class keeps as the last
///       label_noise: 0.2              # this part of the training labels is another class's; or {pair_flip: 0.2}: the next class's
///       sampling: balanced            # every epoch draws each class equally often; or {classes: 8, images: 4} side by side, or {views: 2} of each image
///       normalization: training       # by mean and sd of the training split; or none; or {mean: [0.286], std: [0.353]}
///       size: 224                     # the size that models get, or [height, width]; default that of the images
///       resize: exact                 # how they come to it: stretched, or with black around them (pad)
///       augment: [{shift: 2}, horizontal_flip]
public struct DataConfiguration: Configurable {
    /// Where images come from.
    public enum Source: Sendable, Equatable {
        /// One that is known by name.
        case named(NamedDataset)
        /// A file of one's own.
        case hdf5(HDF5Source)
        /// A folder of image files.
        case folder(FolderSource)
        /// A file of NumPy's arrays.
        case numpy(NumPySource)
        /// A folder with COCO's JSON files and images.
        case coco(COCOSource)
        /// Scenes that are made from Fashion-MNIST.
        case scenes(FashionScenes)
        /// Solids that are made.
        case shapes(SolidShapes)
        /// Sequences that are made.
        case sequences(MotifSequences)

        /// Whether the data set is known by what the definition says of it, wherever its files lie.
        public var isKnownByName: Bool {
            switch self {
            case .named, .scenes, .shapes, .sequences: true
            case .hdf5, .folder, .numpy, .coco: false
            }
        }

        /// The solids of which images are made, whatever is given of them and with which noise; nil for images of anything else.
        public var solids: SolidShapes? {
            switch self {
            case .shapes(let shapes): shapes.solids
            case .named(.shapes3D): SolidShapes()
            case .named, .sequences, .hdf5, .folder, .numpy, .coco, .scenes: nil
            }
        }

        /// A few samples of the same form, for runs of seconds, of what is made; nil for all else.
        public var small: Source? {
            switch self {
            case .shapes(let shapes): .shapes(shapes.small)
            case .sequences(let sequences): .sequences(sequences.small)
            case .named(.shapes3D): .shapes(SolidShapes().small)
            case .named(.sequences1D): .sequences(MotifSequences().small)
            case .named, .hdf5, .folder, .numpy, .coco, .scenes: nil
            }
        }
    }

    /// Where images come from.
    public var source = Source.named(.fashionMNIST)
    /// The folder with the four IDX files, or with a subfolder named after the data set. Relative to the file that says it.
    public var directory: String?
    /// How much of the official training set is held out; nil: the validation images of an HDF5 file, or 0.1 when it has none.
    public var validation: HeldOut?
    /// Whether as many images of each class are held out; of image files they always are.
    public var isStratified = false
    /// The seed by which validation images, folds, subsets and the labels that noise replaces are drawn.
    public var splitSeed: UInt64 = 0
    /// The size of the training split after the validation split was held out; nil: all. Smaller subsets lie within larger ones.
    public var trainExamples: Int?
    /// The size of the test split; nil: all.
    public var testExamples: Int?
    /// The classes that are used, which are numbered in this order; nil: all.
    public var classes: [ClassName]?
    /// The classes that have no training and validation images; nil: none.
    public var unseenClasses: [ClassName]?
    /// Into how many folds the training images are cut; nil: the data set's own test images are the test.
    public var folds: Int?
    /// Which fold is the test, from 0; nil: each in turn, in trials of their own.
    public var fold: Int?
    /// The size of each class in the training split; nil: all. Smaller subsets lie within larger ones.
    public var imagesPerClass: Int?
    /// How many times as many training images the first class keeps as the last; 1: all keep all.
    public var imbalance = 1.0
    /// Which part of the training labels is replaced.
    public var labelNoise = LabelNoise.none
    /// How an epoch draws training images.
    public var sampling = ClassSampling.shuffled
    /// What is subtracted from pixels, and what they are divided by.
    public var normalization = NormalizationConfiguration.training
    /// In which size models get the images; nil: that of the images, which is one.
    public var extent: ImageExtent?
    /// The height and width in which models get the images; nil: those of the images, or each its own.
    public var size: Size2D? {
        get { if case .size(let size) = extent { size } else { nil } }
        set { extent = newValue.map { .size($0) } }
    }
    /// How images of several sizes share sequences; nil: all have one size.
    public var native: NativeSize? {
        get { if case .native(let size) = extent { size } else { nil } }
        set { extent = newValue.map { .native($0) } }
    }
    /// How images come to `size`.
    public var resize = ResizeKind.exact
    /// A number that the sides of images become multiples of, by a border; nil: they stay.
    public var padTo: Int?
    /// What brings images to the models' size.
    public var sizing: ResizeKind { padTo == nil ? resize : .pad }
    /// How pixels between pixels are found when image files are resampled.
    public var interpolation = ImageInterpolation.bilinear
    /// What training sees of image files.
    public var crop = ImageCrop.center
    /// What is done to training images, in order, in their own size.
    public var augment: [Augmentation] = []
    /// All that is done to training images: the crop of image files first.
    public var augmentations: [Augmentation] { (crop == .randomResized ? [.randomResizedCrop] : []) + augment }
    /// Where to look for the data; no part of what the definition says of them.
    public var places = DataPlaces()

    /// Every key at its default.
    public init() { self.init(.named(.fashionMNIST)) }

    /// A source, with the defaults that it has.
    public init(_ source: Source) {
        self.source = source
        if source.isKnownByName { validation = .default }
    }

    /// A data set that the program knows, everything else at its default.
    public init(_ name: NamedDataset) { self.init(.named(name)) }

    /// The data set that is known by name; nil with a file.
    var name: NamedDataset? {
        get { if case .named(let name) = source { name } else { nil } }
        set { if let newValue { source = .named(newValue) } }
    }

    /// The file of a data set of one's own; nil with a name.
    var hdf5: HDF5Source? {
        get { if case .hdf5(let file) = source { file } else { nil } }
        set { if let newValue { source = .hdf5(newValue) } }
    }

    /// The folder of image files; nil with another source.
    var folder: FolderSource? {
        get { if case .folder(let folder) = source { folder } else { nil } }
        set { if let newValue { source = .folder(newValue) } }
    }

    /// The file of NumPy's arrays; nil with another source.
    var numpy: NumPySource? {
        get { if case .numpy(let file) = source { file } else { nil } }
        set { if let newValue { source = .numpy(newValue) } }
    }

    /// The folder with COCO's files; nil with another source.
    var coco: COCOSource? {
        get { if case .coco(let folder) = source { folder } else { nil } }
        set { if let newValue { source = .coco(newValue) } }
    }

    /// The scenes that are made from Fashion-MNIST; nil with another source.
    var scenes: FashionScenes? {
        get { if case .scenes(let scenes) = source { scenes } else { nil } }
        set { if let newValue { source = .scenes(newValue) } }
    }

    /// The solids that are made; nil with another source.
    var shapes: SolidShapes? {
        get { if case .shapes(let shapes) = source { shapes } else { nil } }
        set { if let newValue { source = .shapes(newValue) } }
    }

    /// The sequences that are made; nil with another source.
    var sequences: MotifSequences? {
        get { if case .sequences(let sequences) = source { sequences } else { nil } }
        set { if let newValue { source = .sequences(newValue) } }
    }

    public static let options: [Key<DataConfiguration>] = [
        // What the data are, `identity` says by what they hold.
        Key("name", \.name, .dataset, decidesDefaults: true, use: .clarity, "A data set that is known by name; or hdf5, folder, numpy, coco, fashion_scenes, shapes_3d or sequences_1d in its place."),
        Key("hdf5", \.hdf5, .map, decidesDefaults: true, use: .clarity, "A data set of one's own in an HDF5 file."),
        Key("folder", \.folder, .map(orAlone: "path", "the path of a folder"), decidesDefaults: true, use: .clarity, "Image files of one's own, in one folder a class."),
        Key("numpy", \.numpy, .map(orAlone: "path", "the path of a .npz file"), decidesDefaults: true, use: .clarity, "A data set of one's own in a .npz file."),
        Key("coco", \.coco, .map(orAlone: "path", "the path of a folder"), decidesDefaults: true, use: .clarity, paper: "Lin et al., ECCV 2014", "Image files with the boxes of COCO's JSON files."),
        Key("fashion_scenes", \.scenes, .map, decidesDefaults: true, use: .clarity, "Scenes of several garments of Fashion-MNIST, each with the class of every pixel and boxes."),
        Key("shapes_3d", \.shapes, .map, decidesDefaults: true, use: .clarity, "Solids of eight kinds, as voxels or as cameras around them see them."),
        Key("sequences_1d", \.sequences, .map, decidesDefaults: true, use: .clarity, "Sequences of zeros and ones, in half of which a motif is hidden, with the places at which it ends."),
        Key("directory", \.directory, .text, use: .clarity, "Where the files lie, when not in the usual places; relative to the file that says it."),
        Key("validation", \.validation, .heldOut, "How much of the training images is held out for validation."),
        Key("stratified", \.isStratified, .flag, writesDefault: false, "Whether as many images of each class are held out for validation as its part of all; of image files they always are."),
        Key("split_seed", \.splitSeed, .seed, "Seeds the choice of the held-out images, of the folds, of the subsets and of the labels that noise replaces."),
        Key("train_examples", \.trainExamples, .integer(in: 1...1_000_000_000), "How many training images are used; absent: all that are left."),
        Key("test_examples", \.testExamples, .integer(in: 1...1_000_000_000), "How many test images are used; absent: all."),
        Key("classes", \.classes, .classes, "The classes that are used, by number or name, in all splits; they are numbered anew in this order. Absent: all."),
        Key("unseen_classes", \.unseenClasses, .classes, paper: "Snell et al., NeurIPS 2017; Song et al., CVPR 2016",
            "The classes that have no training and validation images, by number or name, so that the test's images of them are of classes that were never seen. Absent: none."),
        Key("folds", \.folds, .integer(in: 2...100), paper: "Kohavi, IJCAI 1995; their comparison: Nadeau and Bengio, Machine Learning 52, 2003",
            "Cross-validation: the training images (of a folder without a test, all images) are cut into so many folds, with as many images of each class and no group torn apart; each is the test once, in a trial of its own, and a data set's own test images are not used. Validation images are held out from the rest."),
        Key("fold", \.fold, .integer(in: 0...99), "Which of the folds is the test, from 0; absent: each, in trials of their own."),
        Key("images_per_class", \.imagesPerClass, .integer(in: 1...1_000_000_000), "How many training images of each class are used, in the place of train_examples; absent: all that are left."),
        Key("imbalance", \.imbalance, .number(in: 1...), writesDefault: false, paper: "Cui et al., CVPR 2019",
            "ρ: of C classes, class c keeps n·ρ^(−c/(C−1)) training images, so the first has ρ times as many as the last."),
        Key("label_noise", \.labelNoise, .labelNoise, writesDefault: false, paper: "Patrini et al., CVPR 2017; Han et al., NeurIPS 2018",
            "The part of the training labels that is replaced, by any other class, or with pair_flip by the next one; those of validation and test stay."),
        Key("sampling", \.sampling, .sampling, writesDefault: false, paper: "Kang et al., ICLR 2020; sets: Hermans et al., 2017",
            "Whether every epoch draws each training image once (shuffled), each class equally often (balanced), or sets that are compared side by side: {classes: 8, images: 4} of so many images of so many classes, {views: 2} of so many views of each image."),
        Key("normalization", \.normalization, .normalization, "How pixel values become inputs."),
        Key("size", \.extent, .imageExtent, "The size in which models get the images; native: each in its own, cut into patches that share sequences (navit); absent: that of the images."),
        Key("resize", \.resize, .choice, writesDefault: false, "How images come to size: stretched, bilinear and antialiased (exact), or with black around them (pad), where smaller images stay as they are; image files also by their shorter side, of which the middle is taken (shorter)."),
        Key("pad_to", \.padTo, .integer(in: 2...1_024), "Images get a black border that makes their sides multiples of this number, as models with patches or many stages ask for; its pixels have the class 255 in masks and count nowhere, and boxes move with their images. Absent: there is none."),
        Key("interpolation", \.interpolation, .choice, writesDefault: false, "How pixels between pixels are found when image files are resampled; both as Pillow does."),
        Key("crop", \.crop, .choice, writesDefault: false, paper: "Szegedy et al., CVPR 2015", "What training sees of image files: the middle (center), or a random part of 8 to 100 % of the pixels (random_resized)."),
        Key("augment", \.augment, .list(of: Augmentation.kind), "Random changes of the training images, in their own size."),
    ]

    public mutating func setDependentDefaults() { validation = source.isKnownByName ? .default : nil }

    public mutating func check(_ fields: inout FieldReader) {
        places.pathFolder = fields.node["hdf5"]?["path"]?.mark.folder
        places.directoryFolder = fields.node["directory"]?.mark.folder
        if let folder = fields.node["folder"] { places.pathFolder = (folder["path"] ?? folder).mark.folder }
        if let file = fields.node["numpy"] { places.pathFolder = (file["path"] ?? file).mark.folder }
        if let folder = fields.node["coco"] { places.pathFolder = (folder["path"] ?? folder).mark.folder }
        let sources = ["name", "hdf5", "folder", "numpy", "coco", "fashion_scenes", "shapes_3d", "sequences_1d"].filter(fields.has)
        if sources.isEmpty { fields.errors.report("expected a data set: name, hdf5, folder, numpy, coco, fashion_scenes, shapes_3d or sequences_1d", at: fields.node.mark, path: fields.path) }
        for other in sources.dropFirst() { fields.report("found beside '\(sources[0])', expected one of the two", at: other) }
        if folder == nil, hdf5 == nil, let key = sizingKey { fields.report("goes with images of several sizes, in a folder or an HDF5 file", at: key) }
        if let fold {
            if let folds, fold >= folds { fields.report("found \(fold), expected a number below the \(folds) folds", at: "fold") }
            if folds == nil, !fields.has("folds") { fields.report("there are no folds of which one is chosen; add their number, such as folds: 5", at: "fold") }
        }
        if imagesPerClass != nil, trainExamples != nil { fields.report("found beside 'train_examples', expected one of the two", at: "images_per_class") }
        if native != nil {
            if folder == nil, hdf5 == nil { fields.report("native goes with images of several sizes, in a folder or an HDF5 file", at: "size") }
            if resize != .exact { fields.report("images of native size keep their shapes", at: "resize") }
            if folder?.decode == .scaled { fields.report("images of native size are decoded exactly", at: "folder") }
            if augment.contains(where: { !$0.isFlip }) { fields.report("images of native size are flipped at most; expected horizontal_flip alone", at: "augment") }
        }
        if folder?.masks != nil {
            if native != nil { fields.report("native goes with images without masks; expected a number of pixels", at: "size") }
            if crop == .randomResized { fields.report("takes parts of images and not of their masks; expected center", at: "crop") }
        }
        if case .sets = sampling, native != nil { fields.report("sets go with images of one size, and data.size: native gives each in its own", at: "sampling") }
        if unseenClasses != nil {
            if imbalance != 1 { fields.report("counts on training images of every class, and unseen_classes have none", at: "imbalance") }
            if labelNoise != .none { fields.report("would give training images to unseen_classes; expected one of the two", at: "label_noise") }
        }
        if padTo != nil, extent != nil { fields.report("goes with images in their own size; leave size out, or say a size that is a multiple", at: "pad_to") }
        if extent == nil, resize != .exact, !fields.has("size") { fields.report("there is no size to which images are brought; add one, such as size: 224", at: "resize") }
    }

    /// The shape of images with the border of `padTo`.
    func padded(_ shape: ImageShape) -> ImageShape {
        guard let padTo else { return shape }
        func multiple(_ length: Int) -> Int { (length + padTo - 1) / padTo * padTo }
        return ImageShape(height: multiple(shape.height), width: multiple(shape.width), channels: shape.channels)
    }

    /// The same without what chooses among the images: equal for configurations whose images are found to be the same before they are split.
    public var beforeSplit: DataConfiguration {
        var copy = DataConfiguration(source)
        (copy.directory, copy.places) = (directory, places)
        // What a folder is made of depends on their sizes, and on whether a test is held out of it.
        if folder != nil || hdf5 != nil {
            (copy.extent, copy.resize, copy.interpolation, copy.crop, copy.splitSeed) = (extent, resize, interpolation, crop, splitSeed)
            copy.folds = folds.map { _ in 2 }
        }
        return copy
    }

    /// A key that is only for images of several sizes, and is not at its default.
    var sizingKey: String? {
        let keys: [(name: String, isSet: Bool)] = [
            ("resize", resize == .shorter), ("interpolation", interpolation != .bilinear), ("crop", crop != .center),
        ]
        return keys.first(where: \.isSet)?.name
    }

    /// What the result depends on: the name of a data set or what a file holds, never where it lies.
    public var identity: ConfigurationNode {
        var entries = difference.entries?.map { (key: $0.key, node: $0.node) } ?? []
        // What nobody has read yet is known by its path alone.
        func content(_ path: String) -> [(key: String, node: ConfigurationNode)] {
            // The list of classes says their number too.
            places.content.map { [("sha256", .text($0.digest))] + (classes == nil ? [("classes", .scalar($0.classes))] : []) } ?? [("path", .text(path))]
        }
        switch source {
        case .named(let dataset): entries.append(("name", .text(dataset.name)))
        case .hdf5(let file): entries += content(file.path)
        case .folder(let folder): entries += content(folder.path)
        case .numpy(let file): entries += content(file.path)
        case .coco(let folder): entries += content(folder.path)
        case .scenes(FashionScenes()): entries.append(("name", .text(NamedDataset.fashionScenes.name)))
        case .scenes(let scenes): entries.append(("fashion_scenes", scenes.identity))
        case .shapes(SolidShapes()): entries.append(("name", .text(NamedDataset.shapes3D.name)))
        case .shapes(let shapes): entries.append(("shapes_3d", shapes.identity))
        case .sequences(MotifSequences()): entries.append(("name", .text(NamedDataset.sequences1D.name)))
        case .sequences(let sequences): entries.append(("sequences_1d", sequences.identity))
        }
        return .map(entries)
    }
}

/// `hdf5: {path: FILE, classes: 10}`: a data set of one's own; `loadHDF5Images` says what the file holds.
public struct HDF5Source: Configurable {
    /// The order of an image's axes in the file.
    public enum Layout: String, CaseIterable, Sendable {
        /// `[n, channels, height, width]`
        case nchw
        /// `[n, height, width, channels]`
        case nhwc
        /// `[n, channels, depth, height, width]`
        case ncdhw
        /// `[n, depth, height, width, channels]`
        case ndhwc
        /// `[n, channels, length]`
        case ncl
        /// `[n, length, channels]`
        case nlc
    }

    /// As it is written: relative to the file that says it.
    public var path: String
    /// The number of classes; nil: the file's attribute `classes`, or the largest label + 1.
    public var classes: Int?
    /// nil: `nchw`, or of volumes with five axes `ncdhw`, unless the shape looks as if channels came last, which is an error then.
    public var layout: Layout?
    /// More are a mistake in the labels, such as identifiers in the place of class indices; and the confusion matrix has the square of it.
    static let largestClassCount = 10_000

    /// A file, and what it does not say itself.
    public init(path: String, classes: Int? = nil, layout: Layout? = nil) {
        self.path = path
        self.classes = classes
        self.layout = layout
    }

    /// No file yet.
    public init() { self.init(path: "") }

    public static let options: [Key<HDF5Source>] = [
        .required("path", \.path, .text, missing: "expected a path", "The file, relative to the one that says it."),
        Key("classes", \.classes, .integer(in: 1...largestClassCount), "How many classes there are; absent: the file's attribute, or the largest label + 1."),
        Key("layout", \.layout, .choice, "The order of the axes of images, where the shape leaves it open, of volumes (ncdhw, ndhwc) and of sequences (ncl, nlc), whose channels come first or last."),
    ]
}

/// How many of the training images are held out for validation.
public enum HeldOut: Sendable, Equatable {
    /// A part from 0 up to but not 1, rounded to the nearest number of images.
    case fraction(Double)
    case count(Int)

    /// A tenth of the training images.
    public static let `default` = HeldOut.fraction(0.1)

    /// The number held out of `total`.
    public func count(of total: Int) -> Int {
        switch self {
        case .fraction(let fraction): Int((fraction * Double(total)).rounded())
        case .count(let count): count
        }
    }
}

extension OptionKind where Value == HeldOut {
    static let heldOut = OptionKind(
        "a part from 0, below 1, or a number of images", schema: .range(from: 0, to: nil, isOpen: false),
        read: { fields, key in
            guard let number = fields.number(key, in: 0...) else { return nil }
            if number < 1 { return .fraction(number) }
            if let count = Int(exactly: number) { return .count(count) }
            fields.report("expected a part below 1 or a whole number of images, found \(number)", at: key)
            return nil
        },
        write: { held in
            switch held {
            case .fraction(let fraction): .scalar(fraction)
            case .count(let count): .scalar(count)
            }
        })
}

extension OptionKind where Value == UInt64 {
    static let seed = OptionKind(
        "an integer from 0", schema: .integer(from: 0, to: nil), read: { $0.integer($1, in: 0...).map { UInt64($0) } }, write: { .scalar(Int($0)) })
}

extension OptionKind where Value == NamedDataset {
    static let dataset = OptionKind(
        "one of \(NamedDataset.standard.map(\.name).joined(separator: ", "))", schema: .names(NamedDataset.standard.map(\.name)),
        read: { fields, key in
            guard let name = fields.string(key) else { return nil }
            let known = fields.additions.all(NamedDataset.self) + NamedDataset.standard
            if let dataset = known.first(where: { $0.name == name }) { return dataset }
            fields.report("unknown data set '\(name)'\(suggestion(for: name, among: known.map(\.name)))", at: key)
            return nil
        }, write: { .text($0.name) })
}

/// How pixel values become inputs: `(value − mean) / sd` per channel, where bytes are first divided by their maximum.
public enum NormalizationConfiguration: Sendable, Equatable {
    /// By mean and standard deviation of the training split.
    case training
    /// Bytes become 0 to 1, floats stay.
    case none
    /// One value a channel.
    case given(mean: [Double], std: [Double])
}

extension OptionKind where Value == NormalizationConfiguration {
    private enum Word: String, CaseIterable { case training, none }

    static let normalization = OptionKind(
        "training, none, or a map of mean and std", schema: .either([.names(["training", "none"]), .map(GivenNormalization.descriptions)]),
        children: { GivenNormalization.descriptions },
        read: { fields, key in
            guard let node = fields.node(key) else { return nil }
            guard node.entries != nil else {
                let word: Word? = fields.choice(key)
                return word.map { $0 == .none ? .none : .training }
            }
            guard var options = fields.fields(key) else { return nil }
            let given = GivenNormalization(from: &options)
            options.finish()
            let (mean, std) = (given.mean, given.std)
            guard !mean.isEmpty, mean.count == std.count, !std.contains(0) else {
                fields.report("expected mean and std with one number a channel each, std above 0", at: key)
                return nil
            }
            return .given(mean: mean, std: std)
        },
        write: { normalization in
            switch normalization {
            case .training: .text(Word.training.rawValue)
            case .none: .text(Word.none.rawValue)
            case .given(let mean, let std): .map([("mean", .list(mean.map { .scalar($0) })), ("std", .list(std.map { .scalar($0) }))])
            }
        })
}

private struct GivenNormalization: Configurable {
    var mean: [Double] = []
    var std: [Double] = []

    static let options: [Key<GivenNormalization>] = [
        Key("mean", \.mean, .numbers("a list of numbers"), "What is subtracted, for each channel."),
        Key("std", \.std, .numbers(in: 0..., "a list of numbers above 0"), "What the difference is divided by, for each channel."),
    ]
}
