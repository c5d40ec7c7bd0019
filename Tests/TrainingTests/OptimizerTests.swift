import Foundation
import HDF5
import TensorCore
import Testing
@testable import Training

/// A store with one parameter for each of `roles`, each filled with `values`.
private func store(_ roles: [ParameterRole], _ values: [Float]) -> ParameterStore {
    let graph = Graph(mode: .training)
    for (index, role) in roles.enumerated() {
        _ = graph.root.parameter("p\(index)", [values.count], ConstantInitializer(0), role: role)
    }
    let store = ParameterStore(graph, seed: 0)
    for index in roles.indices { store.set(HostTensor([values.count], values), named: "p\(index)") }
    return store
}

extension ParameterStore {
    fileprivate func setGradients(_ gradients: [[Float]]) {
        for (entry, gradient) in zip(entries, gradients) {
            for (index, value) in gradient.enumerated() { self.gradients[entry.offset + index] = value }
        }
    }

    fileprivate func floats(_ name: String) -> [Float] { tensor(named: name)!.floats }
}

@Suite struct OptimizerTests {
    static let fixtures = try! HDF5Reader(
        URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent().path + "/Fixtures/optimizers.h5")

    struct Attributes: Decodable {
        var learning_rate = 0.0
        var weight_decay = 0.0
        var momentum: Double?
        var nesterov: Bool?
        var epsilon: Double?
        var beta1: Double?
        var beta2: Double?
    }

    private func configuration(_ operation: String, _ attributes: Attributes) -> OptimizerConfiguration {
        switch operation {
        case "sgd":
            var options = OptimizerConfiguration.SGD()
            options.learningRate = attributes.learning_rate
            options.momentum = attributes.momentum ?? 0
            options.nesterov = attributes.nesterov ?? false
            options.weightDecay = attributes.weight_decay
            return .sgd(options)
        case "adagrad":
            var options = OptimizerConfiguration.Adagrad()
            options.learningRate = attributes.learning_rate
            options.epsilon = attributes.epsilon!
            options.weightDecay = attributes.weight_decay
            return .adagrad(options)
        default:
            var options = OptimizerConfiguration.Adam(weightDecay: attributes.weight_decay)
            options.learningRate = attributes.learning_rate
            options.betas = [attributes.beta1!, attributes.beta2!]
            options.epsilon = attributes.epsilon!
            return operation == "adamw" ? .adamw(options) : .adam(options)
        }
    }

    @Test("Five steps as PyTorch takes them", arguments: try fixtures.children(of: "/").filter { !$0.hasPrefix("clip") })
    func trajectory(name: String) throws {
        let fixtures = Self.fixtures
        let operation = try #require(try fixtures.attributeStrings("operation", of: name)?.first)
        let json = try #require(try fixtures.attributeStrings("attributes", of: name)?.first)
        let configuration = configuration(operation, try JSONDecoder().decode(Attributes.self, from: Data(json.utf8)))
        let initial = try fixtures.read("\(name)/inputs/0", as: Float.self)
        let gradients = try fixtures.read("\(name)/gradients", as: Float.self)
        let expected = try fixtures.read("\(name)/outputs/0", as: Float.self)

        let store = store([.weight], initial)
        let optimizer = Optimizer(configuration, store: store, pool: WorkerPool(threads: 1))
        for step in 0..<5 {
            let row = step * 7..<(step + 1) * 7
            store.setGradients([Array(gradients[row])])
            _ = optimizer.finishGradients()
            optimizer.update(step: step, learningRate: configuration.learningRate, gradientScale: 1)
            for (value, exact) in zip(store.floats("p0"), expected[row]) {
                // A few roundings of values around 1 for each step.
                #expect(abs(value - exact) < 2e-7 * Float(step + 2) * max(1, abs(exact)), "step \(step)")
            }
        }
    }

