import Commands
import Harness
import Parts

HarnessProgram.main(
    registry: .standard.adding(model: GatedConfiguration.self).adding(optimizer: SignDescent.self).adding(augmentation: Negative.self)
        .adding(dataset: NamedDataset("stripes", classNames: ["rows", "columns"]) { _ in try Stripes.images() }))
