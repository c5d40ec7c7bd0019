import ArgumentParser
import Experiments
import Foundation
import Configuration
import Reports
import TensorCore

struct CheckCommand: DefinitionCommand {
    static let configuration = CommandConfiguration(
        commandName: "check",
        abstract: "Show what an experiment would do, without training.",
        discussion: """
            Prints the resolved definition, the data, every model with its parameters, multiply-adds and memory, and the list of trials. Whatever \
            is wrong is said here too.

            Examples:
              harness check experiments/vit_vs_resnet
              harness check experiments/vit_vs_resnet models.vit.vit.width=192
            """)

    @OptionGroup var words: ExperimentOptions
    @OptionGroup var threadOptions: ThreadOptions
    @OptionGroup var wideOption: WideOption

    @OptionGroup var resultsOptions: ResultsOptions

    func run(_ registry: Registry) throws {
        let definition = try words.definition(registry)
        let experiment = try Experiment(definition, dataDirectory: words.dataOptions.dataDirectory)
        let preview = try ExperimentPreview(
            experiment, results: resultsOptions.folder, threads: threadOptions.count)

        print("# \(definition.name): the definition, with every default\n\(definition.resolvedText)")
        print(([preview.dataLine] + (preview.classLine.map { [$0] } ?? []) + preview.treatmentLines + preview.ownDataLines + preview.notes.map { "note: \($0)" }).joined(separator: "\n") + "\n")
        var models = TextTable([TextTable.Column("model", .left)] + ["parameters", "MACs", "memory (MB)"].map { TextTable.Column($0) })
        for model in preview.models {
            models.append([model.name, grouped(model.parameters), grouped(model.multiplyAdds), grouped(model.byteCount >> 20)])
        }
        print(models.text(width: wideOption.width) + "\n")
        printProposals(experiment, preview)
        if definition.sweep != nil {
            let plan = try SweepPlan(words.written(registry), change: words.change)
            let experiments = try plan.check(dataDirectory: words.dataOptions.dataDirectory)
            for note in plan.notes(about: experiments) where !preview.notes.contains(note) { print("note: \(note)") }
            print("sweep: \(grouped(plan.entries.count)) trials; harness sweep \(words.experiment) --dry-run lists them")
            return
        }
        let haveSources = preview.trials.contains { $0.source != nil }
        var trials = TextTable((["trial", "state"] + (haveSources ? ["starts from"] : [])).map { TextTable.Column($0, .left) })
        for trial in preview.trials { trials.append([trial.name, trial.state] + (haveSources ? [trial.source ?? ""] : [])) }
        print(trials.text(width: wideOption.width))
        if let line = definition.ensembleLine { print("\n\(line)") }
    }

    /// Which widths meet the first model's budget, where the definition has `match`.
    private func printProposals(_ experiment: Experiment, _ preview: ExperimentPreview) {
        let proposals = experiment.widthProposals
        guard let budget = proposals.first?.budget, let match = experiment.definition.match else { return }
        let name = match == .parameters ? "parameters" : "MACs"
        print("match: \(preview.models[0].name) has \(grouped(budget)) \(name); nearest to it are")
        for proposal in proposals {
            let deviation = 100 * (Double(proposal.count) / Double(proposal.budget) - 1)
            print("  \(proposal.keyPath)=\(proposal.width)  \(grouped(proposal.count)) (\(deviation < 0 ? "−" : "+")\(decimals(abs(deviation), 1))%)")
        }
        print()
    }
}
