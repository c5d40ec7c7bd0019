import Configuration
import RunStore

/// An entry of a definition's `ensembles:`, runs that are tested as one when all are trained. It is part of no trial.
///
///     ensembles:
///       all:    {models: [vit, resnet]}            # the mean of the probabilities of both models' runs at every seed
///       two:    {models: [vit], seeds: [0, 1]}
///       others: {models: [vit], runs: [vit_vs_resnet/resnet20-s0]}       # with a run of another experiment
///       soup:   {models: [tuned], soup: greedy}    # the mean of the weights
///
/// The probabilities are the softmax of the test logits that the run files keep, so nothing is computed again; margins of a hinge loss have none. A soup's weights are the mean of its runs'
/// best weights, for which its models are one network, trained as they may be, and get the images in one form; it is tested on their images. Running
/// statistics of batch norms are then those over one epoch of the first member's training images, as in `train.swa`. A greedy soup takes the runs in, the best
/// validation first, each unless it makes the validation of the mean worse. The mean of weights is any good where the trainings started from the same
/// trained ones (`train.init_from`) and did not go far apart.
///
/// Dietterich, "Ensemble Methods in Machine Learning", 2000; Wortsman et al., "Model soups", ICML 2022.
public struct EnsembleConfiguration: Configurable {
    /// The models whose runs are members.
    public var models: [String] = []
    /// At which seeds; nil: at all.
    public var seeds: [Int]?
    /// Further runs, by the beginnings of their names in the results.
    public var runs: [String] = []
    /// Whether weights are averaged, and of which runs; nil: probabilities are.
    public var soup: Soup?

    /// Whose weights are averaged.
    public enum Soup: String, CaseIterable, Sendable {
        /// All runs'.
        case uniform
        /// Those of the runs that do not make the validation worse.
        case greedy
    }

    /// Nothing said yet, which `check` refuses.
    public init() {}

    public static let options: [Key<EnsembleConfiguration>] = [
        Key("models", \.models, .list(of: .text), writesDefault: false, "The models of the definition whose runs are members."),
        Key("seeds", \.seeds, .integers(in: 0...), "At which seeds; absent: at all of the definition."),
        Key("runs", \.runs, .list(of: .text), writesDefault: false,
            "Further members: runs by their experiment and the beginning of their names in the folder of results, such as vit_vs_resnet/vit-s0."),
        Key("soup", \.soup, .choice, paper: "Wortsman et al., \"Model soups\", ICML 2022",
            "The mean of the members' best weights in the place of their probabilities: of all of them, or of those that do not make the validation worse."),
    ]

    public mutating func check(_ fields: inout FieldReader) {
        if models.isEmpty, runs.isEmpty, !fields.errors.hasAny(under: fields.path) {
            fields.errors.report("expected at least one of models, found none", at: fields.node.mark, path: fields.path)
        }
        if seeds?.isEmpty == true { fields.report("expected at least one seed, found none", at: "seeds") }
        if let seed = seeds?.firstRepeated { fields.report("\(seed) is listed twice", at: "seeds") }
        if let run = runs.firstRepeated { fields.report("\(run.shortened()) is listed twice", at: "runs") }
        if soup != nil, !runs.isEmpty { fields.report("found beside soup, which averages the weights of this definition's models alone", at: "runs") }
    }

    /// As files and tables call it.
    var kind: EnsembleFile.Kind {
        switch soup {
        case nil: .ensemble
        case .uniform: .uniformSoup
        case .greedy: .greedySoup
        }
    }
}

/// An ensemble under the name that the definition gave it.
public struct Ensemble: Sendable {
    /// As the definition calls it.
    public let name: String
    /// Its members, and what is averaged.
    public let configuration: EnsembleConfiguration

    /// The key path in the definition.
    var path: String { "\(Self.key).\(name)" }

    /// The key of all of them.
    static let key = "ensembles"

