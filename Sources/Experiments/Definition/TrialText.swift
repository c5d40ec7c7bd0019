import Checksums
import Configuration
import Models
import Training
import VisionData

/// What a trial's result depends on, but for its seed, as text: for its hash and for the definition that its run keeps.
struct TrialText: Sendable {
    /// A part of a definition in its canonical form, and as an entry of the definition that is kept.
    fileprivate struct Part: Sendable {
        let json: String
        let entry: String

        /// - Parameters:
        ///   - name: nil where the part is the whole entry; of a model its name, under which the entry has it.
        ///   - identity: `value` without what only makes a definition clear.
        init<Value: Encodable & Equatable>(_ key: String, name: String? = nil, _ value: Value, identity: Value) {
            let text = YAML.json(value)
            json = identity == value ? text : YAML.json(identity)
            var node = YAML.node(ofJSON: text)
            if let name { node = ConfigurationNode(.map([.init(key: name, mark: node.mark, node: node)]), mark: node.mark) }
            entry = YAML.entry(key, node, .json, indentation: 2)
        }
    }

    fileprivate let data, train, model: Part
    let precision: String
    let match: String?

    /// SHA-256 over the canonical form: JSON on one line with keys in alphabetical order.
    func digest(seed: Int) -> String {
        let digest = SHA256()
        digest.update(#"{"data":\#(data.json),"model":\#(model.json),"precision":"\#(precision)","seed":\#(seed),"train":\#(train.json)}"#)
        return digest.finish()
    }

    /// The definition of one trial with every default filled in, JSON on several lines.
    func definition(seed: Int) -> String {
        let entries = [
            data.entry, match.map { #"  "match": "\#($0)""# }, model.entry, #"  "precision": "\#(precision)""#, "  \"seeds\": [\(seed)]", train.entry,
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
        model: Definition.Model, data: DataConfiguration, train: TrainConfiguration, precision: String, match: String?
    ) -> TrialText {
        if self.data?.value != data { self.data = (data, TrialText.Part("data", data, identity: data.identity)) }
        if self.train?.value != train { self.train = (train, TrialText.Part("train", train, identity: train)) }
        if models[model.name]?.value != model.definition {
            models[model.name] = (model.definition, TrialText.Part("models", name: model.name, model.definition, identity: model.definition.identity))
        }
        return TrialText(
            data: self.data!.part, train: self.train!.part, model: models[model.name]!.part, precision: precision, match: match)
    }
}
