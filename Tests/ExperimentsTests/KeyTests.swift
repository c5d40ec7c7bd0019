import Configuration
import Testing

@testable import Experiments

/// What holds for every key of definitions, those to come included.
@Suite struct KeyTests {
    /// Of a definition with little in it, and whatever else is said.
    private static func hash(_ words: [String]) throws -> String {
        let text = """
            data: {name: digits}
            models: {m: {mlp: {}}, other: {mlp: {}, train: {init_from: null, distill: null}}}
            """
        var root = try YAML.node(text) { SourceMark(file: "x.yaml", line: $0) }
        for word in words { try Override(word: word).apply(to: &root) }
        return try Definition(root, name: "x").trials[0].hash
    }

    /// A key with a default, below a value that has nothing else.
    struct Case: CustomStringConvertible, Sendable {
        /// Sets the map around the key.
        let base: String
        let assignment: String
        var description: String { "\(base) \(assignment)" }
    }

    /// Every key with a default, at the place where the map around it has what it needs.
    static let cases: [Case] = {
        /// - Parameter wrap: a map's text as an override.
        func below(_ keys: [OptionDescription], needed: String, _ wrap: @escaping (String) -> String) -> [Case] {
            keys.flatMap { key -> [Case] in
                let inner = { (text: String) in wrap([needed, "\(key.name): \(text)"].filter { !$0.isEmpty }.joined(separator: ", ")) }
                let own = key.defaultText.map { [Case(base: wrap(needed), assignment: inner($0))] } ?? []
                // Names under a key are choices, and keys under a map are keys; both are written as a map.
                let required = key.name == "step" ? "every: 1" : key.name == "init_from" ? "model: other" : key.children.filter(\.isRequired).map { "\($0.name): \(stand(in: $0))" }.joined(separator: ", ")
                // What is required stands among what is needed, and is no map to add to.
                return own + (key.children.isEmpty || key.isRequired || key.name == "augment" ? [] : below(key.children, needed: required) { inner("{\($0)}") })
            }
        }
        func stand(in key: OptionDescription) -> String {
            switch key.name {
            case "depth": "20"
            case "heads", "patch": "4"
            case "width": "8"
            case "backbone": "{resnet: {depth: 8, cut_after: stage1}}"
            case "transformer": "{width: 8, depth: 1, heads: 4}"
            case "cut_after": "stage1"
            case "path": "a.h5"
            case "teacher": "other"
            default: "1"
            }
        }
        var cases: [Case] = []
        for key in Definition.keys() {
            switch key.name {
            case "train": cases += below(key.children, needed: "") { "train={\($0)}" }
            case "data":
                // Some need another data set, or numbers of a channel.
                let keys = key.children.filter { !["name", "hdf5", "folder", "numpy", "coco", "fashion_scenes", "shapes_3d", "sequences_1d", "size", "normalization"].contains($0.name) }
                cases += below(keys, needed: "name: digits") { "data={\($0)}" }
                for source in key.children where ["folder", "numpy", "coco"].contains(source.name) {
                    cases += below(source.children, needed: "path: a.h5") { "data={\(source.name): {\($0)}}" }
                }
                for source in key.children where ["fashion_scenes", "shapes_3d", "sequences_1d"].contains(source.name) {
                    cases += below(source.children, needed: "") { "data={\(source.name): {\($0)}}" }
                }
                for size in key.children where size.name == "size" {
                    cases += below(size.children, needed: "") { "data={folder: a, size: {\($0)}}" }
                }
            case "models":
                for family in key.children[0].children where !family.isRequired && family.name != "head" && family.name != "tokens" {
                    let required = family.children.filter(\.isRequired).map { "\($0.name): \(stand(in: $0))" }.joined(separator: ", ")
                    cases += below(family.children.filter { !["widths", "schedule", "backbone"].contains($0.name) }, needed: required) {
                        "models.m={\(family.name): {\($0)}}"
                    }
                }
                let hybrid = "backbone: {resnet: {depth: 8, cut_after: stage1}}, transformer: {width: 8, depth: 1, heads: 4}"
                let parts = key.children[0].children.filter { ["head", "tokens"].contains($0.name) }
                cases += below(parts, needed: hybrid) { "models.m={\($0)}" }
            default: break
            }
        }
        return cases
    }()

    @Test func manyKeysAreTried() { #expect(Self.cases.count > 100, "\(Self.cases.count)") }

    @Test(arguments: cases) func aDefaultWrittenOutChangesNoHash(_ tried: Case) throws {
        #expect(try Self.hash([tried.assignment]) == Self.hash([tried.base]))
    }

    /// Keys that come later change none of these.
    @Test(arguments: [
        ("models.m={mlp: {}}", "22213bd1"), ("models.m={resnet: {depth: 20}}", "65d5154d"), ("models.m={lenet5: {}}", "df8cd7b2"),
        ("models.m={vit: {patch: 4, width: 8, depth: 1, heads: 2}}", "7b98328e"), ("models.m={logistic_regression: {}}", "96420180"),
        ("models.m={backbone: {plain: {depth: 8, cut_after: stem}}, transformer: {width: 8, depth: 1, heads: 2}}", "c0cfbc55"),
        ("train={optimizer: adamw, schedule: cosine, early_stopping: {}}", "87dda558"), ("train={optimizer: sgd, schedule: {step: {every: 1}}}", "1f81724f"),
        ("data={name: mnist, augment: [{shift: 2}, horizontal_flip, random_erasing], normalization: none}", "4b813834"),
    ])
    func aKeyThatIsAddedChangesNoHash(override: String, hash: String) throws {
        let found = try Self.hash([override])
        #expect(found == hash)
    }

    @Test func everyKeyIsDocumented() {
        func check(_ keys: [OptionDescription], _ path: String) {
            for key in keys {
                #expect(key.documentation.last == "." && key.documentation.count > 8, "\(path).\(key.name)")
                #expect(!key.kind.isEmpty)
                check(key.children, "\(path).\(key.name)")
            }
        }
        check(Definition.keys(), "")
        #expect(Definition.keys().map(\.name).sorted() == ["data", "ensembles", "extends", "match", "measures", "models", "note", "precision", "seeds", "sweep", "tags", "task", "train"])
    }
}
