import Configuration
import Foundation
import Measures
import RunStore
import Synchronization

/// Runs side by side: a metric by model and definition, with what the seeds say about its spread and about differences.
///
/// Runs that differ by their seed, or by the fold on which they were tested, alone make a row. A row is compared with the baseline pair by pair: two runs
/// make a pair when they have the same seed (and, where `by` says what makes a row, agree in everything else). Where there are folds they make the pairs,
/// each with the mean over its seeds, and intervals and p allow for the overlap of their training sets (`PairedTest`).
public struct Comparison {
    /// What is compared, and how it is shown.
    public struct Options: Sendable {
        /// nil: of the test, what the first run's best weights were found by.
        public var metric: Metric?
        /// Further metrics, of which the table shows means alone.
        public var others: [Metric] = []
        /// Keys of the definition, or `model`, `experiment`, `seed`, that make a row; empty: everything but the seed.
        public var by: [String] = []
        /// `key=value`: only runs for which all of them hold.
        public var conditions: [String] = []
        /// Only runs that have all of these tags.
        public var tags: [String] = []
        /// The row that others are compared with; nil: the first.
        public var baseline: String?
        /// Whether each key that differs between rows gets a column.
        public var onlyChanged = false
        /// Whether the epochs of all runs are read, for curves.
        public var readsEpochs = false
        /// The models of an experiment in the order of its definition, by the experiment's name; nil where it is not known.
        public var modelOrder: @Sendable (String) -> [String]? = { _ in nil }
        /// What the loss of a run's task is, by the task as its definition says it and whether the training's loss is meant: losses of which it is not the same
        /// are different quantities.
        public var lossText: @Sendable (ConfigurationNode?, Bool) -> String = { task, _ in task.map { YAML.line($0) } ?? "classification" }

        /// What `harness compare` does unasked.
        public init() {}
    }

    struct Row {
        /// What tells the row from others: a cell for each of the table's leading columns.
        var cells: [String] = []
        /// With `by` the values of its keys, which a cell can show as they were written.
        var values: [String] = []
        /// The values of the first run's definition under the names that a table shows.
        var labelled: [String: String] = [:]
        /// All runs, finished or not.
        var runs: [Run]
        /// The runs with a value of the metric.
        var measured: [(run: Run, value: Double)] = []
        /// Where the metric is a loss, what that is in the measured runs; else none.
        var losses: Set<String> = []
        /// Against the baseline; nil for the baseline itself and where there are no pairs.
        var test: PairedTest?
        /// `test`'s p after Holm's correction over all rows.
        var correctedP: Double?

        /// The measured values; of folds the mean of each over its seeds.
        var sample = Sample(values: [])
        /// Of runs on folds, the number of test images for each training image; else 0.
        var overlap: Double {
            let counts = runs.compactMap { $0.fold?.count }
            return counts.min().map { 1 / Double($0 - 1) } ?? 0
        }
        /// What the row is called in sentences.
        var label = ""
        /// The same with numbers as the definition of the run has them, where a sweep wrote them otherwise.
        var plainLabel = ""
        var experiment: String { names(\.experiment) }
        /// What the runs' definitions say about them, each once.
        var notes: [String] { distinct(runs.compactMap(\.keys.note)) }
        var tags: [String] { distinct(runs.flatMap(\.keys.tags)) }

        private func distinct(_ texts: [String]) -> [String] { texts.reduce(into: []) { if !$0.contains($1) { $0.append($1) } } }
        var model: String { names(\.model) }

        /// What all runs agree in, or nil.
        func common(_ value: KeyPath<RunSummary, Int>) -> Int? {
            let values = Set(runs.map { $0.summary[keyPath: value] })
            return values.count == 1 ? values.first : nil
        }

        private func names(_ name: KeyPath<RunDescription, String>) -> String {
            Set(runs.map { $0.summary.description[keyPath: name] }).sorted().joined(separator: " ")
        }
    }

