import Layers
import TestSupport
import Testing

@testable import Models
@testable import TensorCore

/// The auxiliary heads of the families that have them.
struct AuxiliaryHeadModelTests {
    struct Case: CustomTestStringConvertible, Sendable {
        let json: String
        let side: Int
        let weights: [Double]
        var testDescription: String { json }
    }

    static let cases = [
        Case(json: #"{"googlenet": {"auxiliary": true, "width_multiplier": 0.0625}}"#, side: 32, weights: [0.3, 0.3]),
        Case(json: #"{"googlenet": {"auxiliary": true, "variant": "original", "width_multiplier": 0.125}}"#, side: 80, weights: [0.3, 0.3]),
        Case(json: #"{"inception_v3": {"auxiliary": true, "width_multiplier": 0.0625, "small_images": true}}"#, side: 41, weights: [0.4]),
    ]

    /// Their losses, as they are weighted, reach every parameter, and no other way does: the logits alone leave the heads' without a gradient.
    @Test(arguments: cases)
    func lossesReachEveryParameter(_ example: Case) throws {
        let graph = Graph(mode: .training, shardCount: 1, seed: 5)
        let images = graph.input("images", [4, example.side, example.side, 1]), labels = graph.input("labels", [4], .int32)
        let outputs = try definition(example.json).record(images, classes: 10, in: graph.root)
        #expect(outputs.auxiliaries.map(\.name) == example.weights.indices.map { "aux\($0 + 1)" })
        #expect(outputs.auxiliaries.compactMap(\.auxiliaryWeight) == example.weights)
        #expect(outputs.auxiliaries.allSatisfy { $0.tensor.shape == [4, 10] })
        func loss(_ logits: Tensor) -> Tensor { logits.softmaxCrossEntropy(labels: labels).batchMean() }
        let main = loss(outputs.required("logits", in: graph.root))
        let whole = outputs.auxiliaries.reduce(main) { $0 + loss($1.tensor) * Float($1.auxiliaryWeight!) }
        try graph.validate()
        var draws = PhiloxStream(seed: 3, name: "images").draws(time: 0, sample: 0)
        let pixels = HostTensor(images.shape, (0..<images.shape.elementCount).map { _ in draws.uniform(-1, 1) })
        let found = try evaluate(
            gradients(of: whole, withRespectTo: graph.parameterTensors) + gradients(of: main, withRespectTo: graph.parameterTensors),
            feeding: [(images, pixels), (labels, HostTensor([4], [0, 1, 2, 3].map(Int32.init)))], store: ParameterStore(graph, seed: 5))
        let count = graph.parameters.count
        for (index, parameter) in graph.parameters.enumerated() {
            #expect(found[index].floats.allSatisfy(\.isFinite) && found[index].floats.contains { $0 != 0 }, "\(parameter.name) gets no gradient")
            let isAuxiliary = parameter.name.lowercased().hasPrefix("aux")
            #expect(found[count + index].floats.contains { $0 != 0 } != isAuxiliary, "\(parameter.name)")
        }
    }

    /// A network and the same without auxiliary heads have the same parameters but for theirs.
    @Test(arguments: cases)
    func headsAreAllThatTheyAdd(_ example: Case) throws {
        let input = ImageShape(height: example.side, width: example.side, channels: 1)
        func names(_ json: String) throws -> Set<String> { Set(try definition(json).declarations(input: input, classes: 10).parameters.map(\.name)) }
        let with = try names(example.json), without = try names(example.json.replacing(#""auxiliary": true"#, with: #""auxiliary": false"#))
        #expect(without.isSubset(of: with) && with.subtracting(without).allSatisfy { $0.lowercased().hasPrefix("aux") })
        #expect(with.count > without.count)
    }
}
