import Configuration
import Foundation
import TestSupport
import Testing

@testable import Experiments

@Suite struct CompositionTests {
    /// A definition of several files; the first is the one that is read.
    private func compose(_ files: KeyValuePairs<String, String>, _ overrides: String...) throws -> Composition {
        try withTemporaryFolder { folder in
            let root = URL(filePath: folder)
            for (name, text) in files {
                let url = root.appending(path: name)
                try FileManager.default.createDirectory(at: url.deletingLastPathComponent(), withIntermediateDirectories: true)
                try Data(text.utf8).write(to: url)
            }
            let display = { (url: URL) in String(url.path.dropFirst(folder.count + 1)) }
            return try Composition(of: root.appending(path: files[0].key), display: display, overrides: overrides)
        }
    }

    private func error(_ files: KeyValuePairs<String, String>) -> UserError? {
        do { _ = try compose(files) } catch { return error as? UserError }
        return nil
    }

    private static let base = """
        data: {name: digits, augment: [horizontal_flip, {shift: 2}]}
        train:
          epochs: 4
          optimizer: {adamw: {learning_rate: 1e-3}}
        models: {vit: {vit: {width: 32, depth: 2}}, line: logistic-regression, both: {backbone: {resnet: {norm: {layer: {}}}}, tokens: {patch: 2}}}
        """

    @Test(arguments: [
        ("train: {epochs: 8, batch_size: 64}", "train", "{epochs: 8, optimizer: {adamw: {learning_rate: 1e-3}}, batch_size: 64}"),
        ("data: {augment: [{shift: 1}]}", "data", "{name: digits, augment: [{shift: 1}]}"),
        ("train: {optimizer: {adamw: {weight_decay: 0.1}}}", "train.optimizer", "{adamw: {learning_rate: 1e-3, weight_decay: 0.1}}"),
        ("train: {optimizer: {sgd: {momentum: 0.9}}}", "train.optimizer", "{sgd: {momentum: 0.9}}"),
        ("train: {optimizer: sgd}", "train.optimizer", "sgd"),
        ("models: {line: null, vit: {vit: {depth: 3}}, net: lenet5}", "models",
            "{vit: {vit: {width: 32, depth: 3}}, both: {backbone: {resnet: {norm: {layer: {}}}}, tokens: {patch: 2}}, net: lenet5}"),
        ("models: {vit: {mlp: {widths: [4]}}}", "models.vit", "{mlp: {widths: [4]}}"),
        ("models: {both: {head: {pool: mean}, backbone: {plain: {depth: 8}}}}", "models.both",
            "{backbone: {plain: {depth: 8}}, tokens: {patch: 2}, head: {pool: mean}}"),
        ("models: {both: {backbone: {resnet: {norm: {group: {groups: 4}}}}}}", "models.both.backbone", "{resnet: {norm: {group: {groups: 4}}}}"),
        ("models: {both: {vit: {width: 8}}}", "models.both", "{vit: {width: 8}}"),
    ])
    func mapsMergeAndListsReplace(text: String, path: String, expected: String) throws {
        let root = try compose(["x.yaml": "extends: base.yaml\n\(text)", "base.yaml": Self.base]).root
        let node = try #require(root.value(at: path.split(separator: ".").map(String.init)))
        #expect(YAML.line(node) == expected)
        #expect(root["extends"] == nil)
    }

    @Test func theLaterWins() throws {
        let files: KeyValuePairs = [
            "x.yaml": "extends: [parts/b.yaml, c.yaml]\nthree: x", "parts/b.yaml": "extends: ../a.yaml\none: b\ntwo: b\nthree: b",
            "c.yaml": "extends: a.yaml\ntwo: c\nthree: c", "a.yaml": "one: a\ntwo: a\nfour: a\nseeds: [0]",
        ]
        let composition = try compose(files, "four=word")
        #expect(YAML.line(composition.root) == "{one: a, two: c, four: word, seeds: [0], three: x}")
        #expect(composition.root["two"]?.mark.description == "c.yaml:2")
        #expect(composition.name == "x")
    }

