import Layers
import TensorCore

/// A convolutional network without its head: a backbone, and global average pooling unless it has layers of its own there.
struct ConvolutionalEncoder: ImageEncoder {
    private let backbone: any Backbone
    let width: Int
    private let pool: (Tensor) -> Tensor

    init(_ backbone: any Backbone, width: Int, pool: @escaping (Tensor) -> Tensor) {
        self.backbone = backbone
        self.width = width
        self.pool = pool
    }

    /// With the mean over all positions, `[B, h, w, c]` → `[B, c]`.
    ///
    /// - Parameter dropout: what is dropped of it in training, if anything.
    init(_ configuration: some BackboneConfiguration, input: ImageShape, dropout: Dropout? = nil, in scope: Scope) {
        let last = configuration.lastStage
        // Where images are too small, recording the backbone fails and says so.
        let width = configuration.featureShape(input: input, after: last)?[3] ?? 1
        self.init(configuration.makeBackbone(input: input, through: last, in: scope), width: width) { features in
            let mean = scope["avgpool"].record { features.globalAveragePool() }
            return dropout?(mean) ?? mean
        }
    }

    func callAsFunction(_ images: Tensor) -> NamedOutputs { backbone(images) }

    func pooled(_ features: Tensor) -> Tensor { pool(features) }
}
