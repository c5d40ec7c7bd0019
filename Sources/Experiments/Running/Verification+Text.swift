import Configuration

extension Verification {
    /// What was found, for people.
    public var text: String {
        var lines: [String]
        switch verdict {
        case .identical(let steps, let digests, let isWhole):
            let weights = digests > 0 ? ", the weights at \(grouped(digests)) of them" : "; the run has no checksums of its weights"
            let rest = isWhole ? ", every epoch and the test results" : ""
            lines = ["identical through step \(grouped(steps)): every loss and gradient norm\(weights)\(rest)"]
        case .interrupted(let steps):
            lines = ["identical through step \(grouped(steps)), where it was interrupted"]
        case .different(let difference):
            lines = [Self.sentence(difference)]
            lines += difference.values.map { "  \($0)" }
            if !difference.tensors.isEmpty {
                let shown = difference.tensors.prefix(8).joined(separator: ", ")
                let rest = difference.tensors.count > 8 ? " and \(difference.tensors.count - 8) more" : ""
                lines.append("  weights: \(shown)\(rest)")
            }
            if let step = difference.lastAgreement { lines.append("  the weights still agreed \(Self.moment(step))") }
        }
        if let arithmeticNote { lines.append(arithmeticNote) }
        let machine = machineDifferences.isEmpty ? ["nothing"] : machineDifferences
        lines.append("the machine of the run and this one differ in: \(machine.joined(separator: ", ")); shards \(shards), from the definition")
        return lines.joined(separator: "\n")
    }

    private static func moment(_ step: Int) -> String { step == 0 ? "at the start" : "after step \(grouped(step))" }

    /// The place of a difference among the steps, as `from … on` names it.
    static func place(_ step: Int) -> String { step == 0 ? "the start" : "step \(grouped(step))" }

    private static func sentence(_ difference: Difference) -> String {
        difference.step == 0 ? "different from the start: the initial weights" : "different at step \(grouped(difference.step))"
    }

    /// The first difference in a sentence, or nil when there is none.
    public var failure: String? {
        guard case .different(let difference) = verdict else { return nil }
        return "\(folder.path): the repetition is \(Self.sentence(difference))"
    }
}
