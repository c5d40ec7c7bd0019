import Configuration

/// A class as a definition calls it.
public enum ClassName: Sendable, Equatable {
    /// Its number in the data set, from 0.
    case index(Int)
    /// Its name in the data set.
    case name(String)
}

extension OptionKind where Value == [ClassName] {
    static let classes = OptionKind(
        "a list of at least two classes, by number or name", schema: .list(of: .either([.integer(from: 0, to: nil), .text]), orOne: false),
        read: { fields, key in
            guard let node = fields.node(key) else { return nil }
            if case .list(let items) = node.value, case let names = items.compactMap(ClassName.init), names.count == items.count, names.count > 1 { return names }
            fields.report("expected a list of at least two classes, by number or name, such as [0, 2]", at: key)
            return nil
        },
        write: { names in
            .list(names.map { name in
                switch name {
                case .index(let index): .scalar(index)
                case .name(let name): .text(name)
                }
            })
        })
}

extension ClassName {
    /// nil for what is no class: a map, a list, a number below 0.
    fileprivate init?(_ node: ConfigurationNode) {
        guard case .scalar(let text, let isQuoted) = node.value else { return nil }
        guard !isQuoted, let index = Int(text) else {
            self = .name(text)
            return
        }
        if index < 0 { return nil }
        self = .index(index)
    }
}

extension LabeledImages {
    /// The numbers of classes.
    ///
    /// - Parameter key: where they are written.
    /// - Throws: `UserError(.usage)` for a class that is not there, or that is listed twice.
    func labels(of classes: [ClassName], at key: String) throws -> [Int] {
        var labels: [Int] = []
        for name in classes {
            let label = try label(of: name, at: key)
            if labels.contains(label) { throw UserError(at: key, "\(describeClass(label)) of \(self.name) is listed twice") }
            labels.append(label)
        }
        return labels
    }

    private func label(of name: ClassName, at key: String) throws -> Int {
        switch name {
        case .index(let index):
            if index < classCount { return index }
            throw UserError(at: key, "there is no class \(index) in \(self.name), whose classes are 0 to \(classCount - 1)")
        case .name(let name):
            guard let classNames else {
                throw UserError(at: key, "found '\(name.shortened())', but the classes of \(self.name) have no names; expected numbers from 0 to \(classCount - 1)")
            }
            if let label = classNames.firstIndex(of: name) { return label }
            throw UserError(at: key, "there is no class '\(name.shortened())' in \(self.name)\(suggestion(for: name, among: Set(classNames)))")
        }
    }

    /// `class 3 (dress)`, or without a name `class 3`.
    func describeClass(_ label: Int) -> String { "class \(label)" + (classNames.map { " (\($0[label]))" } ?? "") }
}
