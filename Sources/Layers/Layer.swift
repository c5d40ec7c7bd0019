import TensorCore

/// What maps one tensor to another, with parameters of its own or without.
///
/// A layer declares its parameters when it is made and may be called any number of times: every call computes with the same parameters, whose
/// gradient is the sum over the calls; random masks are drawn anew in each.
public protocol Layer {
    /// Records one call under the layer's own path.
    func callAsFunction(_ x: Tensor) -> Tensor
}

extension BatchNorm: Layer {
    /// Records one call without a residual: `[…, C]` → `[…, C]`.
    public func callAsFunction(_ x: Tensor) -> Tensor { callAsFunction(x, residual: nil) }
}

extension Linear: Layer {}
extension Convolution2D: Layer {}
extension LayerNorm: Layer {}
extension GroupNorm: Layer {}
extension Dropout: Layer {}
extension DropPath: Layer {}
extension Pooling: Layer {}
extension ClassToken: Layer {}
extension ConvolutionalStem: Layer {}
extension MLPBlock: Layer {}
extension MultiHeadAttention: Layer {}
extension PatchEmbedding: Layer {}
extension PositionEmbedding: Layer {}
extension ShiftedPatchTokenization: Layer {}
extension TransformerBlock: Layer {}
