import Configuration
import Foundation
import Layers
import Measures
import Models
import Reports
import RunStore
import TensorCore
import TestSupport
import Testing
import VisionData

@testable import Experiments

/// A family whose networks have an auxiliary head in training, through run files, resuming, verification and reports.
@Suite(.serialized) struct AuxiliaryHeadTests {
    /// Pixels → `width` features → logits, and of the features those of an auxiliary head, with 0.3 of its loss.
    private struct TwoHeaded: ModelConfiguration {
        static let family = "two_headed"
        static let documentation = "One layer, and two heads on it."
        static let options: [Key<TwoHeaded>] = [Key("width", \.width, .integer(in: 1...), "How many features there are.")]
        var width = 12

        func makeEncoder(input: ImageShape, in scope: Scope) -> any ImageEncoder { preconditionFailure("the family makes whole networks") }
        func makeHead(inputs: Int, outputs: Int, in scope: Scope) -> any Layer { preconditionFailure("the family makes whole networks") }

        func makeModel(input: ImageShape, classes: Int, in scope: Scope) -> any ImageModel {
            Network(
                graph: scope.graph, body: Linear(input.count, width, in: scope["body"]), auxiliary: Linear(width, classes, in: scope["aux1.fc"]),
                head: Linear(width, classes, in: scope["fc"]))
        }

        struct Network: ImageModel {
            let graph: Graph
            let body, auxiliary, head: Linear

            func callAsFunction(_ images: Tensor) -> NamedOutputs {
                let features = body(images.reshaped([images.shape[0], body.weight.shape[1]]))
                var outputs = NamedOutputs()
                if graph.mode == .training { outputs.add("aux1", auxiliary(features), auxiliaryWeight: 0.3) }
                outputs.add("logits", head(features))
                return outputs
            }
        }
    }

    private static let registry = Registry.standard.adding(model: TwoHeaded.self)
    private static let text = """
        data:   {name: digits}
        train:  {epochs: 2, batch_size: 64}
        models: {two: {two_headed: {}}, mlp: {mlp: {widths: [12]}}}

        """

    private func run(in results: String, until limit: Int? = nil) throws -> [RunFolder] {
        let definition = try Definition(YAML.node(Self.text) { SourceMark(file: "x.yaml", line: $0) }, name: "x", registry: Self.registry)
        let options = Runner.Options(threads: 1, results: URL(filePath: results), startsOver: false, command: [], epochLimit: limit)
        return try Runner(Experiment(definition, dataDirectory: nil), options: options, terminal: .silent).run { false }.folders
    }

    @Test("Its losses are columns of the training alone; the run resumes to the same bytes, verifies, and is inspected and compared")
    func isTrainedLikeAnyOther() throws {
        try withTemporaryFolder { results in
            let folders = try run(in: "\(results)/whole"), whole = folders[0], reader = try RunReader(whole)
            let contents = try reader.contents(), measures = contents.description.measures
            #expect(measures.map(\.name) == ["loss", "cross_entropy", "aux1_cross_entropy", "accuracy"])
            #expect(measures.map(\.occasion) == [.always, .always, .training, .always])
            for step in contents.steps { #expect(abs(step.values[0] - step.values[1] - 0.3 * step.values[2]) < 1e-6) }
            for epoch in contents.epochs {
                #expect(epoch.training.allSatisfy { $0.isFinite })
                #expect(epoch.validation[2] == nil && epoch.validation[0] == epoch.validation[1] && epoch.validation[3] != nil)
            }
            let test = try #require(contents.evaluations[.test])
            #expect(test.values[2] == nil && test.values[0] == test.values[1])
            #expect(try RunReader(folders[1]).description.measures.map(\.name) == ["loss", "accuracy"])

            _ = try run(in: "\(results)/cut", until: 1)
            let cut = try run(in: "\(results)/cut")[0]
            #expect(FileManager.default.contentsEqual(atPath: whole.runFile, andPath: cut.runFile))
            #expect(FileManager.default.contentsEqual(atPath: whole.weightsFile(.last), andPath: cut.weightsFile(.last)))

            let verification = try Verification(
                whole, threads: 2, steps: nil, dataDirectory: nil, registry: Self.registry, command: [], terminal: .silent) { false }
            #expect(verification.failure == nil)

            let inspection = try Inspection(whole.path).text
            #expect(inspection.contains("train aux1 cross entropy") && !inspection.contains("val aux1") && !inspection.contains("test aux1"))
            var options = Comparison.Options()
            options.metric = .training("aux1_cross_entropy")
            #expect(try Comparison(under: ["\(results)/whole"], options: options).rendered(as: .table).contains("train aux1 cross entropy"))
            options.metric = .test("aux1_cross_entropy")
            #expect(throws: UserError.self) { try Comparison(under: ["\(results)/whole"], options: options) }
        }
    }
}
