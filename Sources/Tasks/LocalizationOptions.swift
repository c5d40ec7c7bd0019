import Configuration
import VisionData

/// `task: {localization: {box_weight: 5}}`
struct LocalizationOptions: Configurable {
    /// By how much the box counts beside the class.
    var boxWeight = 1.0

    static let options: [Key<LocalizationOptions>] = [
        Key("box_weight", \.boxWeight, .number(in: 0...), "By how much the squared errors of the box count beside the cross-entropy of the class."),
    ]
}

extension Localization {
    /// The task of a definition, on samples that have boxes.
    ///
    /// - Throws: `UserError(.usage)` when they have none, or the data ask for what boxes do not have.
    init(_ options: LocalizationOptions, of dataset: ImageDataset, labelSmoothing: Double) throws {
        self.init(
            classCount: dataset.classCount, maximum: try dataset.requireBoxes(for: "localization"), shape: dataset.shape, boxWeight: options.boxWeight,
            labelSmoothing: labelSmoothing)
    }
}
