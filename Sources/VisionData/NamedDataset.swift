/// A data set that definitions know by name: `data: {name: mnist}`.
public struct NamedDataset: Sendable, Equatable {
    /// As definitions write it.
    public let name: String
    /// The classes by label; none where only the data say them.
    public let classNames: [String]
    /// How to get the data set, for the error when it is not there.
    let howToGet: String
    /// Makes or reads the images, from the folder that was given, if one was; nil: four IDX files (`IDXDataset`).
    let load: (@Sendable (_ directory: String?) throws -> LabeledImages)?

    /// A data set that a program makes or reads itself.
    ///
    /// - Parameter load: gives the images; its argument is the folder of `--data-dir`, or of the definition's `directory`, if one is given.
    public init(_ name: String, classNames: [String] = [], load: @escaping @Sendable (_ directory: String?) throws -> LabeledImages) {
        self.init(name: name, classNames: classNames, howToGet: "it is part of the program", load: load)
    }

    private init(name: String, classNames: [String], howToGet: String, load: (@Sendable (_ directory: String?) throws -> LabeledImages)? = nil) {
        (self.name, self.classNames, self.howToGet, self.load) = (name, classNames, howToGet, load)
    }

    /// Whether two have the same name.
    public static func == (a: NamedDataset, b: NamedDataset) -> Bool { a.name == b.name }

    /// The data sets that come with the program.
    public static let standard = [fashionMNIST, mnist, kmnist, digits]

    /// Xiao, Rasul, Vollgraf: "Fashion-MNIST: a Novel Image Dataset for Benchmarking Machine Learning Algorithms", 2017. 60,000 and 10,000 images of 28×28×1.
    public static let fashionMNIST = NamedDataset(
        name: "fashion-mnist",
        classNames: ["T-shirt/top", "trouser", "pullover", "dress", "coat", "sandal", "shirt", "sneaker", "bag", "ankle boot"],
        howToGet: "install the package dataset-fashion-mnist (apt install dataset-fashion-mnist), or \(byFolder)")
    /// LeCun, Cortes, Burges: "The MNIST database of handwritten digits", 1998. 60,000 and 10,000 images of 28×28×1.
    public static let mnist = NamedDataset(name: "mnist", classNames: (0...9).map(String.init), howToGet: byDownload)
    /// Kuzushiji-MNIST. Clanuwat et al.: "Deep Learning for Classical Japanese Literature", 2018. 60,000 and 10,000 images of 28×28×1.
    public static let kmnist = NamedDataset(
        name: "kmnist", classNames: ["o", "ki", "su", "tsu", "na", "ha", "ma", "ya", "re", "wo"], howToGet: byDownload)
    /// 8×8 digits, part of the program; see `loadDigits`.
    public static let digits = NamedDataset("digits", classNames: (0...9).map(String.init)) { _ in try loadDigits() }

    private static let byFolder = "give its folder with --data-dir"
    private static let byDownload = "download its four IDX files, and \(byFolder)"
}
