import Configuration
import Models
import TensorCore
import Training
import VisionData

/// A model and a batch size whose training steps `harness bench` times.
public struct Workload: Sendable {
    public let name: String
    public let batchSize: Int

    public static let all = [
        Workload(name: "vit-28", batchSize: 64), Workload(name: "resnet18-28", batchSize: 64), Workload(name: "vit-tiny-224", batchSize: 16),
        Workload(name: "resnet18-224", batchSize: 16), Workload(name: "hybrid-28", batchSize: 64),
    ]

    /// - Throws: `.usage` with the nearest name when there is no such workload.
    public static func named(_ name: String) throws -> Workload {
        guard let workload = all.first(where: { $0.name == name }) else {
            throw UserError(.usage, "unknown workload '\(name)'\(suggestion(for: name, among: all.map(\.name)))")
        }
        return workload
    }

    /// Times `steps` whole training steps (forward, backward, AdamW) on synthetic images of 10 classes.
    public func measure(steps: Int, threads: Int) throws -> BenchmarkResult {
        guard let preset = ModelPreset.named(name) else { preconditionFailure("the workload \(name) is a preset of Models") }
        var configuration = TrainConfiguration()
        configuration.batchSize = batchSize
        configuration.optimizer = .default
        let shape = ImageShape(height: preset.input.height, width: preset.input.width, channels: preset.input.channels)
        return try BenchmarkResult(
            measuring: { _, images in preset.definition.record(images, classes: preset.classes) }, named: name,
            configuration: configuration, shape: shape, classCount: preset.classes, steps: steps, pool: WorkerPool(threads: threads))
    }
}
