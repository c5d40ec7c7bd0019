import HDF5
import Measures

/// Which group each test image is of: `/evaluation/test/subgroups` of a run file, so that measures by group need no data.
///
///     group   int64, a number from 0 for each row of the test's tables
///     name    the names of the groups by number
///     field   by what the images are grouped (`measures: {by: …}` of the definition)
public struct Subgroups: Sendable, Equatable {
    /// By what the images are grouped.
    public var field: String
    /// By number.
    public var names: [String]
    /// The number of each test image's group.
    public var groups: [Int64]

    /// Groups of test images, in the order of the test's tables.
    public init(field: String, names: [String], groups: [Int64]) {
        precondition(groups.allSatisfy { names.indices.contains(Int($0)) }, "each image is of a group that has a name")
        (self.field, self.names, self.groups) = (field, names, groups)
    }

    /// How well one group is classified.
    public struct Share: Sendable, Equatable {
        /// What the group is called.
        public let name: String
        /// How many test images are of it, and how many of them are classified right.
        public let imageCount, rightCount: Int

        /// NaN without images.
        public var accuracy: Double { imageCount == 0 ? .nan : Double(rightCount) / Double(imageCount) }
    }

    /// How well each group that has images is classified; nil where the test has no classes.
    public func shares(of test: EvaluationRecord) -> [Share]? {
        guard let labels = test.tables["labels"]?.integers, let predictions = test.tables["predictions"]?.integers, labels.count == groups.count,
            predictions.count == groups.count
        else { return nil }
        var images = [Int](repeating: 0, count: names.count), right = images
        for (place, group) in groups.enumerated() {
            images[Int(group)] += 1
            if labels[place] == predictions[place] { right[Int(group)] += 1 }
        }
        return names.indices.filter { images[$0] > 0 }.map { Share(name: names[$0], imageCount: images[$0], rightCount: right[$0]) }
    }

    // MARK: In a file

    /// What the group is called among the tables of the test.
    static let name = "subgroups"
    private static let group = "/evaluation/test/\(name)"

    func write(to file: borrowing HDF5Writer) throws {
        try file.write(groups, to: "\(Self.group)/group")
        try file.setAttribute("units", of: "\(Self.group)/group", to: "1")
        try file.setAttribute("long_name", of: "\(Self.group)/group", to: "number of the group of each test image")
        try file.write(names, to: "\(Self.group)/name")
        try file.setAttribute("long_name", of: "\(Self.group)/name", to: "groups by number")
        try file.write(field, to: "\(Self.group)/field")
        try file.setAttribute("NX_class", of: Self.group, to: "NXcollection")
    }

    /// The groups of a file; nil where it has none.
    init?(from file: HDF5Reader) throws {
        guard file.exists("\(Self.group)/group") else { return nil }
        let groups = try file.read("\(Self.group)/group", as: Int64.self), names = try file.readStrings("\(Self.group)/name")
        guard groups.allSatisfy({ (0..<Int64(names.count)).contains($0) }) else { throw file.error("\(Self.group): has a group without a name") }
        self.init(field: try file.readString("\(Self.group)/field"), names: names, groups: groups)
    }
}
