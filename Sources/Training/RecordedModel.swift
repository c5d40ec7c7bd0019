import Configuration
import Measures
import TensorCore
import VisionData

/// Records a model: images `[B, height, width, channels]` to its outputs, among them the task's head `[B, …]`. It declares the same parameters
/// and buffers in training and in evaluation; auxiliary heads may be recorded in training alone.
public typealias ModelRecorder = (_ scope: Scope, _ images: Tensor) -> any ModelOutput

/// What a model gives: outputs by name, or a single tensor, which is the head of any task.
public protocol ModelOutput {
    /// The outputs, a single one under the name `head`.
    func outputs(head: String) -> NamedOutputs
}

extension NamedOutputs: ModelOutput {
    /// The outputs as they are.
    public func outputs(head: String) -> NamedOutputs { self }
}

extension Tensor: ModelOutput {
    /// The tensor alone, called `head`.
    public func outputs(head: String) -> NamedOutputs {
        var outputs = NamedOutputs()
        outputs.add(head, self)
        return outputs
    }
}

/// A recorded model with its inputs and what its task makes of its output, for one shard.
struct RecordedModel {
    let graph: Graph
    /// The image, then the task's targets.
    let inputs: [Tensor]
    let task: RecordedTask

    /// - Parameters:
    ///   - fields: the graph's inputs: the model's, then the task's targets (`TrainingTask.fields`).
    ///   - distillation: in a training, how a teacher's logits count, which are the last input.
    ///   - keepsBatchStatistics: whether a run leaves in the running statistics those of its own batch.
    ///   - freezing: whether the parameter of a name keeps its value.
    init(
        _ model: ModelRecorder, _ task: some TrainingTask, fields: [Field], mode: Graph.Mode, batchSize: Int, shardCount: Int, seed: UInt64,
        precision: Precision, distillation: DistillationConfiguration? = nil, keepsBatchStatistics: Bool = false, freezing: @escaping (_ name: String) -> Bool = { _ in false }
    ) {
        precondition(batchSize.isMultiple(of: shardCount), "a batch of \(batchSize) cannot be cut into \(shardCount) equal shards")
        let count = batchSize / shardCount
        let graph = Graph(
            mode: mode, shardCount: shardCount, seed: seed, precision: precision, keepsBatchStatistics: keepsBatchStatistics, freezing: freezing)
        let inputs = fields.map { graph.input($0.name, Shape([count] + $0.shape.dimensions), $0.dtype) }
        let input = task.input(inputs[0], in: graph.root), outputs = model(graph.root, input.images).outputs(head: task.head)
        self.graph = graph
        var recorded = task.record(outputs, Array(inputs.dropFirst()), from: input, in: graph.root)
        guard let distillation else {
            (self.inputs, self.task) = (inputs, recorded)
            return
        }
        let taught = graph.input("teacher", Shape([count] + task.outputShape.dimensions))
        recorded.add(distillation, distillation.divergence(of: outputs.required(task.head, in: graph.root).cast(to: .float32), from: taught))
        (self.inputs, self.task) = (inputs + [taught], recorded)
    }
}

extension RecordedModel {
    /// What the model makes of the images before anything that is trained, where that is the same at every step; nil where there is nothing to save.
    ///
    /// - Parameter keeps: whether the parameter of a name keeps its value to the end.
    func features(keeping keeps: (_ name: String) -> Bool) -> [Tensor]? {
        let losses = task.losses.flatMap { [$0.values] + ($0.counts.map { [$0] } ?? []) }
        let measures = task.measures.flatMap { [$0.values] + ($0.counts.map { [$0] } ?? []) }
        return graph.fixedFeatures(of: inputs[0], for: losses + measures + task.outputs, keeping: keeps)
    }
}

