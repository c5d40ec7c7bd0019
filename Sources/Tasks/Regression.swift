import Measures
import TensorCore
import Training
import VisionData

/// Numbers for each image, e.g. how many objects it shows: the model gives an estimate of each.
///
///     e = σ · output + μ      the estimate of the target t, with the mean μ and the standard deviation σ of the training images' targets, 0 and 1 where they
///                             are not standardized
///     mse                     ((e − t) / σ)², the mean over the numbers of an image
///     mae                     |e − t| / σ
///     huber                   ½ d² where d = |e − t| / σ is at most δ, else δ (d − ½ δ): Huber, Annals of Mathematical Statistics 35, 1964; PyTorch's huber_loss
///     absolute_error          |e − t|, in the target's unit
///     r2                      the share of the targets' variance over a split that the estimates explain (`determination`)
public struct Regression: TrainingTask {
    /// What is made small.
    public enum LossKind: Sendable, Equatable {
        case meanSquaredError
        case meanAbsoluteError
        case huber(delta: Double)
    }

    /// Which numbers are estimated.
    public enum Target: String, CaseIterable, Sendable {
        /// Those that the data bring.
        case given
        /// How many objects the image shows.
        case objectCount = "object_count"
        /// The mean of √(width · height) of the image's boxes, in pixels; 0 without any.
        case objectSize = "object_size"
        /// The mean of the image's pixels, as models get them.
        case brightness
    }

    private let target: Target
    private let loss: LossKind
    private let means, deviations: [Double]
    private let maximum: Int
    private let storesEstimates: Bool

    /// - Parameters:
    ///   - means: by which targets are standardized, of each number.
    ///   - maximum: of targets that are made from boxes, how many an image has at most.
    init(_ target: Target, loss: LossKind, means: [Double], deviations: [Double], maximum: Int = 0, storesEstimates: Bool = true) {
        (self.target, self.loss, self.means, self.deviations) = (target, loss, means, deviations)
        (self.maximum, self.storesEstimates) = (maximum, storesEstimates)
    }

    private var count: Int { means.count }
    public var name: String { "regression" }
    public var targets: [String] {
        switch target {
        case .given: ["target"]
        case .objectCount, .objectSize: ["boxes"]
        case .brightness: []
        }
    }
    public var outputShape: Shape { [count] }
    public var outputDescription: String { count == 1 ? "1 number" : "\(count) numbers" }
    public var monitored: String { Measure.lossName }
    public var splitMeasures: [Measure] { [Measure("r2", unit: "1", better: .larger)] }

    public func record(_ output: Tensor, _ targets: [Tensor]) -> RecordedTask { recorded(output, targets.first) }

    public func record(_ output: Tensor, _ targets: [Tensor], input: ModelInput, outputs: NamedOutputs) -> RecordedTask {
        guard target == .brightness, input.originals.isValid else { return recorded(output, targets.first) }
        return recorded(output, input.originals.cast(to: .float32).mean(axes: [1, 2, 3]).reshaped([input.originals.shape[0], 1]))
    }

    private func recorded(_ output: Tensor, _ target: Tensor?) -> RecordedTask {
        let name = switch loss {
        case .meanSquaredError: "mse"
        case .meanAbsoluteError: "mae"
        case .huber: "huber"
        }
        guard output.isValid, let target else { return RecordedTask(losses: [Loss(name, unit: "1", output)]) }
        let graph = output.graph, isOfBoxes = [.objectCount, .objectSize].contains(self.target)
        let truth = isOfBoxes ? NumberOfBoxes(measuresSize: self.target == .objectSize, maximum: maximum)(target)[0] : target
        func row(_ numbers: [Double]) -> Tensor { graph.constant(HostTensor([1, count], numbers.map { Float($0) })) }
        let difference = output - (truth - row(means)) * row(deviations.map { 1 / $0 }), distance = difference.abs()
        /// With q = min(d, δ): q (d − ½ q).
        func huber(_ delta: Double) -> Tensor {
            let near = distance.minimum(graph.constant(Float(delta)))
            return near * (distance - near * 0.5)
        }
        let losses = switch loss {
        case .meanSquaredError: difference.square()
        case .meanAbsoluteError: distance
        case .huber(let delta): huber(delta)
        }
        return RecordedTask(
            losses: [Loss(name, unit: "1", losses.mean(axes: [1]))],
            measures: [RecordedMeasure(Measure("absolute_error", unit: "1", better: .smaller), (distance * row(deviations)).mean(axes: [1]))],
            outputs: [output * row(deviations) + row(means), truth])
    }

