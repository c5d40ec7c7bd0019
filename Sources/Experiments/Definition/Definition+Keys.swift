import Configuration
import Models
import Tasks
import TensorCore
import Training
import VisionData

extension Definition {
    /// What there is to say about every key of a definition.
    ///
    /// - Parameter registry: what it can name.
    public static func keys(_ registry: Registry = .standard) -> [OptionDescription] {
        let train = registry.described(train: map("train", TrainConfiguration.self, "How models are trained."))
        let data = registry.described(data: map("data", DataConfiguration.self, isRequired: true, "The images."))
        let own = [
            OptionDescription(
                "train", "a map", train.schema,
                "What is other in the training of this model (a preset's: {resnet20: null, train: {…}}): the keys of train, merged over the definition's own."),
            OptionDescription(
                "data", "a map", data.schema,
                "What is other in the data of this model, such as the classes of one from which others start: the keys of data, merged over the definition's own."),
        ]
        let model = registry.models.description(beside: own + Remarks.descriptions)
        let ensemble = map("<name>", EnsembleConfiguration.self, "An ensemble, under a name of letters, digits, '_', '-' and '+'.")
        return [
            OptionDescription(
                "extends", "a path, or a list of paths", .list(of: .text, orOne: true),
                "Other definitions, relative to this one, whose keys count where this one has none; null takes a key away."),
            data,
            registry.tasks.description,
            train,
            OptionDescription(
                "seeds", "a list of integers from 0", .list(of: .integer(from: 0, to: nil), orOne: true),
                "Every model is trained once with each.", default: { .list([.scalar(0)]) }),
            names("precision", Precision.self, "The format of the numbers between operations.", default: .fp32),
            names("match", Match.self, "What the models are meant to have in common; it changes no result.", default: nil),
            OptionDescription(
                "models", "a map of at least one model", .named(model.schema), "The models, under names of one's own.", isRequired: true,
                children: { [model] }),
        ] + Remarks.descriptions + [
            OptionDescription(
                Ensemble.key, "a map of names and ensembles", .named(ensemble.schema), Ensemble.documentation, "Dietterich, \"Ensemble Methods in Machine Learning\", 2000",
                children: { [ensemble] }),
            OptionDescription("sweep", "a map", .map(SweepDefinition.keys), "What harness sweep varies.", children: { SweepDefinition.keys }),
        ]
    }

    /// A JSON Schema (draft-07) that accepts what a definition may be, or one that extends another.
    public static func schema(_ registry: Registry = .standard) -> String {
        let root = OptionSchema.map(keys(registry)).node.entries?.map { (key: $0.key, node: $0.node) } ?? []
        let head: [(key: String, node: ConfigurationNode)] = [
            ("$schema", .text("http://json-schema.org/draft-07/schema#")), ("title", .text("A definition of harness")),
        ]
        return YAML.text(.map(head + root), .json)
    }

    private static func map<Keys: Configurable>(
        _ name: String, _ type: Keys.Type, isRequired: Bool = false, _ documentation: String
    ) -> OptionDescription {
        OptionDescription(name, "a map", .map(Keys.descriptions), documentation, isRequired: isRequired, children: { Keys.descriptions })
    }

    private static func names<Names: RawRepresentable & CaseIterable & Sendable>(
        _ name: String, _ type: Names.Type, _ documentation: String, default standard: Names?
    ) -> OptionDescription where Names.RawValue == String {
        let names = Names.allCases.map(\.rawValue)
        return OptionDescription(
            name, "one of \(names.joined(separator: ", "))", .names(names), documentation, default: { standard.map { .text($0.rawValue) } })
    }
}

extension SweepDefinition {
    /// What there is to say about each key.
    static var keys: [OptionDescription] {
        let values = OptionSchema.named(.list(of: .anything, orOne: false)), cell = OptionSchema.named(.anything)
        let distributions = ["uniform", "log_uniform", "integer", "choice"].map { ($0, OptionSchema.list(of: .anything, orOne: false)) }
        let random = [
            OptionDescription("count", "an integer from 1 to 10,000", .integer(from: 1, to: 10_000), "How many cells are drawn.", isRequired: true),
            OptionDescription(
                "seed", "an integer from 0", .integer(from: 0, to: nil), "Other seeds draw other cells.", default: { .scalar(0) }),
            OptionDescription(
                "draw", "a map of keys and uniform, log_uniform, integer: [from, to], or choice: [values]", .named(.variants(distributions)),
                "From what each key's value is drawn.", isRequired: true),
        ]
        return [
            OptionDescription("grid", "a map of keys and lists", values, "Every combination of these values."),
            OptionDescription(
                "zip", "a map of keys and lists of one length, or a list of such maps", .list(of: values, orOne: true), "Values side by side."),
            OptionDescription("list", "a list of maps of keys and values", .list(of: cell, orOne: false), "Cells written out."),
            OptionDescription("random", "a map", .map(random), "Cells that are drawn.", children: { random }),
            OptionDescription("exclude", "a map of keys and values, or a list of such maps", .list(of: cell, orOne: true), "Cells that are left out."),
            OptionDescription("where", "a map of keys and values, or a list of such maps", .list(of: cell, orOne: true), "The only cells that are kept."),
            OptionDescription(
                "seeds", "a list of integers from 0", .list(of: .integer(from: 0, to: nil), orOne: true), "The seeds, in the place of the definition's."),
            OptionDescription(
                "halving", "a map", .map(Halving.descriptions), "Early termination of what does badly.",
                "Li et al., \"A System for Massively Parallel Hyperparameter Tuning\", MLSys 2020", children: { Halving.descriptions }),
        ]
    }
}
