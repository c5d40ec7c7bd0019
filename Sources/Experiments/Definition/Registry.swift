import Configuration
import Models
import Tasks
import Training
import VisionData

/// Everything that definitions can name: a value that is handed to whoever reads them.
///
///     let registry = Registry.standard.adding(model: MyNetworkConfiguration.self).adding(optimizer: SignDescent.self)
///
/// What is added takes the place of what has the same name.
public struct Registry: Sendable {
    /// The families of models, and presets.
    public private(set) var models = ModelRegistry.standard
    /// What models can be trained for.
    public private(set) var tasks = TaskRegistry.standard
    /// The data sets that are known by name.
    public private(set) var datasets = NamedDataset.standard
    private var optimizers: [OptionDescription] = []
    private var augmentations: [OptionDescription] = []
    /// The same for the reader of a definition.
    private(set) var additions = Additions()
    /// The places where a definition chooses one of several.
    private(set) var variants = Variants()

    /// What comes with the program.
    public static let standard: Registry = {
        var registry = Registry()
        registry.variants = Variants(in: Definition.keys(registry))
        return registry
    }()

    private init() {}

    /// The same with another family of models, and with models that have names of their own. A hybrid can cut a `BackboneConfiguration`.
    public func adding(model family: any ModelConfiguration.Type, presets: [ModelPreset] = []) -> Registry {
        changed { $0.models = models.adding(family, presets: presets) }
    }

    /// The same with another task.
    public func adding(task: TaskKind) -> Registry { changed { $0.tasks.kinds = tasks.kinds.filter { $0.name != task.name } + [task] } }

    /// The same with another optimizer for `train.optimizer`.
    public func adding(optimizer rule: any UpdateRule.Type) -> Registry {
        let variant = OptimizerConfiguration.variant(like: rule.init())
        return changed {
            $0.optimizers.append(variant.description)
            $0.additions.add(variant)
        }
    }

    /// The same with another augmentation for `data.augment`.
    public func adding(augmentation kind: any ImageAugmentation.Type) -> Registry {
        let variant = Augmentation.variant(like: kind.init())
        return changed {
            $0.augmentations.append(variant.description)
            $0.additions.add(variant)
        }
    }

    /// The same with another data set for `data.name`.
    public func adding(dataset: NamedDataset) -> Registry {
        changed {
            $0.datasets = datasets.filter { $0 != dataset } + [dataset]
            $0.additions.add(dataset)
        }
    }

    private func changed(_ change: (inout Registry) -> Void) -> Registry {
        var copy = self
        change(&copy)
        copy.variants = Variants(in: Definition.keys(copy))
        return copy
    }

    /// The description of a definition's `data` with the names that were added.
    func described(data: OptionDescription) -> OptionDescription {
        let known = NamedDataset.standard, names = datasets.filter { !known.contains($0) }.map { dataset in
            OptionDescription(dataset.name, "the name of a data set", .anything, "A data set.")
        }
        return data.adding(names, at: ["name"]).adding(augmentations, at: ["augment"])
    }

    /// The description of a `train` with the names that were added.
    func described(train: OptionDescription) -> OptionDescription { train.adding(optimizers, at: ["optimizer"]) }
}