    struct Run {
        let summary: RunSummary
        let keys: RunKeys
        /// The values that a sweep varied, by their paths, as they were written.
        let written: [String: String]
        /// What is equal in runs that differ by their seed, or their fold, alone.
        let definition: String
        /// On which fold it was tested; nil for the data set's own test images.
        let fold: RunFold?

        /// - Parameter swept: the values that a sweep varied, under the paths of its definition.
        init(_ summary: RunSummary, swept: [String: String]) {
            self.summary = summary
            var keys = RunKeys(summary.description)
            written = keys.own(swept: swept)
            keys.add(swept: written)
            definition = keys.rest(without: ["seed", RunFold.key])
            fold = RunFold(keys)
            self.keys = keys
        }

        /// A value of the definition: as it was written, where it is a number that a sweep set.
        func shown(_ path: String) -> String? {
            guard let value = keys.values[path] else { return nil }
            guard let text = written[path], let number = Double(value), Double(text) == number else { return value }
            return text
        }
    }

    let options: Options
    /// The titles of the leading columns.
    private(set) var titles: [String] = []
    private(set) var rows: [Row] = []
    private(set) var baseline: Int?
    /// What was left out and why, and what to beware of, one sentence each.
    public private(set) var notes: [String] = []
    /// Runs that were tested as one.
    private(set) var ensembles: [EnsembleRow] = []
    /// What is wrong with runs that cannot be read, one sentence each.
    private(set) var damages: [String] = []

    let metric: Metric
    /// What is compared where nothing else was asked for.
    let usualMetric: Metric
    /// What is measured by any of the runs, each once.
    let measures: [Measure]
    /// Further metrics of which the table shows means: those that were asked for, or without any the metric of averaged weights.
    var others: [Metric] {
        guard options.others.isEmpty, case .test(let name) = metric else { return options.others }
        return WeightAverage.all(in: measures).map { Metric.test($0.name(name)) }.filter(Metric.known(measures).contains)
    }

    /// The finished runs under some paths.
    ///
    /// - Throws: `.noInput` when a path is not there or there is no finished run below the paths, `.usage` for keys, values and a baseline that
    ///   do not occur and for runs that have nothing in common.
    public init(under paths: [String], options: Options = Options()) throws {
        var seen: Set<RunFolder> = []
        let folders = try paths.flatMap { try RunFolder.runs(of: $0) }.filter { seen.insert($0).inserted }
        guard !folders.isEmpty else { throw UserError(.noInput, "there are no runs under \(paths.joined(separator: ", "))") }
        try self.init(folders, options: options, isSorted: true)
        guard rows.contains(where: { !$0.measured.isEmpty || $0.runs.contains { $0.summary.leavesUndefined(metric) } }) else {
            if !damages.isEmpty { throw UserError(.data, damages.joined(separator: "\n")) }
            let reasons = notes.prefix(8).map { "\n\($0)" }.joined()
            throw UserError(.noInput, "no finished run under \(paths.joined(separator: ", ")) has a \(metric.rawValue)\(reasons)")
        }
        try requireCommonData()
    }

