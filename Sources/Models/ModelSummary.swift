import TensorCore

/// The size of a model for images of one size, layer by layer.
public struct ModelSummary: Codable, Equatable, Sendable {
    /// A module's row of the table.
    public struct Layer: Codable, Equatable, Sendable {
        /// The module path, `blocks.3.attn.qkv`; empty for what the model itself records.
        public let path: String
        /// The kinds of ops that it records.
        public let kind: String
        /// For one image.
        public let outputShape: [Int]
        /// How many numbers are trained.
        public let parameters: Int
        /// The multiply-adds of one image.
        public let multiplyAdds: Int
    }

    /// The key of the family in definitions.
    public let family: String
    /// The images' size.
    public let input: ImageShape
    /// The length of the logits.
    public let classes: Int
    /// How many numbers are trained.
    public let parameters: Int
    /// The multiply-adds of one image; attention's QKᵀ and AV products count, as in torchvision and timm.
    public let multiplyAdds: Int
    /// The same without attention's products, as some papers count.
    public let multiplyAddsWithoutAttention: Int
    /// How many numbers convolutions and linear layers give for one image.
    public let activations: Int
    /// In the order in which they are recorded.
    public let layers: [Layer]

    /// Throws the first thing that does not fit images of this size.
    public init(_ definition: ModelDefinition, input: ImageShape, classes: Int) throws(RecordingError) {
        let graph = Graph()
        _ = definition.record(graph.input("images", [1, input.height, input.width, input.channels]), classes: classes, in: graph.root)
        try graph.validate()
        family = definition.family
        self.input = input
        self.classes = classes
        parameters = graph.parameterCount
        multiplyAdds = graph.multiplyAdds
        let rows = graph.layerSummary()
        activations = rows.reduce(0) { $0 + $1.activations }
        layers = rows.map {
            Layer(
                path: $0.path, kind: $0.kind, outputShape: $0.outputShape.dimensions, parameters: $0.parameters,
                multiplyAdds: $0.multiplyAdds)
        }
        multiplyAddsWithoutAttention = multiplyAdds - graph.attentionMultiplyAdds
    }

    enum CodingKeys: String, CodingKey {
        case family, input, classes, parameters, activations
        case multiplyAdds = "multiply_adds"
        case multiplyAddsWithoutAttention = "multiply_adds_without_attention"
        case layers
    }
}
