import ArgumentParser
import Configuration
import Experiments
import Measures
import Reports

struct CompareCommand: DefinitionCommand {
    static let configuration = CommandConfiguration(
        commandName: "compare",
        abstract: "Compare the finished runs under some folders: mean and 95% confidence interval over seeds, paired tests.",
        discussion: """
            Runs that differ by their seed alone make a row. Every row is compared with the baseline, seed by seed: mean difference, its 95% \
            confidence interval, and an exact paired permutation test with Holm's correction. A KEY is one of the definition, in full or by \
            its end (train.epochs, width), or model, experiment, seed.

            Metrics: test_, val_ or train_ and a measure of the runs' task, such as test_accuracy, val_loss or train_loss; \
            \(Metric.others.map(\.rawValue).joined(separator: ", ")). Of classifications whose files keep logits also, after test_ or val_: top and a number \
            with _accuracy, as in top5_accuracy; \(ScoreMeasure.names.filter { !$0.hasPrefix("top") }.joined(separator: ", ")).

            Examples:
              harness compare vit_vs_resnet
              harness compare heads attention_scale --metric val_loss --format markdown
              harness compare initialization --by initialization deviation activation depth --metric test_accuracy,activation_gain,predicted_activation_gain
              harness compare vit_vs_resnet --metric test_accuracy,test_top5_accuracy,test_macro_f1,test_auc,test_ece,test_brier,test_nll
              harness compare vit_vs_resnet --plot
              harness compare vit_vs_resnet --where model=vit --by train.epochs --paired-images
              harness compare depth_and_rate --by depth learning_rate --where model=vit --baseline depth=4
            """)

    @Argument(help: ArgumentHelp("Paths, or names in Results.", valueName: "folder"), completion: Completion.run)
    var folders: [String]

    @OptionGroup var comparisonOptions: ComparisonOptions

    @Flag(help: "A column for each key that differs between rows, and no other.")
    var onlyChanged = false

    @Flag(help: "Draw the learning curves of the rows, means over their runs: the loss in training, and the metric in validation.")
    var plot = false

    @Flag(help: ArgumentHelp(
        "Compare two rows image by image too: McNemar's test, and the bootstrap over test images.",
        discussion: "Runs pair by their seed. With --format csv or json these pairs are all that is printed."))
    var pairedImages = false

    @Option(help: "\(Comparison.Format.allCases.map(\.rawValue).joined(separator: ", ")).")
    var format = Comparison.Format.table

    @OptionGroup var wideOption: WideOption

    func validate() throws {
        if plot, format != .table, format != .markdown { throw ValidationError("--plot: found --format \(format.rawValue), expected table or markdown, in which curves can be drawn") }
    }

    func run(_ registry: Registry) throws {
        let workspace = Workspace.current
        var options = comparisonOptions.options(registry)
        (options.onlyChanged, options.readsEpochs) = (onlyChanged, plot)
        let comparison = try Comparison(under: folders.flatMap { try workspace.comparable($0, registry: registry) }, options: options)
        let pairs = try pairedImages ? comparison.pairedImages().rendered(as: format, width: wideOption.width) : nil
        let isText = format != .csv && format != .json
        if isText || pairs == nil { print(try comparison.rendered(as: format, width: wideOption.width)) }
        if let pairs { print((isText ? "\n" : "") + pairs) }
        if plot {
            let curves = comparison.plots(width: wideOption.width)
            print(format == .markdown ? "\n```\n\(curves)\n```" : "\n\(curves)")
        }
        for note in comparison.notes { HarnessProgram.say(note) }
    }
}

extension Comparison {
    /// The table at the end of `run` and `sweep`, with all that there is to say about it.
    ///
    /// - Parameter width: how many characters a line may have; nil for any number.
    func printAll(width: Int?) throws {
        print(([try rendered(as: .table, width: width)] + notes.flatMap { broken($0, width: width) }).joined(separator: "\n"))
    }
}

extension Metric: ExpressibleByArgument {}
extension Comparison.Format: ExpressibleByArgument {}
