/// The data sets known by name.
public enum DatasetName: String, CaseIterable, Sendable {
    /// Xiao, Rasul, Vollgraf: "Fashion-MNIST: a Novel Image Dataset for Benchmarking Machine Learning Algorithms", 2017. 60,000 and 10,000 images of 28×28×1.
    case fashionMNIST = "fashion-mnist"
    /// LeCun, Cortes, Burges: "The MNIST database of handwritten digits", 1998. 60,000 and 10,000 images of 28×28×1.
    case mnist
    /// Kuzushiji-MNIST. Clanuwat et al.: "Deep Learning for Classical Japanese Literature", 2018. 60,000 and 10,000 images of 28×28×1.
    case kmnist
    /// 8×8 digits, part of the program; see `loadDigits`.
    case digits

    /// The classes by label.
    public var classNames: [String] {
        switch self {
        case .fashionMNIST:
            ["T-shirt/top", "trouser", "pullover", "dress", "coat", "sandal", "shirt", "sneaker", "bag", "ankle boot"]
        case .mnist, .digits:
            (0...9).map(String.init)
        case .kmnist:
            ["o", "ki", "su", "tsu", "na", "ha", "ma", "ya", "re", "wo"]
        }
    }

    /// How to get the data set, for the error when it is not there.
    var howToGet: String {
        let byFolder = "give its folder with --data-dir"
        switch self {
        case .fashionMNIST: return "install the package dataset-fashion-mnist (apt install dataset-fashion-mnist), or \(byFolder)"
        case .mnist, .kmnist: return "download its four IDX files, and \(byFolder)"
        case .digits: return "it is part of the program"
        }
    }
}
