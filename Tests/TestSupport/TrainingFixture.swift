import TensorCore

/// Ten training steps of a network by PyTorch: training_`model`.h5 and training_batches.h5.
public struct TrainingFixture: Sendable {
    public let model: String
    /// The network's arguments.
    public let arguments: FixtureArguments
    /// Every parameter by its PyTorch name.
    public let initialParameters: [String: HostTensor]
    public let batches: [Batch]
    let file: FixtureFile

    /// Images float32 `[16, 28, 28, 1]` from 0 to 1, labels int32 `[16]`.
    public struct Batch: Sendable {
        public let images: HostTensor
        public let labels: HostTensor
    }

    /// What came of training with one optimizer.
    public struct Run: Sendable {
        /// The optimizer's arguments.
        public let arguments: FixtureArguments
        /// The mean cross-entropy of each batch before its update, computed in float64.
        public let losses: [Double]
        /// The same, computed by PyTorch in float32.
        public let float32Losses: [Double]
        /// Some parameters after the last step.
        public let finalParameters: [String: HostTensor]
        /// The L2 norm of every parameter after the last step.
        public let finalNorms: [String: Double]
        /// Running statistics after the last step.
        public let finalBuffers: [String: HostTensor]
    }

    /// Loads `lenet5`, `resnet20`, `vit`, `hybrid`, `swin` or `cct`.
    public init(_ model: String) throws {
        file = try FixtureFile("training_\(model).h5")
        self.model = model
        arguments = try file.arguments(of: "/initial_parameters")
        initialParameters = try file.tensors(in: "/initial_parameters")

        let shared = try FixtureFile("training_batches.h5")
        let images = try shared.tensor("/images"), labels = try shared.tensor("/labels")
        let pixels = images.elements(as: Int32.self).map { Float($0) / 255 }, classes = labels.elements(as: Int32.self)
        let imageShape = Shape(images.shape.dropFirst()), labelShape = Shape(labels.shape.dropFirst())
        batches = (0..<images.shape[0]).map { step in
            func part<Element>(_ elements: [Element], _ shape: Shape) -> [Element] {
                Array(elements[step * shape.elementCount..<(step + 1) * shape.elementCount])
            }
            return Batch(
                images: HostTensor(imageShape, part(pixels, imageShape)), labels: HostTensor(labelShape, part(classes, labelShape)))
        }
    }

    /// The run with `sgd`, or for ViT and Swin also `adamw`.
    public func run(_ optimizer: String) throws -> Run {
        Run(
            arguments: try file.arguments(of: "/\(optimizer)"),
            losses: try file.tensor("/\(optimizer)/losses_float64").elements(),
            float32Losses: try file.tensor("/\(optimizer)/losses").elements(),
            finalParameters: try file.tensors(in: "/\(optimizer)/final_parameters"),
            finalNorms: try file.tensors(in: "/\(optimizer)/final_norms").mapValues { $0.elements(as: Double.self)[0] },
            finalBuffers: try file.tensors(in: "/\(optimizer)/final_buffers"))
    }
}
