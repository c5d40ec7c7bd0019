/// A map of a definition, each of whose keys is declared once.
///
///     struct Cosine: Configurable {
///         var finalFactor = 0.0
///         static let options = [
///             Key("final_factor", \Self.finalFactor, .number(in: 0...1), "The rate at the end, as a part of the highest.")
///         ]
///     }
///
/// From the table come reading with its errors, the resolved definition, the identity of a trial, `harness explain` and the JSON Schema.
public protocol Configurable: Equatable, Sendable {
    /// Every key at its default; those without one at a stand-in.
    init()

    /// The keys, in the order in which they are read and explained.
    static var options: [Key<Self>] { get }

    /// What the result depends on, for the identity of a trial.
    var identity: ConfigurationNode { get }

    /// Sets what depends on the keys that decide defaults, when these have been read.
    mutating func setDependentDefaults()

    /// Reports what does not fit together, when all keys have been read.
    mutating func check(_ fields: inout FieldReader)
}

extension Configurable {
    public mutating func setDependentDefaults() {}
    public mutating func check(_ fields: inout FieldReader) {}

    /// Reads the map, reporting what is wrong in it. The caller calls `finish()`, which reports unknown keys.
    public init(from fields: inout FieldReader) {
        self.init()
        for option in Self.options where option.decidesDefaults { option.read(&self, &fields) }
        setDependentDefaults()
        for option in Self.options where !option.decidesDefaults { option.read(&self, &fields) }
        check(&fields)
    }

    /// The map with every default filled in and keys in alphabetical order; without keys that change no result.
    public var node: ConfigurationNode { node { $0 != .effort } }

    /// The map with every key that has a value.
    public var completeNode: ConfigurationNode { node { _ in true } }

    private func node(_ isWanted: (Key<Self>.Use) -> Bool) -> ConfigurationNode {
        .map(Self.options.filter { isWanted($0.use) }.compactMap { option in option.write(self).map { (option.name, $0) } })
    }

    public var identity: ConfigurationNode { difference }

    /// The keys whose values are not the defaults.
    public var difference: ConfigurationNode { difference(from: defaults) }

    /// The map with the same decisions and everything else at its default.
    var defaults: Self {
        var copy = Self()
        for option in Self.options where option.decidesDefaults { option.copy(self, &copy) }
        copy.setDependentDefaults()
        // What decides defaults has one too, if it is not required.
        let start = Self()
        for option in Self.options where option.decidesDefaults && !option.description.isRequired { option.copy(start, &copy) }
        return copy
    }

    func difference(from other: Self) -> ConfigurationNode {
        .map(Self.options.filter { $0.use == .result }.compactMap { option in option.difference(self, other).map { (option.name, $0) } })
    }

    /// What there is to say about each key.
    public static var descriptions: [OptionDescription] { options.map(\.description) }

    /// The same where the defaults are those of `start`.
    static func descriptions(startingAt start: Self) -> [OptionDescription] {
        options.map { key in key.description.isRequired ? key.description : key.description.with { key.write(start) } }
    }
}

extension ConfigurationNode {
    private static let nowhere = SourceMark(file: "", line: nil)

    /// An integer, written plainly.
    public static func scalar(_ number: Int) -> ConfigurationNode { ConfigurationNode(.scalar("\(number)", quoted: false), mark: nowhere) }
    /// `true` or `false`.
    public static func scalar(_ flag: Bool) -> ConfigurationNode { ConfigurationNode(.scalar("\(flag)", quoted: false), mark: nowhere) }
    /// A number in its shortest form that reads back as the same.
    public static func scalar(_ number: Double) -> ConfigurationNode { ConfigurationNode(.scalar(text(number), quoted: false), mark: nowhere) }
    /// A text, quoted.
    public static func text(_ text: String) -> ConfigurationNode { ConfigurationNode(.scalar(text, quoted: true), mark: nowhere) }
    /// A list in its order.
    public static func list(_ items: [ConfigurationNode]) -> ConfigurationNode { ConfigurationNode(.list(items), mark: nowhere) }
    /// The value `null`.
    public static var none: ConfigurationNode { ConfigurationNode(.null, mark: nowhere) }

    /// A map with its keys in alphabetical order.
    public static func map(_ entries: [(key: String, node: ConfigurationNode)]) -> ConfigurationNode {
        ConfigurationNode(.map(entries.sorted { $0.key < $1.key }.map { Entry(key: $0.key, mark: nowhere, node: $0.node) }), mark: nowhere)
    }

    /// `0.5`, `2`, `1e-10`.
    static func text(_ number: Double) -> String {
        let text = "\(number)"
        return text.hasSuffix(".0") ? String(text.dropLast(2)) : text
    }
}
