/// The candidate that `word` stands for: one that it abbreviates, or the nearest by edit distance when it is near enough to be a slip of the pen.
public func nearest(to word: String, among candidates: some Sequence<String>) -> String? {
    let candidates = Array(candidates)
    // What abbreviates something that is not here is no slip of the pen for something else.
    if let meanings = abbreviations[word.lowercased()] { return meanings.first(where: candidates.contains) }
    let limit = max(1, word.count / 3)
    return candidates
        // Words whose lengths differ by more are further apart than that.
        .filter { abs($0.count - word.count) <= limit }
        .map { (candidate: $0, distance: editDistance(word.lowercased(), $0.lowercased())) }
        .filter { $0.distance <= limit }
        .min { ($0.distance, $0.candidate) < ($1.distance, $1.candidate) }?
        .candidate
}

/// What people write who come from other programs, and what it is called here; the first that there is, counts.
private let abbreviations: [String: [String]] = [
    // Words of the command line.
    "train": ["run"], "fit": ["run"], "start": ["run"], "resume": ["run"], "plan": ["check"],
    "ls": ["inspect"], "list": ["models"], "zoo": ["models"], "datasets": ["data"], "diff": ["compare"], "table": ["compare"],
    "follow": ["tail"], "watch": ["tail"], "fsck": ["doctor"], "repair": ["doctor"], "grid": ["sweep"], "search": ["sweep"],
    "benchmark": ["bench"], "replay": ["verify"],
    // Keys of a definition.
    "lr": ["learning_rate"], "rate": ["learning_rate", "probability"], "wd": ["weight_decay"], "decay": ["weight_decay"],
    "bs": ["batch_size"], "batch": ["batch_size"], "batchsize": ["batch_size"], "mom": ["momentum"], "mu": ["momentum"],
    "eps": ["epsilon", "norm_epsilon"], "num_epochs": ["epochs"], "n_epochs": ["epochs"], "max_epochs": ["epochs"],
    "opt": ["optimizer"], "optim": ["optimizer"], "sched": ["schedule"], "scheduler": ["schedule"], "lr_scheduler": ["schedule"],
    "lr_schedule": ["schedule"], "warmup": ["warmup_epochs"], "clip": ["clip_gradient_norm"], "grad_clip": ["clip_gradient_norm"],
    "clip_grad": ["clip_gradient_norm"], "max_grad_norm": ["clip_gradient_norm"], "smoothing": ["label_smoothing"],
    "frozen": ["freeze"], "gamma": ["factor"], "lr_min": ["final_factor"], "min_lr": ["final_factor"], "eta_min": ["final_factor"], "step_size": ["every"],
    "seed": ["seeds"], "model": ["models"], "dataset": ["data"], "path": ["directory"], "dir": ["directory"], "val": ["validation"],
    "valid": ["validation"], "aug": ["augment"], "augmentation": ["augment"], "transforms": ["augment"], "normalize": ["normalization"],
    "dim": ["width"], "embed_dim": ["width"], "hidden_dim": ["width"], "hidden": ["widths"], "hidden_sizes": ["widths"],
    "num_heads": ["heads"], "n_heads": ["heads"], "nhead": ["heads"], "layers": ["depth"], "num_layers": ["depth"],
    "n_layers": ["depth"], "patch_size": ["patch"], "pooling": ["pool"], "act": ["activation"], "activation_fn": ["activation"],
    "drop": ["dropout"], "drop_rate": ["dropout"], "drop_path_rate": ["drop_path"], "pos_embed": ["position"],
    "stochastic_depth": ["drop_path"], "dtype": ["precision"], "amp": ["precision"],
]

/// `"; did you mean 'x'?"`, or the choices when none is near.
public func suggestion(for word: String, among candidates: some Sequence<String>) -> String {
    if let match = nearest(to: word, among: candidates) { return "; did you mean '\(match)'?" }
    let all = candidates.sorted()
    return all.isEmpty ? "" : "; known: \(all.joined(separator: ", "))"
}

/// Damerau–Levenshtein distance (optimal string alignment): insertions, deletions, substitutions and swaps of neighbours.
func editDistance(_ a: String, _ b: String) -> Int {
    let a = Array(a), b = Array(b)
    var twoBack = [Int](), previous = Array(0...b.count)
    for i in 0..<a.count {
        var row = [i + 1]
        for j in 0..<b.count {
            var cost = min(previous[j + 1] + 1, row[j] + 1, previous[j] + (a[i] == b[j] ? 0 : 1))
            if i > 0, j > 0, a[i] == b[j - 1], a[i - 1] == b[j] { cost = min(cost, twoBack[j - 1] + 1) }
            row.append(cost)
        }
        (twoBack, previous) = (previous, row)
    }
    return previous[b.count]
}
