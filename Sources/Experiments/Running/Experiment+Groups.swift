import Configuration
import RunStore
import VisionData

extension Experiment {
    /// Which group each test image is of, in the order of the test's tables; nil where the trial's definition asks for no measures by groups.
    ///
    /// - Throws: `UserError` where the images have no such field, or it does not go with them.
    func subgroups(of trial: Trial) throws -> Subgroups? {
        guard let field = trial.groupField else { return nil }
        let found = try dataset.groups(by: field, of: dataset.evaluationOrder(of: .test))
        return Subgroups(field: field, names: found.names, groups: found.groups.map(Int64.init))
    }

    /// Looks for the fields by which models are measured.
    ///
    /// - Throws: `UserError` with the place, `.usage` where the images have no such field or the task chooses among no classes.
    static func checkGroups(of models: [Definition.Model], in definition: Definition, _ dataset: ImageDataset) throws {
        var known: Set<String> = []
        for model in models {
            guard let field = definition.remarks.adding(model.ownRemarks).measures?.by, known.insert(field).inserted else { continue }
            try definition.placing {
                guard definition.registry.tasks.isClassification(definition.task) else {
                    throw UserError(at: "measures.by", "goes with task: classification, whose accuracy is measured by groups")
                }
                _ = try dataset.groups(by: field, of: dataset.indices(of: .test))
            }
        }
    }
}
