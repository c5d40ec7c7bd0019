import Configuration
import RunStore

/// How well each group of test images is classified, in one run.
struct SubgroupReport: Encodable, Sendable {
    struct Group: Encodable, Sendable {
        let name: String
        let images: Int
        let accuracy: Double
        /// Wilson's, over the group's images.
        let confidenceInterval: [Double]
    }

    /// By what the images are grouped.
    let field: String
    /// In their order.
    let groups: [Group]

    /// nil for a run without groups, or without classes.
    init?(_ subgroups: Subgroups?, _ test: EvaluationRecord?) {
        guard let subgroups, let test, let shares = subgroups.shares(of: test) else { return nil }
        field = subgroups.field
        groups = shares.map { share in
            let interval = wilsonInterval(share.rightCount, of: share.imageCount)!
            return Group(name: share.name, images: share.imageCount, accuracy: share.accuracy, confidenceInterval: [interval.lowerBound, interval.upperBound])
        }
    }

    func text(width: Int?) -> String {
        var table = TextTable([TextTable.Column("group", .left)] + ["images", "accuracy", "95% CI"].map { TextTable.Column($0) })
        for group in groups {
            table.append([
                group.name, grouped(group.images), decimals(group.accuracy, 4), "\(decimals(group.confidenceInterval[0], 4)) … \(decimals(group.confidenceInterval[1], 4))",
            ])
        }
        let caption = "95% CI: Wilson's interval of the share, over the images of the group"
        return (["test images by \(field)", table.text(width: width)] + broken(caption, width: width)).joined(separator: "\n")
    }
}

extension Comparison {
    /// A group's accuracy in a row.
    struct GroupLine: Encodable {
        let row, field, group: String
        let n, images: Int
        let accuracy: Double
        /// Of one run Wilson's over the images, of several Student's over the runs.
        let confidenceInterval: [Double]
    }

    /// The accuracy of each row for each group of test images, where the runs keep groups.
    var groupLines: [GroupLine] {
        rows.flatMap { row -> [GroupLine] in
            let reports = row.measured.compactMap(\.run.summary.subgroups)
            guard let first = reports.first, reports.allSatisfy({ $0.field == first.field }) else { return [] }
            return first.groups.map { group in
                let own = reports.compactMap { $0.groups.first { $0.name == group.name } }, sample = Sample(values: own.map(\.accuracy), overlap: row.overlap)
                let interval = sample.confidenceInterval?.clamped(to: 0...1)
                return GroupLine(
                    row: row.label, field: first.field, group: group.name, n: own.count, images: group.images, accuracy: sample.mean,
                    confidenceInterval: interval.map { [$0.lowerBound, $0.upperBound] } ?? group.confidenceInterval)
            }
        }
    }

    /// The same as a table; nil where no run keeps groups.
    var groupTable: (table: TextTable, caption: String)? {
        let lines = groupLines
        guard !lines.isEmpty else { return nil }
        var table = TextTable([TextTable.Column("row", .left), TextTable.Column("group", .left)] + ["n", "images", "test accuracy", "95% CI"].map { TextTable.Column($0) })
        for line in lines {
            table.append([
                line.row, "\(line.field)=\(line.group)", "\(line.n)", grouped(line.images), decimals(line.accuracy, 4),
                "\(decimals(line.confidenceInterval[0], 4)) … \(decimals(line.confidenceInterval[1], 4))",
            ])
        }
        let several = lines.contains { $0.n > 1 }, single = lines.contains { $0.n == 1 }
        let parts = (single ? ["of one run Wilson's interval over the images of the group"] : []) + (several ? ["of several runs Student's t over the runs"] : [])
        return (table, "by group of test images: accuracy with 95% CI, \(parts.joined(separator: ", "))")
    }
}
