import Configuration
import TensorCore

/// What a classifier makes small, of each image: z are its logits, y its class, C how many classes there are, p = softmax(z).
///
///     cross_entropy   −log p_y
///     focal           −(1 − p_y)^γ log p_y, which counts images that are classified well little; with class weights as its α
///     hinge           a linear support vector machine where the model is linear, see `Multiclass`
///     squared_hinge   the same with each margin's violation squared
///     ordinal         −Σ_k log P(y > k) or log P(y ≤ k), whichever is true, over the C − 1 places between neighbouring classes
///
/// `ordinal` is for classes in an order: the farther a wrong class lies, the more it costs. It is the all-threshold logistic loss on the cumulative logits
/// log P(y > k) / P(y ≤ k) of the softmax, which are in order by themselves.
///
/// Lin et al., "Focal Loss for Dense Object Detection", ICCV 2017; McCullagh, Journal of the Royal Statistical Society B 42, 1980; Rennie and Srebro, "Loss
/// Functions for Preference Levels", IJCAI Workshop on Advances in Preference Handling 2005.
public enum ClassificationLoss: Sendable, Equatable {
    case crossEntropy
    case focal(gamma: Double)
    case hinge(Multiclass, isSquared: Bool)
    case ordinal

    /// How the margins of several classes make one loss.
    ///
    ///     one_vs_rest       Σ_c max(0, 1 − s_c z_c), s_c = 1 for the image's class and −1 for others: C problems that know nothing of each other, the objective of
    ///                       scikit-learn's LinearSVC, and so what most results are with
    ///     crammer_singer    max(0, 1 + max_{c ≠ y} z_c − z_y): Crammer and Singer, Journal of Machine Learning Research 2, 2001
    ///     weston_watkins    Σ_{c ≠ y} max(0, 1 + z_c − z_y): Weston and Watkins, ESANN 1999; C times PyTorch's multi_margin_loss
    public enum Multiclass: String, CaseIterable, Sendable {
        case oneVersusRest = "one_vs_rest"
        case crammerSinger = "crammer_singer"
        case westonWatkins = "weston_watkins"
    }

    /// As a measure.
    var name: String {
        switch self {
        case .crossEntropy: "cross_entropy"
        case .focal: "focal"
        case .hinge(_, let isSquared): isSquared ? "squared_hinge" : "hinge"
        case .ordinal: "ordinal"
        }
    }

    /// What it is measured in.
    var unit: String { isOfMargins ? "1" : "nat" }

    /// Whether logits are margins, whose softmax says nothing of probabilities.
    public var isOfMargins: Bool { if case .hinge = self { true } else { false } }

    /// The loss of each image `[B]`.
    ///
    /// - Parameters:
    ///   - logits: `[B, C]`.
    ///   - labels: int32 `[B]`.
    public func values(of logits: Tensor, labels: Tensor) -> Tensor {
        guard logits.isValid else { return logits }
        let count = logits.shape[1]
        func table(_ columns: Int, _ value: (_ label: Int, _ column: Int) -> Float) -> Tensor {
            let numbers = (0..<count).flatMap { label in (0..<columns).map { value(label, $0) } }
            return logits.graph.constant(HostTensor([count, columns], numbers)).gathered(labels)
        }
        func own() -> Tensor { table(count) { $0 == $1 ? 1 : 0 } }
        switch self {
        case .crossEntropy: return logits.softmaxCrossEntropy(labels: labels)
        case .focal(let gamma):
            let logarithm = (logits.logSoftmax() * own()).sum(axes: [1])
            return -(logarithm * (1 - logarithm.exp()).relu().power(Float(gamma)))
        case .hinge(let multiclass, let isSquared):
            func violations(_ margins: Tensor) -> Tensor { isSquared ? margins.square() : margins }
            if multiclass == .oneVersusRest {
                return violations((1 - logits * table(count) { $0 == $1 ? 1 : -1 }).relu()).sum(axes: [1])
            }
            // The image's own class has 0 here.
            let own = own(), margins = logits - (logits * own).sum(axes: [1], keepsAxes: true) + (1 - own)
            return multiclass == .crammerSinger ? violations(margins.max(axes: [1])) : violations(margins.relu()).sum(axes: [1])
        case .ordinal:
            if count < 2 { return logits.softmaxCrossEntropy(labels: labels) }
            // log Σ exp z over the classes above each place, then over those up to it, which a masked softmax has at a class that it keeps.
            let places = count - 1, rows = 2 * places
            func keeps(_ row: Int, _ label: Int) -> Bool { row < places ? label > row : label <= row - places }
            func constant(_ value: (_ row: Int, _ label: Int) -> Float) -> Tensor {
                logits.graph.constant(HostTensor([1, rows, count], (0..<rows).flatMap { row in (0..<count).map { value(row, $0) } }))
            }
            let kept = constant { keeps($0, $1) ? 0 : -1e9 } + logits.reshaped([logits.shape[0], 1, count])
            let sums = ((kept - kept.logSoftmax()) * constant { $1 == ($0 < places ? count - 1 : 0) ? 1 : 0 }).sum(axes: [2])
            let all = (logits - logits.logSoftmax()).sliced(axis: 1, 0..<1)
            return ((all - sums) * table(rows) { keeps($1, $0) ? 1 : 0 }).sum(axes: [1])
        }
    }
}
