import Checksums
import Configuration
import Models
import TensorCore
import Training
import VisionData

/// What a trial's result depends on, but for its seed, as text: for its hash and for the definition that its run keeps.
struct TrialText: Sendable {
    /// A part of a definition in its canonical form, and as an entry of the definition that is kept.
    fileprivate struct Part: Sendable {
        let identity: String
        let entry: String

        init(_ key: String, _ node: ConfigurationNode, identity: ConfigurationNode) {
            self.identity = YAML.line(identity, .json)
            entry = YAML.entry(key, node, .json, indentation: 2)
        }
    }

    fileprivate let data, train, model: Part
    let precision: String
    /// In JSON, as it was written and what of it counts; nil for the default.
    let task: (written: String?, identity: String?)
    let match: String?
    /// What a run keeps, and what is no part of its identity.
    let remarks: Remarks

    /// SHA-256 over the canonical form of what differs from the defaults: JSON on one line with keys in alphabetical order.
    func digest(seed: Int) -> String {
        let digest = SHA256()
        let precision = precision == Precision.fp32.rawValue ? "" : #""precision": "\#(precision)", "#
        let task = task.identity.map { #", "task": \#($0)"# } ?? ""
        digest.update(#"{"data": \#(data.identity), "model": \#(model.identity), \#(precision)"seed": \#(seed)\#(task), "train": \#(train.identity)}"#)
        return digest.finish()
    }

    /// The definition of one trial with every default filled in, JSON on several lines.
    ///
    /// - Parameter others: what is said about it in the place of the definition's remarks.
    func definition(seed: Int, saying others: Remarks? = nil) -> String {
        let remarks = (others ?? remarks).entries
        func said(_ key: String) -> String? { remarks.first { $0.key == key }.map { "  \"\(key)\": \(YAML.line($0.node, .json))" } }
        let entries = [
            data.entry, match.map { #"  "match": "\#($0)""# }, said("measures"), model.entry, said("note"), #"  "precision": "\#(precision)""#,
            "  \"seeds\": [\(seed)]", said("tags"), task.written.map { #"  "task": \#($0)"# }, train.entry,
        ]
        return "{\n\(entries.compactMap(\.self).joined(separator: ",\n"))\n}\n"
    }
}

/// Makes texts, and makes the parts anew that differ from those it made last: neighbouring cells of a sweep share most of them.
struct TrialTexts {
    private var data: (value: DataConfiguration, part: TrialText.Part)?
    private var train: (value: TrainConfiguration, part: TrialText.Part)?
    private var models: [String: (value: ModelDefinition, part: TrialText.Part)] = [:]

    mutating func text(
        model: Definition.Model, data: DataConfiguration, train: TrainConfiguration, precision: String,
        task: (written: ConfigurationNode?, identity: ConfigurationNode?), match: String?, remarks: Remarks
    ) -> TrialText {
        if self.data?.value != data { self.data = (data, TrialText.Part("data", data.node, identity: data.identity)) }
        if self.train?.value != train { self.train = (train, TrialText.Part("train", train.node, identity: train.identity)) }
        if models[model.name]?.value != model.definition {
            let node = ConfigurationNode.map([(model.name, model.definition.node)])
            models[model.name] = (model.definition, TrialText.Part("models", node, identity: model.definition.identity))
        }
        return TrialText(
            data: self.data!.part, train: self.train!.part, model: models[model.name]!.part, precision: precision,
            task: (task.written.map { YAML.line($0.withQuotedWords, .json) }, task.identity.map { YAML.line($0, .json) }), match: match, remarks: remarks)
    }
}
