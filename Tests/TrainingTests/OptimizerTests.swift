import TensorCore
import TestSupport
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
    static let fixtures = try! FixtureFile("optimizers.h5")

    private func configuration(_ fixture: FixtureCase) throws -> OptimizerConfiguration {
        let arguments = fixture.arguments
        switch fixture.operation {
        case "sgd":
            var options = OptimizerConfiguration.SGD()
            options.learningRate = try arguments.number("learning_rate")
            options.momentum = arguments["momentum"] == nil ? 0 : try arguments.number("momentum")
            options.nesterov = arguments["nesterov"] == .boolean(true)
            options.weightDecay = try arguments.number("weight_decay")
            return .sgd(options)
        case "adagrad":
            var options = OptimizerConfiguration.Adagrad()
            options.learningRate = try arguments.number("learning_rate")
            options.epsilon = try arguments.number("epsilon")
            options.weightDecay = try arguments.number("weight_decay")
            return .adagrad(options)
        default:
            var options = OptimizerConfiguration.Adam(weightDecay: try arguments.number("weight_decay"))
            options.learningRate = try arguments.number("learning_rate")
            options.betas = [try arguments.number("beta1"), try arguments.number("beta2")]
            options.epsilon = try arguments.number("epsilon")
            return fixture.operation == "adamw" ? .adamw(options) : .adam(options)
        }
    }

    @Test("Five steps as PyTorch takes them", arguments: try fixtures.cases().filter { $0.operation != "clip_gradient_norm" })
    func trajectory(fixture: FixtureCase) throws {
        let configuration = try configuration(fixture)
        let gradients = fixture.inputs[1].floats
        let store = store([.weight], fixture.inputs[0].floats)
        let optimizer = Optimizer(configuration, store: store, pool: WorkerPool(threads: 1))
        var trajectory: [Float] = []
        for step in 0..<5 {
            store.setGradients([Array(gradients[step * 7..<(step + 1) * 7])])
            _ = optimizer.finishGradients()
            optimizer.update(step: step, learningRate: configuration.learningRate, gradientScale: 1)
            trajectory += store.floats("p0")
        }
        assertClose(HostTensor([5, 7], trajectory), fixture.outputs[0], tolerance: 1e-6)
    }

    @Test("The global norm and clipping by it", arguments: try fixtures.cases(of: "clip_gradient_norm"))
    func clipping(fixture: FixtureCase) throws {
        let graph = Graph(mode: .training)
        for index in 0..<2 { _ = graph.root.parameter("p\(index)", fixture.inputs[index].shape, ConstantInitializer(0)) }
        let store = ParameterStore(graph, seed: 0)
        store.setGradients(fixture.inputs.map(\.floats))
        let optimizer = Optimizer(.sgd(.init()), store: store, pool: WorkerPool(threads: 1))

        let norm = optimizer.finishGradients()
        assertClose(HostTensor([], [Float(norm)]), try #require(fixture.extra["norm"]), tolerance: 1e-6)
        let maximum = try fixture.arguments.number("maximum_norm")
        optimizer.update(step: 0, learningRate: -1, gradientScale: clippingScale(norm: norm, maximum: maximum))
        // A plain step of rate −1 from zero leaves the clipped gradients.
        for index in 0..<2 { assertClose(store.tensor(named: "p\(index)")!, fixture.outputs[index], tolerance: 1e-6) }
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

    /// By hand with γ = 0.5, λ = 0.5, w = 2, g = 1. SGD: w − γg − γλw. AdamW, whose first step is γ: w − γλw − γ.
    @Test("The learning rate's factor and the weight decay of each parameter", arguments: [
        // Half the rate; λ of its own though it is a bias; twice the rate without decay; an ordinary weight; an ordinary bias.
        (OptimizerConfiguration.sgd(.init()), [1.5, 1.25, 1, 1, 1.5]),
        (.adamw(.init()), [1.5, 1.25, 1, 1, 1.5]),
    ] as [(OptimizerConfiguration, [Float])])
    func treatments(kind: OptimizerConfiguration, expected: [Float]) {
        var configuration = kind
        switch kind {
        case .sgd(var options):
            options.weightDecay = 0.5
            configuration = .sgd(options)
        case .adamw(var options):
            (options.weightDecay, options.epsilon) = (0.5, 0)
            configuration = .adamw(options)
        default: break
        }
        func treatment(_ factor: Double, _ decay: Double?) -> ParameterTreatment {
            var treatment = ParameterTreatment()
            (treatment.learningRateFactor, treatment.weightDecay) = (factor, decay)
            return treatment
        }
        // More than a block of each, so that there are blocks of one treatment and of two.
        let count = Optimizer.blockLength + 3
        let store = store([.weight, .bias, .weight, .weight, .bias], [Float](repeating: 2, count: count))
        store.setGradients(Array(repeating: [Float](repeating: 1, count: count), count: 5))
        let optimizer = Optimizer(
            configuration, treatments: [treatment(0.5, nil), treatment(1, 0.25), treatment(2, 0), treatment(1, nil), treatment(1, nil)],
            store: store, pool: WorkerPool(threads: 2))
        optimizer.update(step: 0, learningRate: 0.5, gradientScale: 1)
        for (index, value) in expected.enumerated() {
            let found = store.floats("p\(index)")
            #expect(found.allSatisfy { abs($0 - value) <= 1e-6 }, "p\(index): \(found[0]), expected \(value)")
        }
    }

    /// Two epochs of three steps pass; then the update is as if the training began, and before it nothing moves or counts.
    @Test("What is frozen at first begins as the training began", arguments: [OptimizerConfiguration.default, .sgd(.init()), .adagrad(.init())])
    func lateStart(configuration: OptimizerConfiguration) {
        var late = ParameterTreatment()
        late.frozenEpochCount = 2
        let makeStore = store, store = makeStore([.weight, .weight], [0.3, -0.7, 1.9]), early = makeStore([.weight], [0.3, -0.7, 1.9])
        let optimizer = Optimizer(
            configuration, l1: 1e-3, treatments: [ParameterTreatment(), late], stepsPerEpoch: 3, store: store, pool: WorkerPool(threads: 1))
        let other = Optimizer(configuration, l1: 1e-3, store: early, pool: WorkerPool(threads: 1))
        for step in 0..<6 {
            store.setGradients([[0.1, 0.2, -0.3], [.nan, 1, 2]])
            #expect(optimizer.finishGradients(step: step).isFinite)
            optimizer.update(step: step, learningRate: 0.0123, gradientScale: 0.7)
            #expect(store.floats("p1") == [0.3, -0.7, 1.9])
        }
        for step in 0..<2 {
            store.setGradients([[0.1, 0.2, -0.3], [0.7, -1.1, 0.01]])
            early.setGradients([[0.7, -1.1, 0.01]])
            _ = optimizer.finishGradients(step: 6 + step)
            optimizer.update(step: 6 + step, learningRate: 0.0123, gradientScale: 0.7)
            _ = other.finishGradients(step: step)
            other.update(step: step, learningRate: 0.0123, gradientScale: 0.7)
            #expect(store.floats("p1") == early.floats("p0"))
        }
        #expect(store.floats("p1") != [0.3, -0.7, 1.9])
    }

    @Test("Treatments that say nothing change no bit", arguments: [OptimizerConfiguration.default, .sgd(.init())])
    func treatmentsOfDefaults(configuration: OptimizerConfiguration) {
        func trained(_ treatments: [ParameterTreatment]?) -> [Float] {
            let store = store([.weight, .bias], [0.3, -0.7, 1.9])
            let optimizer = Optimizer(configuration, l1: 1e-3, treatments: treatments, store: store, pool: WorkerPool(threads: 1))
            for step in 0..<3 {
                store.setGradients([[0.1, 0.2, -0.3], [0.7, -1.1, 0.01]])
                _ = optimizer.finishGradients()
                optimizer.update(step: step, learningRate: 0.0123, gradientScale: 0.7)
            }
            return Array(store.values)
        }
        #expect(trained(nil) == trained([ParameterTreatment(), ParameterTreatment()]))
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
