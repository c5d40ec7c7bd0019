import RunStore
import Tasks

/// How a model's answers become the numbers that it estimates: answer · deviation + mean.
public struct NumberAnswers: Sendable {
    private let means, deviations: [Float]

    /// How many numbers an image has.
    public var count: Int { means.count }

    /// nil where the test of a run does not say it.
    init?(_ evaluation: EvaluationRecord?) {
        guard let means = evaluation?.tables[Regression.meanTable]?.reals, let deviations = evaluation?.tables[Regression.deviationTable]?.reals,
            !means.isEmpty, means.count == deviations.count else { return nil }
        (self.means, self.deviations) = (means, deviations)
    }

    /// The numbers of some images, in the unit of the data's targets.
    ///
    /// - Parameter answers: `[images, count]`.
    public func estimates(_ answers: UnsafeBufferPointer<Float>) -> [Float] {
        answers.enumerated().map { $1 * deviations[$0 % count] + means[$0 % count] }
    }
}
