import TensorCore

/// A data set that definitions know by name: `data: {name: mnist}`.
public struct NamedDataset: Sendable, Equatable {
    /// As definitions write it.
    public let name: String
    /// The classes by label; none where only the data say them.
    public let classNames: [String]
    /// How to get the data set, for the error when it is not there.
    let howToGet: String
    /// Makes or reads the images, from the folder that was given, if one was; nil: files of `form`.
    let load: (@Sendable (_ directory: String?) throws -> LabeledImages)?
    /// In which files the data set comes.
    let form: Form
    /// From where its files are fetched.
    public let archives: [DatasetArchive]
    /// Of what it is made, where it has no files of its own.
    private(set) var scenes: FashionScenes?
    /// What there is of one that is made, without making it.
    private(set) var made: (trainCount: Int, testCount: Int, shape: ImageShape)?

    /// The files of a data set.
    enum Form: Sendable {
        /// Four IDX files.
        case idx(IDXForm)
        /// Files of records of one length.
        case records(RecordForm)
        /// MATLAB files.
        case matrices(MatrixForm)
    }

    /// A data set that a program makes or reads itself.
    ///
    /// - Parameter load: gives the images; its argument is the folder of `--data-dir`, or of the definition's `directory`, if one is given.
    public init(_ name: String, classNames: [String] = [], load: @escaping @Sendable (_ directory: String?) throws -> LabeledImages) {
        self.init(name: name, classNames: classNames, howToGet: "it is part of the program", load: load)
    }

    private init(
        name: String, classNames: [String], howToGet: String, form: Form = .idx(IDXForm()), archives: [DatasetArchive] = [],
        load: (@Sendable (_ directory: String?) throws -> LabeledImages)? = nil
    ) {
        (self.name, self.classNames, self.howToGet, self.form, self.archives, self.load) = (name, classNames, howToGet, form, archives, load)
    }

    /// Whether two have the same name.
    public static func == (a: NamedDataset, b: NamedDataset) -> Bool { a.name == b.name }

    /// The data sets that come with the program.
    public static let standard = [fashionMNIST, mnist, kmnist, digits] + emnist + [cifar10, cifar100, svhn, stl10, fashionScenes, digitScenes, shapes3D, sequences1D]

    /// Xiao, Rasul, Vollgraf: "Fashion-MNIST: a Novel Image Dataset for Benchmarking Machine Learning Algorithms", 2017. 60,000 and 10,000 images of 28×28×1.
    public static let fashionMNIST = NamedDataset(
        name: "fashion-mnist",
        classNames: ["T-shirt/top", "trouser", "pullover", "dress", "coat", "sandal", "shirt", "sneaker", "bag", "ankle boot"],
        howToGet: "install the package dataset-fashion-mnist (apt install dataset-fashion-mnist), or \(byFolder)", archives: DatasetArchive.fashionMNIST)
    /// LeCun, Cortes, Burges: "The MNIST database of handwritten digits", 1998. 60,000 and 10,000 images of 28×28×1.
    public static let mnist = NamedDataset(name: "mnist", classNames: (0...9).map(String.init), howToGet: byDownload, archives: DatasetArchive.mnist)
    /// Kuzushiji-MNIST. Clanuwat et al.: "Deep Learning for Classical Japanese Literature", 2018. 60,000 and 10,000 images of 28×28×1.
    public static let kmnist = NamedDataset(
        name: "kmnist", classNames: ["o", "ki", "su", "tsu", "na", "ha", "ma", "ya", "re", "wo"], howToGet: byDownload, archives: DatasetArchive.kmnist)
    /// 8×8 digits, part of the program; see `loadDigits`.
    public static let digits = NamedDataset("digits", classNames: (0...9).map(String.init)) { _ in try loadDigits() }

    /// Extended MNIST: letters and digits by hand, whose files hold each image on its side. Cohen, Afshar, Tapson, van Schaik: "EMNIST: an extension of
    /// MNIST to handwritten letters", 2017 (arXiv:1702.05373). Images of 28×28×1.
    public static let emnist = ["balanced", "byclass", "bymerge", "digits", "letters", "mnist"].map { part in
        let digits = (0...9).map(String.init), capitals = "ABCDEFGHIJKLMNOPQRSTUVWXYZ".map(String.init), small = "abcdefghijklmnopqrstuvwxyz".map(String.init)
        // Letters whose small forms look like capitals are one class.
        let merged = digits + capitals + "abdefghnqrt".map(String.init)
        let classNames = ["balanced": merged, "bymerge": merged, "byclass": digits + capitals + small, "letters": capitals][part] ?? digits
        return NamedDataset(
            name: "emnist-\(part)", classNames: classNames,
            howToGet: "unpack gzip.zip (harness data says from where), and \(byFolder)",
            form: .idx(IDXForm(
                fileNames: ["train-images-idx3-ubyte", "train-labels-idx1-ubyte", "test-images-idx3-ubyte", "test-labels-idx1-ubyte"].map { "emnist-\(part)-\($0)" },
                folderNames: ["emnist", "gzip"], isTransposed: true, firstLabel: part == "letters" ? 1 : 0)), archives: DatasetArchive.emnist)
    }

