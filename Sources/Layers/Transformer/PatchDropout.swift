import TensorCore

/// Takes a random part of each image's patches away in training, so that the blocks work on fewer tokens; the identity in evaluation.
///
///     K = max(1, ⌊N · (1 − rate)⌋) of N patches stay, drawn for each image and step anew; prefix tokens always stay
///
/// Shapes: x `[B, P + N, D]` → `[B, P + K, D]`, in their order. It stands behind the positions; what depends on places later (`RotaryPositions`,
/// `RelativePositionBias`) has to be taken of the same tokens.
///
/// Liu, Matsoukas, Strand, Azizpour and Smith, "PatchDropout: Economizing Vision Transformers Using Patch Dropout", WACV 2023 (arXiv:2208.07220).
public struct PatchDropout {
    private let rate: Double
    private let prefixTokens: Int
    private let scope: Scope

    /// `rate` is the share of patches that are dropped, from 0 up to but not 1.
    public init(rate: Double, prefixTokens: Int, in scope: Scope) {
        precondition((0..<1).contains(rate), "a patch dropout rate lies from 0 up to but not 1")
        (self.rate, self.prefixTokens, self.scope) = (rate, prefixTokens, scope)
    }

    /// Records one call: `[B, P + N, D]` → `[B, P + K, D]`, and which tokens stayed; nil where all do.
    public func callAsFunction(_ x: Tensor) -> (tokens: Tensor, kept: TokenSubset?) {
        guard x.isValid, rate > 0, x.graph.mode == .training else { return (x, nil) }
        return scope.record {
            let count = max(1, Int(Double(x.shape[1] - prefixTokens) * (1 - rate)))
            let kept = x.randomTokens(count, behind: prefixTokens, stream: scope.nextStream())
            return (kept.taken(of: x), kept)
        }
    }
}