    /// The runs of these folders, as far as they were begun.
    ///
    /// - Parameter isSorted: whether rows are in the order of the definition, their names and values; else they are in the order of the folders.
    /// - Throws: `.data` (or `.io`) when none of the runs can be read; as long as one can, the others are left out and named in `notes`.
    public init(_ folders: [RunFolder], options: Options = Options(), isSorted: Bool = false) throws {
        self.options = options
        // What the system does not let read now may be whole.
        var damageKind = UserError.Kind.io
        var runs: [Run] = [], plans = Plans(modelOrder: options.modelOrder), places: [String: Place] = [:]
        let begun = folders.filter(\.hasRun), swept = begun.map { plans.writtenValues(of: $0) }
        let asked = [options.metric].compactMap(\.self) + options.others, readsEpochs = options.readsEpochs || asked.contains(where: \.isOfEpochs)
        for (folder, result) in zip(begun, Self.read(begun, swept: swept, readsEpochs: readsEpochs, scoring: asked)) {
            do {
                let run = try result.get()
                runs.append(run)
                if isSorted { places[folder.path] = plans.place(of: run.summary) }
                if let damage = run.summary.machineDamage { notes.append("\(run.summary.name) has no times: \(damage)") }
            } catch let error as UserError {
                let sentence = "\(error)".replacing("\n", with: "; ")
                damages.append(sentence)
                if error.kind != .io { damageKind = .data }
                notes.append("\((folder.path as NSString).lastPathComponent) is left out: \(sentence)")
            }
        }
        if runs.isEmpty, !damages.isEmpty { throw UserError(damageKind, damages.joined(separator: "\n")) }
        let measured = runs.flatMap(\.summary.description.measures).reduce(into: [Measure]()) { if !$0.contains($1) { $0.append($1) } }
        let classCounts = runs.compactMap(\.summary.description.classes)
        let scored = asked.compactMap { $0.score(measured)?.measure }.reduce(into: [ScoreMeasure]()) { if !$0.contains($1) { $0.append($1) } }
        measures = measured + (classCounts.isEmpty ? [] : scored.map(\.measure))
        usualMetric = .test(runs.first?.summary.description.monitored ?? Measure.lossName)
        metric = options.metric ?? usualMetric
        if !runs.isEmpty { try requireKnown([metric] + options.others, hasClasses: !classCounts.isEmpty) }
        try Self.require(scored, ofClasses: classCounts.max())
        runs = try tagged(meetingConditions(runs))
        try group(runs)
        nameRows()
        if isSorted { rows = sortedRows(places) }
        measure()
        try testAgainstBaseline()
        notes += cautions()
        guard options.by.isEmpty else { return }
        let found = Self.ensembles(of: rows.flatMap(\.runs), scoring: [metric] + others)
        ensembles = found.rows
        notes += found.notes
    }

    /// - Throws: `.usage` when no run measures one of the metrics.
    private func requireKnown(_ metrics: [Metric], hasClasses: Bool) throws {
        let measured = Metric.known(measures), computed: [Metric] = hasClasses ? ScoreMeasure.names.flatMap { [.test($0), .validation($0)] } : []
        let known = measured + computed.filter { !measured.contains($0) }
        for metric in metrics where !known.contains(metric) {
            throw UserError(.usage, "unknown metric '\(metric.rawValue)'\(suggestion(for: metric.rawValue, among: known.map(\.rawValue)))")
        }
    }

    /// - Throws: `.usage` for the accuracy of more classes than there are.
    private static func require(_ scores: [ScoreMeasure], ofClasses count: Int?) throws {
        for case .topAccuracy(let k) in scores {
            guard let count, k > count else { continue }
            throw UserError(.usage, "--metric: top\(k)_accuracy is of the \(grouped(k)) largest logits, expected at most \(grouped(count)), the number of classes")
        }
    }

    /// Reads runs on several threads: what takes long is their digests and definitions.
    private static func read(_ folders: [RunFolder], swept: [[String: String]], readsEpochs: Bool, scoring metrics: [Metric]) -> [Result<Run, any Error>] {
        let results = Mutex([Int: Result<Run, any Error>]())
        SystemThread.forEach(below: folders.count) { index in
            let result = Result { Run(try RunSummary(folders[index], readsEpochs: readsEpochs, scoring: metrics), swept: swept[index]) }
            results.withLock { $0[index] = result }
        }
        let all = results.withLock { $0 }
        return folders.indices.map { all[$0]! }
    }

    // MARK: Rows

