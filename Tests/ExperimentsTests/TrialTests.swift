import Configuration
import Testing
import VisionData

@testable import Experiments

@Suite struct TrialTests {
    private func hash(_ overrides: String..., model: Int = 0) throws -> String {
        var root = try YAML.node(small) { SourceMark(file: "x.yaml", line: $0) }
        for word in overrides { try Override(word: word).apply(to: &root) }
        return try Definition(root, name: "x").trials[model].hash
    }

    /// Hashes name folders that users keep: they change only with the meaning of a definition.
    @Test func hashesStayTheSame() throws {
        let names = try definition(small).trials.map(\.name)
        #expect(names == ["vit-s0-99b485f6", "hybrid-s0-a105c4e9", "vit-s7-51d0dc3b", "hybrid-s7-b4742a6b"])
        #expect(try names[0].hasSuffix(hash()) && names[1].hasSuffix(hash(model: 1)))
    }

    @Test(arguments: [
        "train.epochs=3", "train={epochs: 3, batch_size: 64, optimizer: {adamw: {learning_rate: 0.001}}, schedule: {cosine: {warmup_epochs: 1.0}}}",
        "models.vit.vit.mlp_ratio=4", "train.shards=8", "data.validation=0.1", "+models.other={mlp: {}}", "seeds=[0]", "precision=fp32", "match=none", "train.recompute=blocks", "train.layer_statistics=false",
        "+train.checkpoint_every_steps=10", "train.parameters=[]",
    ])
    func whatMeansTheSameHashesTheSame(override: String) throws {
        #expect(try hash(override) == hash())
    }

    @Test(arguments: [
        "train.epochs=4", "precision=bf16", "train.batch_size=128", "train.shards=4", "models.vit.vit.width=34", "data.augment=[]", "seeds=[1]", "data.split_seed=1",
        "train.optimizer.adamw.learning_rate=1.0000001e-3", "train.layer_statistics=true", "train.parameters=[{match: \"head.*\", learning_rate_factor: 0.1}]",
    ])
    func whatChangesTheResultChangesTheHash(override: String) throws {
        #expect(try hash(override) != hash())
    }

    private static let deep = """
        data:   {name: digits}
        train:  {epochs: 1, batch_size: 64}
        models:
          m: {resnet: {depth: 50, width: 2}}
          h: {backbone: {resnet: {depth: 152, width: 2, cut_after: stage1}}, transformer: {width: 8, depth: 1, heads: 1}}
        """

    /// Depths that ImageNet's networks have too need a kind since it is asked for; the names of the runs are those of a definition without a kind.
    @Test func whatMakesADefinitionClearChangesNoHash() throws {
        #expect(throws: UserError.self) { try definition(Self.deep) }
        let clear = Self.deep.replacing("width: 2", with: "width: 2, kind: cifar")
        #expect(try definition(clear).trials.map(\.name) == ["m-s0-b2cb1a4a", "h-s0-52f2d9e3"])
        #expect(try definition(clear).resolvedText.contains("kind: cifar"))
    }

    /// A file that is moved, linked, spelled differently or laid out otherwise holds the same data.
    @Test func dataAreKnownByWhatTheyHold() throws {
        func hash(_ source: String, _ content: DataContent?) throws -> String {
            var definition = try definition(small, "data={hdf5: \(source), directory: x}")
            definition.data.places.content = content
            return definition.trials[0].hash
        }
        let content = DataContent(digest: "da7a", classes: 3)
        let there = try hash("{path: a.h5}", content)
        #expect(try hash("{path: b/../c.h5, layout: nhwc, classes: 3}", content) == there)
        #expect(try hash("{path: a.h5}", DataContent(digest: "0da7", classes: 3)) != there)
        #expect(try hash("{path: a.h5}", DataContent(digest: "da7a", classes: 4)) != there)
        #expect(try self.hash("+data.directory=elsewhere") == self.hash())
        #expect(try self.hash("data.name=mnist") != self.hash())
    }

    /// A run of before keeps its definition without a kind.
    @Test func storedDefinitionsReadAsTheyAlwaysDid() throws {
        let read = try Definition(resolved: Self.deep, name: "x", place: "run.h5")
        #expect(read.trials.map(\.name) == ["m-s0-b2cb1a4a", "h-s0-52f2d9e3"])
        #expect(read.data.places.isRecorded)
        let again = try Definition(resolved: read.trials[0].resolvedDefinition, name: "x", place: "run.h5")
        #expect(again.trials.map(\.name) == ["m-s0-b2cb1a4a"])
    }

    /// Else the same results would have other bytes.
    @Test func checkpointsAreNotPartOfARun() throws {
        let trial = try definition(small, "+train.checkpoint_every_steps=10").trials[0]
        #expect(trial.train.checkpointEverySteps == 10)
        #expect(try trial.resolvedDefinition == definition(small).trials[0].resolvedDefinition)
    }

    @Test func namesDoNotCount() throws {
        let renamed = small.replacing("  vit:", with: "  other:")
        #expect(try definition(renamed).trials[0].hash == hash())
    }

