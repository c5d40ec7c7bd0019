import Configuration

/// What a definition says about its runs for people, and what changes no result: part of no identity.
///
///     note: the baseline of the second section
///     tags: [baseline, small]
///     models:
///       vit: {vit: {…}, note: as in the paper, tags: [paper]}      # the model's note in the place of the definition's, its tags beside those
///
/// A run keeps them in its `/config`. When they are changed, nothing is trained anew: the next `harness run` gives those of today to a finished run.
public struct Remarks: Configurable {
    /// A sentence or a few.
    public var note: String?
    /// By which `harness compare --tag` finds runs.
    public var tags: [String] = []
    /// How the test is looked at beside its measures.
    public var measures: Measuring?

    /// `measures: {by: sex}`
    public struct Measuring: Configurable {
        /// The field by which test images are grouped.
        public var by = ""

        /// By nothing yet.
        public init() {}

        public static let options: [Key<Measuring>] = [
            .required("by", \.by, .text, missing: "expected the name of a field",
                "The field by which test images are grouped: label; a column of the list of image files; an array beside the images of an HDF5 file (/test/FIELD)."),
        ]

        public mutating func check(_ fields: inout FieldReader) {
            if by.isEmpty || by.count > 100 { fields.report("found '\(by.shortened())', expected the name of a field, of at most 100 letters", at: "by") }
        }
    }

    /// Nothing said.
    public init() {}

    public static let options: [Key<Remarks>] = [
        Key("note", \.note, .text, use: .effort,
            "What there is to say about the runs, for people; it changes no result and no hash, and harness compare shows it."),
        Key("tags", \.tags, .list(of: .text), writesDefault: false, use: .effort,
            "Names of one's own, by which harness compare --tag finds the runs; they change no result and no hash."),
        Key("measures", \.measures, .map, use: .effort,
            "Measures of the test by groups of its images, which harness inspect and harness compare show; they change no result and no hash."),
    ]

    public mutating func check(_ fields: inout FieldReader) {
        if let note, note.count > Self.largestNoteLength {
            fields.report("found \(grouped(note.count)) letters, expected at most \(grouped(Self.largestNoteLength))", at: "note")
        }
        for (index, tag) in tags.enumerated() {
            if !Definition.isName(tag) {
                fields.report("found '\(tag.shortened())', expected names of letters, digits, '_', '-' and '+'", at: "tags")
            }
            if tags[..<index].contains(tag) { fields.report("'\(tag.shortened())' is listed twice", at: "tags") }
        }
        tags = fields.limited(tags, to: Self.largestTagCount, "tags", at: "tags")
    }

    /// More is a document of its own.
    private static let largestNoteLength = 4_000, largestTagCount = 100

    /// Those of a model: its own note in the place of this one, its own tags beside these.
    func adding(_ own: Remarks) -> Remarks {
        var sum = self
        sum.note = own.note ?? note
        sum.measures = own.measures ?? measures
        sum.tags += own.tags.filter { !tags.contains($0) }
        return sum
    }

    /// What is said, as entries of a definition.
    var entries: [(key: String, node: ConfigurationNode)] { (completeNode.entries ?? []).map { ($0.key, $0.node) } }

    /// What a run's definition says about it, as far as that can be read.
    init(recordedIn configuration: String) {
        self.init()
        guard let node = try? YAML.node(configuration, mark: { SourceMark(file: "/config", line: $0) }) else { return }
        var fields = FieldReader(node, path: "", errors: ConfigurationErrors())
        self = Remarks(from: &fields)
    }
}