    private func meetingConditions(_ runs: [Run]) throws -> [Run] {
        try options.conditions.reduce(runs) { runs, word in
            guard let equals = word.firstIndex(of: "="), equals != word.startIndex else {
                throw UserError(.usage, "--where: expected key=value, found '\(word)'")
            }
            let key = String(word[..<equals]), value = String(word[word.index(after: equals)...])
            let found = try runs.map { run in try run.keys.path(key).flatMap { run.keys.values[$0] } }
            try requireKnown(key, "--where", in: runs)
            let kept = zip(runs, found).filter { $1.map { Self.isSame($0, value) } ?? false }.map(\.0)
            guard !kept.isEmpty || runs.isEmpty else {
                let values = Set(found.compactMap { $0 }).sorted().joined(separator: ", ")
                throw UserError(.noInput, "--where: no run has \(key)=\(value); there are: \(values)")
            }
            return kept
        }
    }

    private func tagged(_ runs: [Run]) throws -> [Run] {
        try options.tags.reduce(runs) { kept, tag in
            let found = kept.filter { $0.keys.tags.contains(tag) }
            guard found.isEmpty, !kept.isEmpty else { return found }
            let known = Set(kept.flatMap(\.keys.tags)).sorted()
            let hint = known.isEmpty ? "; none of them has one" : "; there are: \(known.joined(separator: ", "))"
            throw UserError(.noInput, "--tag: no run has the tag '\(tag.shortened())'\(hint)")
        }
    }

    private func requireKnown(_ key: String, _ option: String, in runs: [Run]) throws {
        if runs.isEmpty { return }
        for run in runs where try run.keys.path(key) != nil { return }
        let known = Set(runs.flatMap { $0.keys.values.keys.flatMap { [$0, String($0.split(separator: ".").last ?? "")] } })
        let hint = nearest(to: key, among: known).map { "; did you mean '\($0)'?" } ?? ""
        throw UserError(.usage, "\(option): no run has a key '\(key)'\(hint)")
    }

    private static func isSame(_ a: String, _ b: String) -> Bool {
        if let a = Double(a), let b = Double(b) { return a == b }
        return a == b
    }

    /// Makes rows in the order in which runs come; a trial that comes twice counts once.
    private mutating func group(_ runs: [Run]) throws {
        for key in options.by { try requireKnown(key, "--by", in: runs) }
        var positions: [String: Int] = [:], trials: [String: RunSummary] = [:]
        for run in runs {
            let experiment = options.by.isEmpty ? run.summary.description.experiment : ""
            let trial = "\(experiment)\n\(run.summary.description.seed) \(run.fold?.index ?? 0)\n\(run.definition)"
            if let twin = trials[trial] {
                let isSame = twin.description.dataDigest == run.summary.description.dataDigest
                notes.append("\(run.summary.folder.path): \(isSame ? "the same trial as" : "the definition and the seed of") \(twin.folder.path)\(isSame ? "" : ", but other images"), left out")
                continue
            }
            trials[trial] = run.summary
            let row = try options.by.isEmpty
                ? "\(experiment)\n\(run.definition)" : byValues(run).joined(separator: "\n")
            if let position = positions[row] {
                rows[position].runs.append(run)
            } else {
                positions[row] = rows.count
                rows.append(Row(runs: [run]))
            }
        }
        func place(_ run: Run) -> (Int, Int) { (run.summary.description.seed, run.fold?.index ?? 0) }
        for index in rows.indices { rows[index].runs.sort { place($0) < place($1) } }
    }

    private func byValues(_ run: Run) throws -> [String] {
        try options.by.map { key in try run.keys.path(key).flatMap { run.keys.values[$0] } ?? none }
    }