    @Test(arguments: [
        ("/home/a/Experiments/depth.yaml", "depth"), ("/home/a/Experiments/ablations/depth.yaml", "ablations/depth"),
        ("/Experiments/a.b/c/d.e.yml", "a.b/c/d.e"), ("/home/a/mine/depth.yaml", "depth"), ("/Experiments/x/Experiments/y/z.yaml", "y/z"),
        ("/home/experiments/z", "z"), ("/home/Experiments", "Experiments"),
    ])
    func anExperimentIsNamedByItsPathBelowExperiments(path: String, name: String) {
        #expect(DefinitionFile(URL(filePath: path)).experiment == name)
    }

    @Test(arguments: [
        ("/a/Experiments/b/c.yaml", "/x/Results", "Experiments/b/c.yaml"), ("/a/c.yaml", "/a/Results", "c.yaml"), ("/a/b/c.yaml", "/a/Results", "b/c.yaml"),
        ("/a/b/c.yaml", "/a/d/Results", "../b/c.yaml"), ("/a/c.yaml", "/x/y/Results", "../../a/c.yaml"),
    ])
    func plansNameADefinitionByARelativePath(path: String, results: String, name: String) {
        #expect(DefinitionFile(URL(filePath: path)).name(results: URL(filePath: results)) == name)
    }

