/// A file from which a data set is fetched. The program never fetches anything itself.
public struct DatasetArchive: Sendable, Equatable {
    /// Where it is published.
    public let address: String
    /// Its length in bytes.
    public let byteCount: Int
    /// Of its bytes, as `sha256sum` prints it.
    public let sha256: String

    private init(_ address: String, _ byteCount: Int, _ sha256: String) { (self.address, self.byteCount, self.sha256) = (address, byteCount, sha256) }

    /// The four IDX files of a data set, gzipped.
    private static func idx(_ folder: String, _ files: [(byteCount: Int, sha256: String)]) -> [DatasetArchive] {
        zip(IDXForm().fileNames, files).map { DatasetArchive("\(folder)/\($0).gz", $1.byteCount, $1.sha256) }
    }

    static let mnist = idx("https://storage.googleapis.com/cvdf-datasets/mnist", [
        (9_912_422, "440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609"),
        (28_881, "3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c"),
        (1_648_877, "8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6"),
        (4_542, "f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6"),
    ])
    static let fashionMNIST = idx("http://fashion-mnist.s3-website.eu-central-1.amazonaws.com", [
        (26_421_880, "3aede38d61863908ad78613f6a32ed271626dd12800ba2636569512369268a84"),
        (29_515, "a04f17134ac03560a47e3764e11b92fc97de4d1bfaf8ba1a3aa29af54cc90845"),
        (4_422_102, "346e55b948d973a97e58d2351dde16a484bd415d4595297633bb08f03db6a073"),
        (5_148, "67da17c76eaffca5446c3361aaab5c3cd6d1c2608764d35dfb1850b086bf8dd5"),
    ])
    static let kmnist = idx("http://codh.rois.ac.jp/kmnist/dataset/kmnist", [
        (18_165_135, "51467d22d8cc72929e2a028a0428f2086b092bb31cfb79c69cc0a90ce135fde4"),
        (29_497, "e38f9ebcd0f3ebcdec7fc8eabdcdaef93bb0df8ea12bee65224341c8183d8e17"),
        (3_041_136, "edd7a857845ad6bb1d0ba43fe7e794d164fe2dce499a1694695a792adfac43c5"),
        (5_120, "20bb9a0ef54c7db3efc55a92eef5582c109615df22683c380526788f98e42a1c"),
    ])
    static let emnist = [
        DatasetArchive(
            "https://biometrics.nist.gov/cs_links/EMNIST/gzip.zip", 561_753_746, "fb9bb67e33772a9cc0b895e4ecf36d2cf35be8b709693c3564cea2a019fcda8e"),
    ]
    static let cifar10 = [
        DatasetArchive(
            "https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz", 170_052_171, "c4a38c50a1bc5f3a1c5537f2155ab9d68f9f25eb1ed8d9ddda3db29a59bca1dd"),
    ]
    static let cifar100 = [
        DatasetArchive(
            "https://www.cs.toronto.edu/~kriz/cifar-100-binary.tar.gz", 168_513_733, "58a81ae192c23a4be8b1804d68e518ed807d710a4eb253b1f2a199162a40d8ec"),
    ]
    static let svhn = [
        DatasetArchive(
            "http://ufldl.stanford.edu/housenumbers/train_32x32.mat", 182_040_794, "435e94d69a87fde4fd4d7f3dd208dfc32cb6ae8af2240d066de1df7508d083b8"),
        DatasetArchive(
            "http://ufldl.stanford.edu/housenumbers/test_32x32.mat", 64_275_384, "cdce80dfb2a2c4c6160906d0bd7c68ec5a99d7ca4831afa54f09182025b6a75b"),
    ]
    static let stl10 = [
        DatasetArchive(
            "http://ai.stanford.edu/~acoates/stl10/stl10_binary.tar.gz", 2_640_397_119, "f31fd99273a1acb8609c8db427cebb1de3f71de77758cdc0e22956e1289b9866"),
    ]
}