    /// Gives rows their leading columns.
    private mutating func nameRows() {
        if !options.by.isEmpty {
            titles = options.by
            for index in rows.indices { rows[index].values = (try? byValues(rows[index].runs[0])) ?? [] }
            let shown = options.onlyChanged
                ? titles.indices.filter { column in Set(rows.map { $0.values[column] }).count > 1 } : Array(titles.indices)
            titles = shown.map { options.by[$0] }
            for index in rows.indices {
                let row = rows[index]
                rows[index].cells = shown.map { Self.shown(options.by[$0], in: row) ?? row.values[$0] }
                func label(_ cells: [String]) -> String { zip(titles, cells).map { "\($0)=\($1)" }.joined(separator: " ") }
                rows[index].label = label(rows[index].cells)
                rows[index].plainLabel = label(shown.map { row.values[$0] })
            }
            return
        }
        let descriptions = rows.map { $0.runs[0].summary.description }
        for index in rows.indices { rows[index].labelled = rows[index].runs[0].keys.labelled(withSources: false) }
        // Rows that differ in nothing else differ in what their trials start from.
        let names = zip(descriptions, rows).map { "\($0.experiment)\n\($0.model)\n\($1.labelled.sorted { $0.key < $1.key })" }
        let withSources = Set(names).count < rows.count
        if withSources { for index in rows.indices { rows[index].labelled = rows[index].runs[0].keys.labelled(withSources: true) } }
        let labelled = rows.map(\.labelled)
        let texts = rows.map { row in row.runs[0].keys.labelled(withSources: withSources) { row.runs[0].shown($0) } }
        let choices = Set(rows.flatMap { $0.runs[0].keys.labelledChoices })
        let differing = Self.differingKeys(labelled, choices), differingNames = Self.shortNames(differing)
        let differences = Self.differences(descriptions, labelled, choices, as: texts)
        let plainDifferences = Self.differences(descriptions, labelled, choices, as: labelled)
        let hasExperiments = Set(descriptions.map(\.experiment)).count > 1
        let hasDifferences = !options.onlyChanged && differences.contains { !$0.isEmpty }
        titles = (hasExperiments ? ["experiment"] : []) + ["model"] + (hasDifferences ? ["definition"] : []) + (options.onlyChanged ? differingNames : [])
        for index in rows.indices {
            func cells(_ difference: String, _ values: [String: String]) -> [String] {
                (hasExperiments ? [descriptions[index].experiment] : []) + [descriptions[index].model] + (hasDifferences ? [difference] : [])
                    + (options.onlyChanged ? differing.map { values[$0] ?? none } : [])
            }
            func label(_ cells: [String]) -> String { cells.filter { !$0.isEmpty }.joined(separator: " ") }
            rows[index].cells = cells(differences[index], texts[index])
            rows[index].label = label(rows[index].cells)
            rows[index].plainLabel = label(cells(plainDifferences[index], labelled[index]))
        }
    }

    /// The value of a key that makes a row, as its runs' sweeps wrote it; nil where they do not agree in that.
    private static func shown(_ key: String, in row: Row) -> String? {
        let texts = Set(row.runs.map { run in (try? run.keys.path(key)).flatMap { $0 }.flatMap(run.shown) })
        return texts.count == 1 ? texts.first! : nil
    }

    /// The keys whose values differ, but for options that do so only because the choice above them does: an optimizer's ε among optimizers.
    static func differingKeys(_ definitions: [[String: String]], _ choices: Set<String>) -> [String] {
        func differs(_ key: String, in definitions: [[String: String]]) -> Bool { Set(definitions.map { $0[key] ?? "" }).count > 1 }
        return Set(definitions.flatMap(\.keys)).sorted().filter { key in
            guard differs(key, in: definitions) else { return false }
            // Where choices lie within choices, the innermost counts.
            guard let choice = choices.filter({ key.hasPrefix($0 + ".") }).max(by: { $0.count < $1.count }) else { return true }
            return Dictionary(grouping: definitions) { $0[choice] }.values.contains { differs(key, in: $0) }
        }
    }

