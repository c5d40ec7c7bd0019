/// The candidate that is nearest to `word` by edit distance, when it is near enough to be a slip of the pen.
public func nearest(to word: String, among candidates: some Sequence<String>) -> String? {
    let limit = max(1, word.count / 3)
    return candidates
        .filter { abs($0.count - word.count) <= limit }
        .map { (candidate: $0, distance: editDistance(word.lowercased(), $0.lowercased())) }
        .filter { $0.distance <= limit }
        .min { ($0.distance, $0.candidate) < ($1.distance, $1.candidate) }?
        .candidate
}

/// `" (did you mean x?)"`, or the choices when none is near.
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
