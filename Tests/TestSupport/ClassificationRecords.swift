import Measures
import RunStore
import Tasks

// The records of a classification by their names, for tests.

extension Measure {
    public static let loss = Measure(Measure.lossName, unit: "nat", better: .smaller)
    public static let accuracy = Measure("accuracy", unit: "1", better: .larger, bounds: 0...1)
}

extension RunDescription {
    /// Of a run that classifies.
    public init(
        experiment: String, model: String, seed: Int, configuration: String, parameters: Int, multiplyAdds: Int, classes: Int,
        trialDigest: String? = nil, identityVersion: Int? = nil, dataDigest: String? = nil, tensors: [String] = [], layers: LayerDescription? = nil,
        data: DataDescription? = nil, arithmetic: [ArithmeticSpan] = ArithmeticSpan.unrecorded
    ) {
        self.init(
            experiment: experiment, model: model, seed: seed, configuration: configuration, parameters: parameters, multiplyAdds: multiplyAdds,
            classes: classes, measures: [.loss, .accuracy], monitored: "accuracy",
            layouts: Self.layouts(classes), trialDigest: trialDigest, identityVersion: identityVersion, dataDigest: dataDigest,
            tensors: tensors, layers: layers, data: data, arithmetic: arithmetic)
    }

    private static func layouts(_ classes: Int) -> [EvaluatedSplit: EvaluationLayout] {
        [.test: Classification(classCount: classes, storesLogits: false).layout(of: .test)]
    }

    /// Another number of classes, and the tables that go with it.
    public mutating func setClasses(_ count: Int) {
        classes = count
        layouts = Self.layouts(count)
    }
}

extension StepRecord {
    public init(step: Int, epoch: Int, loss: Double, accuracy: Double, learningRate: Double, gradientNorm: Double) {
        self.init(step: step, epoch: epoch, values: [loss, accuracy], learningRate: learningRate, gradientNorm: gradientNorm)
    }

    public var loss: Double {
        get { values[0] }
        set { values[0] = newValue }
    }
    public var accuracy: Double {
        get { values[1] }
        set { values[1] = newValue }
    }
}

extension EpochRecord {
    public init(epoch: Int, trainLoss: Double, trainAccuracy: Double, valLoss: Double?, valAccuracy: Double?) {
        self.init(epoch: epoch, training: [trainLoss, trainAccuracy], validation: [valLoss, valAccuracy])
    }

    public var trainLoss: Double { training[0] }
    public var trainAccuracy: Double { training[1] }
    public var valLoss: Double? { validation[0] }
    public var valAccuracy: Double? { validation[1] }
}

extension EvaluationRecord {
    public init(loss: Double, accuracy: Double, confusion: [[Int]], predictions: [Int], labels: [Int]) {
        self.init(
            values: [loss, accuracy],
            tables: [
                "confusion": .integers(confusion.flatMap { $0.map(Int64.init) }), "predictions": .integers(predictions.map(Int64.init)),
                "labels": .integers(labels.map(Int64.init)),
            ])
    }

    public var loss: Double { values[0] ?? .nan }
    public var accuracy: Double { values[1] ?? .nan }
    public var predictions: [Int] {
        get { tables["predictions"]?.integers?.map { Int($0) } ?? [] }
        set { tables["predictions"] = .integers(newValue.map(Int64.init)) }
    }
    public var labels: [Int] { tables["labels"]?.integers?.map { Int($0) } ?? [] }
    public var confusion: [[Int]] {
        let counts = tables["confusion"]?.integers ?? [], classes = Int(Double(counts.count).squareRoot())
        return (0..<classes).map { row in counts[row * classes..<(row + 1) * classes].map { Int($0) } }
    }
}

extension RunContents {
    /// Of the test.
    public var evaluation: EvaluationRecord? {
        get { evaluations[.test] }
        set { evaluations[.test] = newValue }
    }
}
