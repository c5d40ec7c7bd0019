import Configuration

/// `train.init_from:` where a model's initial values come from, when not from its initializers: a file of weights, or another trial.
///
///     init_from: vit.h5                                            # short for {file: vit.h5}
///     init_from: {file: vit.h5, except: ["head.*"]}
///     init_from: {model: base}                                     # a model of the same definition, at the same seed
///     init_from: {experiment: pretrain, model: vit, weights: last} # one of another definition
///     init_from: {model: base, after_epoch: 8}                     # the training of base goes on, with its optimizer's state
public struct WeightOrigin: Configurable {
    /// A file of weights; nil: a trial's.
    public var file: String?
    /// The definition of the trial, a path from the file that says it or a name; nil: the same definition.
    public var experiment: String?
    /// The trial's model.
    public var model: String?
    /// The trial's seed; nil: that of the trial that starts from it.
    public var seed: Int?
    /// Which of the trial's weights.
    public var weights = Weights.best
    /// After how many epochs the trial's training ended, which then goes on: with the state of its optimizer, its counts of steps and epochs, its best
    /// weights and the order of samples that would have followed; nil: a training of its own begins with the weights.
    public var afterEpoch: Int?
    /// What keeps the values of its initializers, and is looked for neither in the model nor in the source.
    public var except: [String] = []
    /// The SHA-256 of the file, or the trial's identity: what the result depends on.
    public var digest: String?
    /// The definition of the trial alone, which a run keeps.
    public var definition: Nested?
    /// The folder of the file in which `file` or `experiment` is written; nil: the current folder.
    public var folder: String?
    /// Where the file of weights is, whatever the definition says.
    public var found: String?

    /// Which of a run's weights are meant.
    public enum Weights: String, CaseIterable, Sendable {
        /// After the epoch with the best validation.
        case best
        /// After the last epoch.
        case last
        /// Their moving average at the end (`train.ema`).
        case ema
        /// Their equal average over epochs (`train.swa`).
        case swa
    }

    /// A definition within a definition, equal to another by what it says.
    public struct Nested: Equatable, Sendable {
        /// As it was read or put together.
        public let node: ConfigurationNode

        /// A definition that another one keeps.
        public init(_ node: ConfigurationNode) { self.node = node }

        /// Whether two say the same, wherever they are written.
        public static func == (a: Nested, b: Nested) -> Bool { YAML.line(a.node) == YAML.line(b.node) }
    }

    /// Keys of which those of one set alone may be there.
    public static let alternatives: [Set<String>] = [["file"], ["experiment", "model", "seed", "weights", "after_epoch", "definition"]]
    /// Keys that go with either.
    public static let common: Set<String> = ["except", "sha256"]

    /// Nothing said yet, which `check` refuses.
    public init() {}

    public static let options: [Key<WeightOrigin>] = [
        // Which weights these are, their digest says.
        Key("file", \.file, .text, use: .clarity, "A file of weights, such as a run's weights/best.h5; relative to the file that says it."),
        Key("experiment", \.experiment, .text, use: .clarity,
            "The definition with the trial: a path from the file that says it, or a name in Experiments; absent: the same definition."),
        Key("model", \.model, .text, use: .clarity, "The trial's model; the trial is trained first."),
        Key("seed", \.seed, .integer(in: 0...), use: .clarity, "The trial's seed; absent: the same seed."),
        Key("weights", \.weights, .choice, writesDefault: false, "Which of the trial's weights: those of its best epoch, of its last one, or an average that it keeps."),
        Key("after_epoch", \.afterEpoch, .integer(in: 1...TrainConfiguration.largestEpochCount),
            "The trial's training goes on after this many epochs, which have to be all that it has: with its optimizer's state, up to the epochs of train. Schedule, "
                + "learning rate and early stopping may be others. A constant rate and steps go on; a cosine starts again. harness run --more-epochs writes it."),
        Key("except", \.except, .list(of: .text), writesDefault: false,
            "Patterns of names, such as \"head.*\", that keep their initializers' values; * stands for any text, dots included."),
        Key("sha256", \.digest, .text, "The SHA-256 that the file has to have; in what a run keeps also the trial's identity."),
        Key("definition", \.definition, .nested, use: .clarity, "In what a run keeps: the definition of the trial."),
    ]

    public mutating func check(_ fields: inout FieldReader) {
        folder = (fields.node["file"] ?? fields.node["experiment"])?.mark.folder
        switch (file, model) {
        case (nil, nil):
            let isMap = fields.node.entries != nil || fields.node.value == .null
            if isMap, !fields.has("file"), !fields.has("model") {
                fields.errors.report("expected where the weights come from: file, or model", at: fields.node.mark, path: fields.path)
            }
        case (_?, _?): fields.report("found beside 'file', expected one of the two", at: "model")
        case (_?, nil):
            for key in ["experiment", "seed", "weights", "after_epoch", "definition"] where fields.has(key) {
                fields.report("found beside 'file', expected it with 'model' alone", at: key)
            }
        case (nil, _?):
            if digest != nil, definition == nil { fields.report("found beside 'model', expected it with 'file' alone", at: "sha256") }
        }
        if afterEpoch != nil {
            // The end of a training is one: that of its last epoch, at its seed, with all that it has.
            for key in ["seed", "except"] where fields.has(key) { fields.report("found beside 'after_epoch', expected it in a training of its own alone", at: key) }
            if fields.has("weights"), weights != .last { fields.report("found \(weights.rawValue) beside 'after_epoch', expected last", at: "weights") }
            weights = .last
        }
        if let found = definition?.node, found.entries == nil {
            fields.report("expected a definition, as a run keeps it, found \(found.kind)", at: "definition")
        }
        if file == "" { fields.report("expected the path of a file, found an empty one", at: "file") }
        guard definition == nil, let digest else { return }
        if digest.count == 64, digest.allSatisfy(\.isHexDigit) {
            self.digest = digest.lowercased()
        } else {
            fields.report("expected 64 hexadecimal digits, found '\(digest.shortened())'", at: "sha256")
        }
    }

    /// Whether a parameter or buffer keeps what its initializer gives.
    public func excepts(_ name: String) -> Bool { except.contains { NamePattern($0).matches(name) } }
}

extension OptionKind where Value == WeightOrigin.Nested {
    fileprivate static let nested = Self(
        "a definition", schema: .anything, read: { fields, key in fields.node(key).map(WeightOrigin.Nested.init) }, write: { $0.node })
}
