/// An average of a training's weights that is kept and evaluated beside them.
public enum WeightAverage: String, Sendable, CaseIterable {
    /// The exponential moving average over the steps.
    case ema
    /// The equal average over the ends of epochs: stochastic weight averaging.
    case swa

    /// What a measure is of the averaged weights, such as `ema_accuracy`: they are evaluated and not trained.
    public func measure(_ measure: Measure) -> Measure {
        Measure(name(measure.name), unit: measure.unit, better: measure.better, bounds: measure.bounds, occasion: .evaluation)
    }

    /// What a measure is called of the averaged weights.
    public func name(_ measure: String) -> String { "\(rawValue)_\(measure)" }

    /// What an averaged parameter or buffer is called among others: `ema/conv1.weight`. No parameter's own name has a slash.
    public func tensorName(_ name: String) -> String { "\(rawValue)/\(name)" }

    /// The averages of which there are measures among some.
    public static func all(in measures: [Measure]) -> [WeightAverage] {
        allCases.filter { average in measures.contains { $0.name == average.name(Measure.lossName) } }
    }
}