    public func layout(of split: Split) -> EvaluationLayout {
        guard split == .test else { return EvaluationLayout() }
        let standardization = [
            EvaluationColumn(Self.meanTable, title: "mean of the training images' targets, which is added to each number", unit: "1", kind: .real),
            EvaluationColumn(Self.deviationTable, title: "their standard deviation, by which numbers are multiplied before", unit: "1", kind: .real),
        ]
        return EvaluationLayout(columns: standardization + (!storesEstimates ? [] : [
            EvaluationColumn("estimates", title: "estimated numbers of each image", unit: "1", kind: .real, rowShape: [count]),
            EvaluationColumn("targets", title: "numbers of each image", unit: "1", kind: .real, rowShape: [count]),
        ]))
    }

    /// The tables with what brings a model's numbers to the unit of the targets, a value for each number.
    public static let meanTable = "target_means", deviationTable = "target_deviations"

    public func makeTables(of split: Split) -> any EvaluationTables {
        let standardization = [Self.meanTable: means, Self.deviationTable: deviations].mapValues { TableValues.reals($0.map { Float($0) }) }
        return RegressionTables(count, hasEstimates: split == .test && storesEstimates, split == .test ? standardization : [:])
    }
}

private final class RegressionTables: EvaluationTables {
    private let count: Int
    private let hasEstimates: Bool
    private let standardization: [String: TableValues]
    private var estimates: [Float] = [], truth: [Float] = []

    init(_ count: Int, hasEstimates: Bool, _ standardization: [String: TableValues]) {
        (self.count, self.hasEstimates, self.standardization) = (count, hasEstimates, standardization)
    }

    func add(outputs: [UnsafeRawPointer], targets: [UnsafeRawPointer], count images: Int) {
        func numbers(_ place: Int) -> UnsafeBufferPointer<Float> {
            UnsafeBufferPointer(start: outputs[place].assumingMemoryBound(to: Float.self), count: images * count)
        }
        estimates += numbers(0)
        truth += numbers(1)
    }

    func splitValues() -> [String: Double] { ["r2": determination(estimates: estimates, targets: truth, count: count)] }

    func finish() -> [String: TableValues] {
        standardization.merging(hasEstimates ? ["estimates": .reals(estimates), "targets": .reals(truth)] : [:]) { $1 }
    }
}

/// The objects `[maximum, 5]` of an image → how many there are, or the mean of √(width · height) `[1]`.
private struct NumberOfBoxes: SampleFunction {
    let measuresSize: Bool
    let maximum: Int

    var name: String { measuresSize ? "size of boxes" : "number of boxes" }

    func outputShapes(_ inputs: [Shape]) throws(ShapeError) -> [Shape] {
        guard inputs[0] == [maximum, 5] else { throw ShapeError("of \(inputs[0]): expected [\(maximum), 5]") }
        return [[1]]
    }

    func compute(_ inputs: [UnsafePointer<Float>], _ outputs: [UnsafeMutablePointer<Float>]) {
        let objects = TrueBox.all(inputs[0], count: maximum)
        outputs[0][0] = Float(measuresSize ? meanSize(objects.map { ($0.box.x1 - $0.box.x0, $0.box.y1 - $0.box.y0) }) : Double(objects.count))
    }
}

/// The mean of √(width · height); 0 of nothing.
func meanSize(_ sides: [(width: Double, height: Double)]) -> Double {
    sides.isEmpty ? 0 : sides.reduce(0) { $0 + ($1.width * $1.height).squareRoot() } / Double(sides.count)
}