    /// For rows of one experiment and model, the values in which they differ, such as `train.epochs=4`.
    private static func differences(
        _ descriptions: [RunDescription], _ definitions: [[String: String]], _ choices: Set<String>, as texts: [[String: String]]
    ) -> [String] {
        var result = [String](repeating: "", count: descriptions.count)
        let twins = Dictionary(grouping: descriptions.indices) { [descriptions[$0].experiment, descriptions[$0].model] }
        for indices in twins.values where indices.count > 1 {
            let keys = differingKeys(indices.map { definitions[$0] }, choices)
            let names = shortNames(keys)
            for index in indices {
                result[index] = zip(keys, names).compactMap { key, name in
                    if let value = texts[index][key] { return "\(name)=\(value)" }
                    // An option that only another choice has.
                    let isOfOther = choices.contains { choice in
                        key.hasPrefix(choice + ".") && !indices.contains { definitions[$0][key] != nil && definitions[$0][choice] == definitions[index][choice] }
                    }
                    return isOfOther ? nil : "\(name)=\(none)"
                }.joined(separator: " ")
            }
        }
        return result
    }

    /// The last parts of dotted keys, as far as they tell them apart.
    private static func shortNames(_ keys: [String]) -> [String] {
        let last = keys.map { String($0.split(separator: ".").last ?? "") }
        return zip(keys, last).map { key, name in last.count { $0 == name } == 1 ? name : key }
    }

    // MARK: Values

    private mutating func measure() {
        let stopped = rows.reduce(0) { $0 + $1.runs.count { $0.summary.state == .stopped } }
        if stopped > 0 { notes.append("\(grouped(stopped)) trials were stopped early, because others did better") }
        for index in rows.indices {
            for run in rows[index].runs where run.summary.state != .stopped {
                if !metric.isOfTheStart, let shortcoming = run.summary.shortcoming {
                    notes.append("\(run.summary.name) \(shortcoming)")
                } else if let value = metric.value(of: run.summary), value.isFinite {
                    rows[index].measured.append((run, value))
                } else {
                    let reason = absence(of: metric, in: run).map { ": \($0)" } ?? run.summary.reason(forLacking: metric)
                    notes.append("\(run.summary.name) has no \(metric.rawValue)\(reason)")
                }
            }
            let row = rows[index]
            rows[index].losses = Set(row.measured.compactMap { lossText(of: $0.run) })
            rows[index].sample = hasFolds
                ? Sample(values: units(of: row).sorted { $0.key < $1.key }.map { Sample(values: $0.value.sorted { $0.key < $1.key }.map(\.value)).mean }, overlap: row.overlap) : Sample(values: row.measured.map(\.value))
        }
    }

    /// Whether a row holds runs on several folds.
    var hasFolds: Bool { rows.contains { Set($0.runs.compactMap { $0.fold?.index }).count > 1 } }

    private mutating func testAgainstBaseline() throws {
        guard let baseline = try baselineRow() else { return }
        self.baseline = baseline
        let paths = pairingPaths(baseline)
        for index in rows.indices where index != baseline && areComparable(rows[index], rows[baseline]) {
            let found = units(of: rows[index], by: paths[index]), reference = units(of: rows[baseline], by: paths[index])
            let differences = found.sorted { $0.key < $1.key }.compactMap { unit, values -> Double? in
                let others = reference[unit] ?? [:]
                let differences = values.sorted { $0.key < $1.key }.compactMap { seed, value in others[seed].map { value - $0 } }
                return differences.isEmpty ? nil : Sample(values: differences).mean
            }
            let overlap = hasFolds ? max(rows[index].overlap, rows[baseline].overlap) : 0
            if !differences.isEmpty { rows[index].test = PairedTest(differences, overlap: overlap) }
        }
        let tested = rows.indices.filter { rows[$0].test.map { $0.differences.count > 1 } ?? false }
        for (index, p) in zip(tested, holmCorrected(tested.map { rows[$0].test!.p })) { rows[index].correctedP = p }
    }

    /// The classes of a row's test images, where the definition names some: a difference between rows with others says nothing.
    func testedClasses(_ row: Row) -> String? { row.runs.first?.keys.values["data.classes"] }