    @Test("The global norm and clipping by it", arguments: ["clip_active", "clip_inactive"])
    func clipping(name: String) throws {
        let fixtures = Self.fixtures
        let inputs = try (0..<2).map { try fixtures.read("\(name)/inputs/\($0)", as: Float.self) }
        let outputs = try (0..<2).map { try fixtures.read("\(name)/outputs/\($0)", as: Float.self) }
        let norm = try fixtures.read("\(name)/extra/norm", as: Float.self)[0]
        let graph = Graph(mode: .training)
        for index in 0..<2 { _ = graph.root.parameter("p\(index)", [inputs[index].count], ConstantInitializer(0)) }
        let store = ParameterStore(graph, seed: 0)
        store.setGradients(inputs)
        var options = OptimizerConfiguration.SGD()
        options.learningRate = 1
        let optimizer = Optimizer(.sgd(options), store: store, pool: WorkerPool(threads: 1))

        let found = optimizer.finishGradients()
        #expect(abs(Float(found) - norm) < 1e-6 * norm)
        let maximum = name == "clip_active" ? 1.0 : 100
        optimizer.update(step: 0, learningRate: 1, gradientScale: clippingScale(norm: found, maximum: maximum))
        // From zero, a plain step of rate 1 leaves the negated gradients.
        for index in 0..<2 {
            for (value, exact) in zip(store.floats("p\(index)"), outputs[index]) { #expect(abs(-value - exact) < 1e-6 * max(1, abs(exact))) }
        }
    }

    @Test("Weight decay spares all but weights, unless told otherwise", arguments: [false, true], [false, true])
    func sparing(decayAll: Bool, isDecoupled: Bool) {
        let roles: [ParameterRole] = [.weight, .bias, .normalization, .token, .positionEmbedding]
        let store = store(roles, [2, -1])
        var options = OptimizerConfiguration.SGD()
        options.weightDecay = 0.5
        let adam = OptimizerConfiguration.Adam(weightDecay: 0.5)
        let optimizer = Optimizer(isDecoupled ? .adamw(adam) : .sgd(options), decayAll: decayAll, store: store, pool: WorkerPool(threads: 1))
        optimizer.update(step: 0, learningRate: 0.5, gradientScale: 1)
        for (index, role) in roles.enumerated() {
            #expect(store.floats("p\(index)") == (decayAll || role == .weight ? [1.5, -0.75] : [2, -1]), "\(role)")
        }
    }

    @Test func l1PenaltyConcernsWeights() {
        let store = store([.weight, .bias], [3, -3, 0])
        let optimizer = Optimizer(.sgd(.init()), l1: 0.25, store: store, pool: WorkerPool(threads: 1))
        let norm = optimizer.finishGradients()
        optimizer.update(step: 0, learningRate: 1, gradientScale: 1)
        #expect(norm == (2 * 0.25 * 0.25).squareRoot())
        #expect(store.floats("p0") == [2.75, -2.75, 0])
        #expect(store.floats("p1") == [3, -3, 0])
    }

    @Test("Parameters of several blocks: threads change no bit, padding stays zero", arguments: [2, 3])
    func threads(count: Int) {
        func run(threads: Int) -> ([Double], [Float], [Float]) {
            let graph = Graph(mode: .training)
            for (name, length) in [("a", 5), ("b", 40_001), ("c", 3 * Optimizer.blockLength), ("d", 17)] {
                _ = graph.root.parameter(name, [length], ConstantInitializer(0.5), role: name == "a" ? .bias : .weight)
            }
            let store = ParameterStore(graph, seed: 0)
            let optimizer = Optimizer(.default, l1: 1e-3, store: store, pool: WorkerPool(threads: threads))
            var draws = PhiloxStream(seed: 1, name: "gradients").draws(time: 0, sample: 0)
            var norms: [Double] = []
            for step in 0..<3 {
                var sum = 0.0
                for entry in store.entries {
                    for index in entry.offset..<entry.offset + entry.count { store.gradients[index] = draws.uniform(-1, 1) }
                }
                norms.append(optimizer.finishGradients())
                for gradient in store.gradients { sum += Double(gradient) * Double(gradient) }
                #expect(abs(norms[step] - sum.squareRoot()) < 1e-12 * norms[step])
                optimizer.update(step: step, learningRate: 1e-2, gradientScale: 0.5)
            }
            for (entry, next) in zip(store.entries, store.entries.dropFirst()) {
                #expect(store.values[entry.offset + entry.count..<next.offset].allSatisfy { $0 == 0 })
            }
            return (norms, Array(store.values), optimizer.slots.flatMap { Array($0.values) })
        }
        let one = run(threads: 1), many = run(threads: count)
        #expect(one.0 == many.0)
        #expect(one.1 == many.1)
        #expect(one.2 == many.2)
        #expect(one.1[0] != 0.5 && one.1[1] != one.1[0])
    }
}