    /// A run's definition is enough to make the run again, after it has been read from the file.
    @Test(arguments: [
        "train.epochs=3", "data={hdf5: {path: a b.h5, classes: 3}, normalization: {mean: [0.5], std: [0.1]}}",
        "train.optimizer={sgd: {learning_rate: 0.1, momentum: 0.9, nesterov: true, weight_decay: 1e-4}}", "train.schedule={step: {every: 2, factor: 0.5}}",
        "train.early_stopping={patience: 2, metric: val_loss}", "train.clip_gradient_norm=1", "train.layer_statistics=true",
        "train.parameters=[{match: \"head.*\", learning_rate_factor: 0.1, weight_decay: 0}, {match: \"*.bias\", freeze: true}]", "data.augment=[horizontal_flip, {rotation: 10}, random_erasing]",
        "models.vit={mlp: {widths: [8, 4], activation: gelu}}", "models.vit={mlp: {width: 8, depth: 3}}", "models.vit=plain20", "models.vit=lenet5", "models.vit={logistic_regression: {}}",
        "models.hybrid.head={pool: mean}", "match=macs", "data.validation=100",
    ])
    func resolvedDefinitionsReadBack(override: String) throws {
        let original = try definition(small, override)
        for trial in original.trials {
            let read = try Definition(resolved: trial.resolvedDefinition, name: "x", place: "run.h5")
            #expect(read.trials.map(\.name) == [trial.name], "\(trial.resolvedDefinition)")
            #expect(read.trials[0].resolvedDefinition == trial.resolvedDefinition)
        }
        let whole = try Definition(resolved: original.resolvedText, name: "x", place: "check")
        #expect(whole.trials.map(\.name) == original.trials.map(\.name), "\(original.resolvedText)")
    }

    /// No other width comes nearer to the budget.
    @Test(arguments: ["parameters", "macs"], [16, 24, 40])
    func proposesTheWidthThatMeetsTheBudget(match: String, width: Int) throws {
        let experiment = { (words: String...) throws -> Experiment in
            let text = """
                data: {name: digits}
                match: \(match)
                models:
                  a: {vit: {patch: 2, width: 48, depth: 2, heads: 2}}
                  b: {vit: {patch: 2, width: 8, depth: 3, heads: 4}}
                  c: {resnet: {depth: 8, width: 4}}
                  d: {backbone: {resnet: {depth: 8, width: 8, cut_after: stage1}}, transformer: {width: 8, depth: 1, heads: 2}}
                  e: {plain: {depth: 8, width: 4, norm: {group: {groups: 4}}}}
                  f: {mlp: {widths: [4]}}
                """.replacing("width: 48", with: "width: \(width)")
            var root = try YAML.node(text) { SourceMark(file: "x.yaml", line: $0) }
            for word in words { try Override(word: word).apply(to: &root) }
            return try Experiment(Definition(root, name: "x"), dataDirectory: nil)
        }
        let proposals = try experiment().widthProposals
        #expect(proposals.map(\.keyPath) == ["models.b.vit.width", "models.c.resnet.width", "models.d.transformer.width", "models.e.plain.width"])
        for (index, proposal) in proposals.enumerated() {
            let step = [4, 1, 2, 4][index]
            let sizes = try [-step, 0, step].filter { proposal.width + $0 > 0 }.map { change -> Int in
                let summary = try experiment("\(proposal.keyPath)=\(proposal.width + change)").models[index + 1].summary
                return match == "parameters" ? summary.parameters : summary.multiplyAdds
            }
            #expect(sizes.contains(proposal.count))
            #expect(sizes.allSatisfy { abs($0 - proposal.budget) >= abs(proposal.count - proposal.budget) }, "\(proposal) \(sizes)")
        }
        #expect(try experiment("match=none").widthProposals.isEmpty)
    }
}

/// What `train.parameters` says has to fit every model of a definition before the first of them trains.
@Suite struct ParameterRuleFitTests {
    private func error(_ rules: String) throws -> String? {
        let text = """
            data: {name: digits}
            train: {parameters: \(rules)}
            models:
              line: {logistic_regression: {}}
              vit: {vit: {patch: 4, width: 8, depth: 1, heads: 2}}
            """
        let root = try YAML.node(text) { SourceMark(file: "x.yaml", line: $0) }
        do { _ = try Experiment(Definition(root, name: "x"), dataDirectory: nil) } catch { return "\(error)" }
        return nil
    }

    @Test func rulesAreCheckedForEveryModel() throws {
        #expect(try error("[{match: \"*bias\", learning_rate_factor: 2}]") == nil)
        let frozen = try error("[{match: \"fc.*\", freeze: true}]")
        #expect(frozen == "x.yaml:2: train.parameters: all 2 parameters of models.line are frozen, expected at least one that is trained")
        let other = try #require(try error("[{match: \"fc.bias\", freeze: true}]"))
        #expect(other.hasPrefix("x.yaml:2: train.parameters[0].match: 'fc.bias' matches no parameter of models.vit; "), "\(other)")
    }
}
