/// The version of this program's arithmetic: raised, on purpose, by every change after which a training may have other bits on the same
/// machine. Run files record it, so that a difference that was meant is not taken for a fault.
///
/// | version | what changed |
/// | --- | --- |
/// | 1 | everything before versions were counted |
/// | 2 | norms find mean and variance from distances to a number near the mean, and keep the mean in double; sums of many terms are made in double; a gradient that is not finite stops where a unit is closed |
/// | 3 | attention over 512 tokens or more is made tile by tile; attention in windows adds its biases to the scores in one operation; weights are standardized by a layer norm |
/// | 4 | with AVX-512, products that make gradients of linear layers cut sums of more than 384 terms elsewhere |
/// | 5 | in float32: convolutions of 3×3 weights and stride 1 by Winograd's algorithm, the gradients of 1×1 convolutions as products of matrices, attention over at most 512 keys in one kernel; exp, GELU, softmax and the gradients of batch and group norms are computed in another order |
///
/// Whether a change needs a new version is what the pinned digests of small trainings answer: `PinnedTrainingTests`.
public let arithmeticVersion = 5