    /// What the metric is in a run; nil where it is no loss.
    func lossText(of run: Run) -> String? {
        guard metric.measureName == Measure.lossName else { return nil }
        return options.lossText(run.keys.task, metric == .training(Measure.lossName))
    }

    /// Whether the metric is one quantity in all rows.
    var isOneQuantity: Bool { rows.reduce(into: Set<String>()) { $0.formUnion($1.losses) }.count <= 1 }

    /// Whether a difference between two rows says something: they were tested on the same classes, and by one loss, if by a loss.
    func areComparable(_ row: Row, _ other: Row) -> Bool { testedClasses(row) == testedClasses(other) && row.losses.union(other.losses).count <= 1 }

    private func baselineRow() throws -> Int? {
        guard let name = options.baseline else { return rows.count > 1 ? rows.firstIndex { !$0.measured.isEmpty } : nil }
        let exact = rows.indices.filter { rows[$0].label == name || rows[$0].plainLabel == name }
        let candidates = !exact.isEmpty ? exact : rows.indices.filter { index in
            zip(titles, rows[index].cells).contains { title, cell in
                Self.isSame(cell, name) || (name.hasPrefix("\(title)=") && Self.isSame(cell, String(name.dropFirst(title.count + 1))))
            }
        }
        guard candidates.count == 1 else {
            let found = candidates.isEmpty ? "there is no row '\(name)'" : "'\(name)' is not one row but \(candidates.count)"
            throw UserError(.usage, "--baseline: \(found); the rows are: \(rows.map { "'\($0.label)'" }.joined(separator: ", "))")
        }
        return candidates[0]
    }

    /// For each row the paths whose values pair its runs with the baseline's, where `by` makes the rows: the seed, and of those that both have the data's
    /// and all that differ within one of the two. Another value that is the same in all runs of a row belongs to what the row is.
    private func pairingPaths(_ baseline: Int) -> [Set<String>] {
        let parts = rows.map { row -> (all: Set<String>, varying: Set<String>) in
            let runs = row.measured.map(\.run.keys)
            let all = runs.reduce(into: Set<String>()) { paths, keys in paths.formUnion(keys.rest(without: options.by.compactMap { try? keys.path($0) })) }
            return (all, all.filter { path in Set(runs.map { $0.values[path] }).count > 1 })
        }
        return parts.map { part in
            let other = parts[baseline], varying = part.varying.union(other.varying).union(["seed"])
            return part.all.intersection(other.all).intersection(varying).union(part.all.union(other.all).filter { $0.hasPrefix("data.") })
        }
    }

    /// A row's values by what pairs them with another row's: the seed, and with `by` some paths, or everything that it does not name. Where there are
    /// folds, the fold and how the folds are made take the place of the seed, and each has a value for each seed; else there is one under 0.
    private func units(of row: Row, by paths: Set<String>? = nil) -> [String: [Int: Double]] {
        let hasFolds = hasFolds
        func isFold(_ run: Run) -> Bool { hasFolds && run.fold != nil }
        let grouped = Dictionary(grouping: row.measured) { measured -> String in
            let run = measured.run
            if !options.by.isEmpty {
                let paths = paths ?? run.keys.rest(without: options.by.compactMap { try? run.keys.path($0) })
                return run.keys.text(of: isFold(run) ? paths.subtracting(["seed"]) : paths)
            }
            guard isFold(run) else { return "\(run.summary.description.seed)" }
            return [RunFold.key, "data.folds", "data.split_seed"].map { run.keys.values[$0] ?? "" }.joined(separator: " ")
        }
        return grouped.mapValues { values in
            let bySeed = Dictionary(grouping: values) { isFold($0.run) && !options.by.contains("seed") ? $0.run.summary.description.seed : 0 }
            return bySeed.mapValues { Sample(values: $0.map(\.value)).mean }
        }
    }
}