extension TrainingTask {
    /// Records what the task makes of the model's head, and in training the same losses of each auxiliary head, with the weight that the model
    /// gives it; and what the model adds to the loss.
    ///
    fileprivate func record(_ outputs: NamedOutputs, _ targets: [Tensor], from input: ModelInput, in scope: Scope) -> RecordedTask {
        let count = input.originals.shape[0]
        func checked(_ output: Tensor, of giver: String) -> Tensor {
            guard output.isValid, output.shape != Shape([count] + outputShape.dimensions) else { return output.cast(to: .float32) }
            return scope.fail("\(giver) gives \(output.shape) for \(count) images of \(outputDescription)")
        }
        let output = checked(outputs.required(head, in: scope), of: "the model")
        var recorded = record(output, targets, input: input, outputs: outputs)
        let isTraining = scope.graph.mode == .training
        recorded.losses += outputs.penalties.filter { isTraining || $0.isEvaluated }.map { Loss($0.name, unit: $0.unit, weight: $0.weight, $0.values) }
        guard isTraining else { return recorded }
        for auxiliary in outputs.auxiliaries {
            let name = auxiliary.name.replacing(".", with: "_"), weight = auxiliary.auxiliaryWeight ?? 1
            let losses = record(checked(auxiliary.tensor, of: "the auxiliary head \(auxiliary.name)"), targets, input: input, outputs: outputs).losses
            recorded.losses += losses.map { Loss("\(name)_\($0.name)", unit: $0.unit, weight: weight * $0.weight, $0.values, counts: $0.counts) }
        }
        return recorded
    }
}

extension TrainingTask {
    /// What a batch has to hold for a model and this task: the image first, then the targets.
    ///
    /// - Throws: `UserError(.usage)` when the samples lack one of them.
    func fields(of source: some SampleSource) throws -> [Field] {
        try (["image"] + targets).map { name in
            guard let field = source.field(named: name) else {
                throw UserError(
                    at: "data", "the samples of \(source.name) have no \(name), which \(self.name) needs; they have \(source.fields.map(\.name).joined(separator: ", "))")
            }
            return field
        }
    }
}

extension TrainingTask {
    /// What the task measures of such samples, whatever the model: the loss first. A model with auxiliary heads adds their losses.
    ///
    /// - Throws: `UserError(.usage)` when the samples lack a field that it needs.
    public func measures(of source: some SampleSource) throws -> [Measure] {
        let graph = Graph(), fields = try fields(of: source).dropFirst()
        let inputs = fields.map { graph.input($0.name, Shape([1] + $0.shape.dimensions), $0.dtype) }
        let image = source.field(named: "image")?.shape.dimensions ?? [1, 1, 1], images = graph.input("image", Shape([1] + image))
        let output = graph.input("output", Shape([1] + outputShape.dimensions))
        return record(output, inputs, input: ModelInput(images), outputs: NamedOutputs()).allMeasures() + evaluatedMeasures
    }

    /// The measures of whole splits.
    var evaluatedMeasures: [Measure] {
        splitMeasures.map { Measure($0.name, unit: $0.unit, better: $0.better, bounds: $0.bounds, occasion: .evaluation) }
    }
}

/// The sums of a task's measures over batches.
struct MeasureReader {
    /// For each measure beside the losses: the places of a plan's outputs where its values are, and its counts if it has some.
    private let places: [(values: Int, counts: Int?)]
    /// The plan's outputs for them.
    let tensors: [Tensor]

    /// - Parameter first: the place of the first of `tensors` among the plan's outputs.
    init(_ task: RecordedTask, at first: Int) {
        var tensors: [Tensor] = []
        places = task.measures.map { recorded in
            tensors.append(recorded.values)
            let values = first + tensors.count - 1
            guard let counts = recorded.counts else { return (values, nil) }
            tensors.append(counts)
            return (values, first + tensors.count - 1)
        }
        self.tensors = tensors
    }

    /// Adds the first `count` samples of a plan's batch, in double precision and in the order of the samples.
    func add(_ plan: Plan, count: Int, to sums: inout [MeasureSum], from first: Int) {
        for (index, place) in places.enumerated() {
            sums[first + index].sum += sum(plan.outputPointer(place.values), count)
            sums[first + index].count += place.counts.map { sum(plan.outputPointer($0), count) } ?? Double(count)
        }
    }

    /// How many measures there are.
    var count: Int { places.count }

    /// Whether the measure counts otherwise than by samples.
    func hasOwnCounts(_ index: Int) -> Bool { places[index].counts != nil }

    private func sum(_ memory: UnsafeRawPointer, _ count: Int) -> Double {
        let values = memory.assumingMemoryBound(to: Float.self)
        var sum = 0.0
        for sample in 0..<count { sum += Double(values[sample]) }
        return sum
    }
}
