/// A line of progress that gives up its least important parts first where it is too long: no part is ever cut in its middle.
///
///     var line = FittingLine("vit")
///     line.append("1,661 images/s")
///     line.append("loss 0.6405", shorter: ["loss 0.64", ""], givenUpAt: 1)
///
/// Where all is given up that may be and the line is still too long, it ends with the last part that fits, and `…`.
struct FittingLine {
    private struct Part {
        /// From the longest to the shortest; an empty one leaves the part out.
        let forms: [String]
        let rank: Int
    }

    private var parts: [Part]

    init(_ text: String) { parts = [Part(forms: [text], rank: .max)] }

    /// - Parameters:
    ///   - shorter: what stands for the part where there is less room, each shorter than the one before; an empty text leaves it out.
    ///   - rank: parts of a lower rank take their shorter forms before those of a higher one.
    mutating func append(_ text: String, shorter: [String] = [], givenUpAt rank: Int = .max) {
        parts.append(Part(forms: [text] + shorter, rank: rank))
    }

    /// With every part whole.
    var text: String { text(parts.map(\.forms[0])) }

    /// In at most `width` columns.
    func text(within width: Int) -> String {
        var chosen = parts.map(\.forms[0])
        for rank in Set(parts.map(\.rank)).sorted() {
            let members = parts.indices.filter { parts[$0].rank == rank }
            // Parts of one rank go together: all loss digits, then all of the next form.
            for form in 1..<max(1, members.map { parts[$0].forms.count }.max()!) {
                if text(chosen).count <= width { return text(chosen) }
                for member in members where parts[member].forms.indices.contains(form) { chosen[member] = parts[member].forms[form] }
            }
        }
        return Self.ended(text(chosen), within: width)
    }

    private func text(_ chosen: [String]) -> String { chosen.filter { !$0.isEmpty }.joined(separator: "  ") }

    /// A text up to the last gap of two spaces that leaves room for `…`; where there is none, up to the last word.
    static func ended(_ text: String, within width: Int) -> String {
        guard text.count > width else { return text }
        for gap in ["  ", " "] {
            let parts = text.split(separator: gap, omittingEmptySubsequences: false)
            for count in (1..<max(1, parts.count)).reversed() {
                let kept = parts.prefix(count).joined(separator: gap)
                if kept.count < width, let end = kept.lastIndex(where: { $0 != " " }) { return kept[...end] + "…" }
            }
        }
        return "…"
    }
}