    @Test func loopsAndMissingFilesAreSentences() {
        #expect(error(["x.yaml": "a: 1\nextends: y.yaml", "y.yaml": "extends: z.yaml", "z.yaml": "b: 2\n\nextends: [y.yaml]"])
            == UserError(.usage, "z.yaml:3: extends: a loop: y.yaml → z.yaml → y.yaml"))
        #expect(error(["x.yaml": "extends: ./x.yaml"]) == UserError(.usage, "x.yaml:1: extends: a loop: x.yaml → x.yaml"))
        #expect(error(["x.yaml": "a: 1\nextends: bse.yaml", "base.yaml": "b: 1"])
            == UserError(.noInput, "x.yaml:2: extends: there is no file bse.yaml; did you mean 'base.yaml'?"))
        #expect(error(["x.yaml": "extends: {a: b}"]) == UserError(.usage, "x.yaml:1: extends: expected the path of a definition, found a map"))
        #expect(error(["x.yaml": "extends: base.yaml", "base.yaml": "- a"])?.message.hasPrefix("base.yaml: expected a map") == true)
    }

    @Test func errorsNameTheFileThatSaysIt() throws {
        let composition = try compose(["x.yaml": "extends: base.yaml\ntrain: {epoch: 1}", "base.yaml": Self.base.replacing("epochs: 4", with: "epochs: four")])
        let error = #expect(throws: UserError.self) { try Definition(composition) }
        #expect(error?.message.contains("base.yaml:3: train.epochs: expected an integer, found four\n") == true)
        #expect(error?.message.contains("x.yaml:2: train.epoch: unknown key 'epoch'; did you mean 'epochs'?") == true)
    }

    // MARK: Why

    private static let complete = """
        data: {name: digits}
        train:
          epochs: 4
          optimizer: {adamw: {learning_rate: 1e-3}}
        models: {line: logistic-regression}
        """

    private func why(_ path: String, _ text: String, _ overrides: String...) throws -> [String] {
        let composition = try withTemporaryFolder { folder in
            try Data("extends: base.yaml\n\(text)".utf8).write(to: URL(filePath: "\(folder)/x.yaml"))
            try Data(Self.complete.utf8).write(to: URL(filePath: "\(folder)/base.yaml"))
            return try Composition(of: URL(filePath: "\(folder)/x.yaml"), display: { $0.lastPathComponent }, overrides: overrides)
        }
        return try Provenance(of: path, in: composition).settings.map { "\($0.place) \($0.path) \($0.value)\($0.isInForce ? " *" : "")" }
    }

    @Test func everyPlaceThatSetAValueInOrder() throws {
        #expect(try why("train.epochs", "train: {epochs: 8}", "train.epochs=2", "train.batch_size=64") ==
            ["base.yaml:3 train.epochs 4", "x.yaml:2 train.epochs 8", "override 'train.epochs=2' train.epochs 2 *"])
        #expect(try why("train.epochs", "seeds: [1]") == ["base.yaml:3 train.epochs 4 *"])
        #expect(try why("train.shards", "seeds: [1]") == ["default train.shards 8 *"])
        #expect(try why("train.epochs", "seeds: [1]", "~train.epochs") ==
            ["base.yaml:3 train.epochs 4", "override '~train.epochs' train.epochs taken away", "default train.epochs 10 *"])
        #expect(try why("seeds", "seeds: [1, 2]", "seeds.0=3") == ["x.yaml:2 seeds [1, 2] *", "override 'seeds.0=3' seeds.0 3 *"])
    }

    @Test func mapsTellOfAllTheirValues() throws {
        #expect(try why("train.optimizer", "train: {optimizer: {sgd: {momentum: 0.9}}}", "train.optimizer.sgd.learning_rate=0.1") == [
            "base.yaml:4 train.optimizer.adamw.learning_rate 1e-3", "x.yaml:2 train.optimizer.sgd.momentum 0.9 *",
            "override 'train.optimizer.sgd.learning_rate=0.1' train.optimizer.sgd.learning_rate 0.1 *",
            "default train.optimizer.sgd.nesterov false *", "default train.optimizer.sgd.weight_decay 0 *",
        ])
        #expect(try why("train.optimizer.adamw.learning_rate", "train: {optimizer: sgd}", "train.optimizer=adam") == [
            "base.yaml:4 train.optimizer.adamw.learning_rate 1e-3", "x.yaml:2 train.optimizer sgd", "override 'train.optimizer=adam' train.optimizer adam *",
        ])
    }

    /// A sweep's keys are paths of their own.
    @Test func sweepsSetValuesToo() throws {
        let sweep = "sweep:\n  grid: {train.epochs: [1, 2]}\n  list:\n    - {train.batch_size: 64, train.l1: 0.1}"
        #expect(try why("train.epochs", sweep) == ["base.yaml:3 train.epochs 4 *", "x.yaml:3 sweep.grid.train.epochs [1, 2] *"])
        #expect(try why("train.l1", sweep) == ["x.yaml:5 sweep.list.0.train.l1 0.1 *", "default train.l1 0 *"])
        #expect(try why("sweep.grid", sweep) == ["x.yaml:3 sweep.grid.train.epochs [1, 2] *"])
    }

    @Test func aKeyThatIsNotThereIsNamed() {
        #expect(throws: UserError(.usage, "train.epoch: there is no 'epoch' in train; did you mean 'epochs'?")) { try why("train.epoch", "seeds: [1]") }
        #expect(throws: UserError(.usage, "x.yaml:2: seds: unknown key 'seds'; did you mean 'seeds'?")) { try why("train.epoch", "seds: [1]") }
    }

    /// A path is relative to the file that writes it, one of the command line to the current folder.
    @Test func pathsOfDataBeginAtTheirFile() throws {
        let files: KeyValuePairs = [
            "a/top.yaml": "extends: [../b/base.yaml]\ntrain: {epochs: 2}",
            "b/base.yaml": "data: {hdf5: {path: cells.h5}}\nmodels: {line: logistic-regression}",
        ]
        func folder(_ overrides: String...) throws -> String? {
            try withTemporaryFolder { folder in
                for (name, text) in files {
                    let url = URL(filePath: "\(folder)/\(name)")
                    try FileManager.default.createDirectory(at: url.deletingLastPathComponent(), withIntermediateDirectories: true)
                    try Data(text.utf8).write(to: url)
                }
                let composition = try Composition(of: URL(filePath: "\(folder)/a/top.yaml"), display: \.path, overrides: overrides)
                let found = try Definition(composition).data.places.pathFolder
                return found.map { String($0.dropFirst(URL(filePath: folder).standardizedFileURL.path.count)) }
            }
        }
        #expect(try folder() == "/b")
        #expect(try folder("data.hdf5.classes=3") == "/b")
        #expect(try folder("data.hdf5.path=cells.h5") == nil)
        #expect(try folder("data={hdf5: {path: cells.h5}}") == nil)
    }

}