    /// Krizhevsky, "Learning Multiple Layers of Features from Tiny Images", 2009. 50,000 and 10,000 images of 32×32×3.
    public static let cifar10 = NamedDataset(
        name: "cifar-10", classNames: ["airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"],
        howToGet: "unpack cifar-10-binary.tar.gz (harness data says from where), and \(byFolder)", form: .records(.cifar10), archives: DatasetArchive.cifar10)
    /// The same with 100 classes: 500 and 100 images of each.
    public static let cifar100 = NamedDataset(
        name: "cifar-100", classNames: RecordForm.cifar100ClassNames,
        howToGet: "unpack cifar-100-binary.tar.gz (harness data says from where), and \(byFolder)", form: .records(.cifar100), archives: DatasetArchive.cifar100)
    /// Coates, Lee, Ng: "An Analysis of Single-Layer Networks in Unsupervised Feature Learning", AISTATS 2011. 5,000 and 8,000 images of 96×96×3.
    public static let stl10 = NamedDataset(
        name: "stl-10", classNames: ["airplane", "bird", "car", "cat", "deer", "dog", "horse", "monkey", "ship", "truck"],
        howToGet: "unpack stl10_binary.tar.gz (harness data says from where), and \(byFolder)", form: .records(.stl10), archives: DatasetArchive.stl10)

    /// House numbers in the street, the cropped digits. Netzer et al., "Reading Digits in Natural Images with Unsupervised Feature Learning", 2011.
    /// 73,257 and 26,032 images of 32×32×3.
    public static let svhn = NamedDataset(
        name: "svhn", classNames: (0...9).map(String.init), howToGet: "fetch train_32x32.mat and test_32x32.mat (harness data says from where), and \(byFolder)",
        form: .matrices(MatrixForm(train: "train_32x32.mat", test: "test_32x32.mat", shape: ImageShape(height: 32, width: 32, channels: 3), labelOfFirst: 10)), archives: DatasetArchive.svhn)

    /// Scenes of several garments, with a mask and boxes: 6,000 and 1,000 images of 64×64×1, made from Fashion-MNIST's (`FashionScenes`).
    public static let fashionScenes = {
        var dataset = NamedDataset(
            name: "fashion-scenes", classNames: ["background"] + fashionMNIST.classNames, howToGet: "it is made from Fashion-MNIST: \(fashionMNIST.howToGet)")
        dataset.scenes = FashionScenes()
        return dataset
    }()
    /// The same of the digits that are part of the program: 400 and 100 images of 32×32×1.
    public static let digitScenes = NamedDataset("digit-scenes", classNames: ["background"] + digits.classNames) { _ in try FashionScenes.digits() }

    /// Solids of eight kinds, each seen by 12 cameras: 2,000 and 500 images of 32×32×12 (`SolidShapes`).
    public static let shapes3D = {
        let shapes = SolidShapes()
        var dataset = NamedDataset("shapes-3d", classNames: Solid.names) { _ in try SolidShapes().load() }
        dataset.made = (shapes.trainCount, shapes.testCount, shapes.shape)
        return dataset
    }()
    /// Sequences of zeros and ones in which 1011 is hidden or not: 2,000 and 1,000 images of 1×32×1, with masks (`MotifSequences`).
    public static let sequences1D = {
        let sequences = MotifSequences()
        var dataset = NamedDataset("sequences-1d", classNames: ["absent", "present"]) { _ in try MotifSequences().load() }
        dataset.made = (sequences.trainCount, sequences.testCount, sequences.shape)
        return dataset
    }()

    private static let byFolder = "give its folder with --data-dir"
    private static let byDownload = "fetch its four IDX files (harness data says from where), and \(byFolder)"

    /// Folders that the data set's archive makes, beside one of its name.
    var folderNames: [String] {
        switch form {
        case .idx(let form): form.folderNames
        case .records(let form): form.folderNames
        case .matrices(let form): form.folderNames
        }
    }
}