    static let documentation = "Runs that are tested as one when all are trained, under names of one's own: rows of the comparison beside those of the models."

    /// Reads what a definition says, and checks it against the rest.
    static func all(from fields: inout FieldReader, _ definition: Definition) -> [Ensemble] {
        guard let node = fields.node(key) else { return [] }
        guard let entries = node.entries else {
            fields.report("expected a map of names and ensembles, such as {all: {models: [vit]}}, found \(node.kind)", at: key)
            return []
        }
        if fields.has("sweep") { fields.report("found beside sweep, expected either of the two", at: key) }
        return fields.limited(entries, to: Definition.largestModelCount, "ensembles", at: key).map { entry in
            let path = "\(key).\(entry.key)"
            if !Definition.isName(entry.key) || entry.key.count > Definition.largestNameLength {
                fields.errors.report("expected a name of at most \(Definition.largestNameLength) letters, digits, '_', '-' and '+'", at: entry.mark, path: path)
            } else if definition.models.contains(where: { $0.name == entry.key }) {
                fields.errors.report("is the name of a model too, expected another one, by which tables tell it from that", at: entry.mark, path: path)
            }
            var own = FieldReader(entry.node, path: path, errors: fields.errors, additions: fields.additions)
            let configuration = EnsembleConfiguration(from: &own)
            own.finish()
            configuration.check(against: definition, &own)
            return Ensemble(name: entry.key, configuration: configuration)
        }
    }
}

extension EnsembleConfiguration {
    /// Reports what does not go together with the rest of a definition.
    fileprivate func check(against definition: Definition, _ fields: inout FieldReader) {
        let known = definition.models.map(\.name)
        for (index, name) in models.enumerated() {
            if !known.contains(name) {
                fields.errors.report(
                    "there is no model '\(name.shortened())'\(suggestion(for: name, among: Set(known)))", at: fields.node["models"]?.mark ?? fields.node.mark,
                    path: "\(fields.path).models[\(index)]")
            } else if models[..<index].contains(name) {
                fields.report("\(name) is listed twice", at: "models")
            }
        }
        for seed in seeds ?? [] where !definition.seeds.contains(seed) {
            fields.report("there is no seed \(seed); the definition has \(definition.seeds.map(String.init).joined(separator: ", "))", at: "seeds")
        }
        let members = models.compactMap { name in definition.models.first { $0.name == name } }
        if soup == nil, let silent = members.first(where: { !$0.train.storesOutputs }) {
            fields.report("\(silent.name) keeps no logits of the test images (train.store_outputs: false), from which an ensemble is made", at: "models")
        }
        for model in members {
            let data = definition.data(of: model)
            guard let folds = data.folds, data.fold == nil else { continue }
            fields.report("the runs of \(model.name)'s \(folds) folds are tested on different images; expected one of them (data.fold) or no folds", at: "models")
        }
    }
}

extension Sequence where Element: Hashable {
    /// The first element that was there before.
    fileprivate var firstRepeated: Element? {
        var known: Set<Element> = []
        return first { !known.insert($0).inserted }
    }
}

extension Definition {
    /// The trials whose runs are members of an ensemble, in the order of its models and of the seeds.
    func trials(of ensemble: EnsembleConfiguration) -> [Trial] {
        let trials = trials
        return ensemble.models.flatMap { name in trials.filter { $0.model.name == name && ensemble.seeds?.contains($0.seed) ?? true } }
    }

    /// `ensembles: all (ensemble of 4 runs), soup (greedy soup of 3 runs)`; nil where there are none.
    public var ensembleLine: String? {
        let texts = ensembles.map { ensemble in
            let count = trials(of: ensemble.configuration).count + ensemble.configuration.runs.count
            return "\(ensemble.name) (\(ensemble.configuration.kind.rawValue) of \(count == 1 ? "one run" : "\(grouped(count)) runs"))"
        }
        return texts.isEmpty ? nil : "ensembles: \(texts.joined(separator: ", "))"
    }
}
