import Harness

extension Tensor {
    /// An operation made of others; its gradient comes from theirs.
    func gated(by gate: Tensor) -> Tensor { relu().square() * gate.sigmoid() }
}

/// Two convolutions, of which one gates the other, and the mean over all places.
public struct GatedEncoder: ImageEncoder {
    public let width: Int
    private let features: Convolution2D, gate: Convolution2D
    private let scope: Scope

    public init(channels: Int, width: Int, in scope: Scope) {
        func convolution(_ name: String) -> Convolution2D {
            Convolution2D(channels, width, kernel: 3, padding: .symmetric(1), initialization: .residual, in: scope[name])
        }
        (features, gate) = (convolution("features"), convolution("gate"))
        (self.width, self.scope) = (width, scope)
    }

    public func callAsFunction(_ images: Tensor) -> NamedOutputs {
        let values = features(images), gates = gate(images)  // [B, H, W, width]
        var outputs = NamedOutputs()
        outputs.add("gated", scope.record { values.gated(by: gates) })
        return outputs
    }

    public func pooled(_ features: Tensor) -> Tensor { scope.record { features.globalAveragePool() } }  // [B, width]
}
