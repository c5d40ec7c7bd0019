import Models
import TensorCore
import TestSupport
import Testing
import Training

/// Ten training steps of a model of each kind against PyTorch, from the same weights on the same batches.
struct TrainingLossTests {
    static let models = [
        "lenet5": #"{"lenet5": {}}"#,
        "resnet20": #"{"resnet": {"depth": 20}}"#,
        "vit": #"{"vit": {"patch": 7, "width": 32, "depth": 2, "heads": 2}}"#,
        "hybrid":
            #"{"backbone": {"resnet": {"depth": 20, "width": 8, "cut_after": "stage2"}}, "transformer": {"width": 32, "depth": 2, "heads": 2}, "head": {"pool": "mean"}}"#,
        "swin": #"{"swin": {"blocks": [2, 2], "width": 16, "heads": [2, 4], "window": 4, "patch": 2, "mlp_ratio": 2, "drop_path": 0}}"#,
        "cct": #"{"cct": {"convolutions": 2, "width": 32, "depth": 2, "heads": 2, "mlp_ratio": 1}}"#,
    ]

    private func sgd(_ arguments: FixtureArguments) throws -> OptimizerConfiguration {
        var options = OptimizerConfiguration.SGD()
        options.learningRate = try arguments.number("learning_rate")
        options.momentum = try arguments.number("momentum")
        options.weightDecay = try arguments.number("weight_decay")
        return .sgd(options)
    }

    private func adamW(_ arguments: FixtureArguments) throws -> OptimizerConfiguration {
        var options = OptimizerConfiguration.Adam(weightDecay: try arguments.number("weight_decay"))
        options.learningRate = try arguments.number("learning_rate")
        options.betas = [try arguments.number("beta1"), try arguments.number("beta2")]
        options.epsilon = try arguments.number("epsilon")
        return .adamw(options)
    }

    /// Losses within `tolerance` at every step; then weights, their norms and the running statistics within ten times as much, since
    /// a loss averages over the rounding of its weights. (Adam even drives the biases of the keys by nothing but rounding: softmax
    /// does not see them, so their gradient is zero.)
    private func train(
        _ fixture: TrainingFixture, _ run: TrainingFixture.Run, _ optimizer: OptimizerConfiguration, shards: Int, threads: Int,
        tolerance: Double
    ) throws {
        let (losses, store) = try train(fixture, optimizer, shards: shards, threads: threads)
        for (step, loss) in losses.enumerated() { assertClose(loss, run.losses[step], tolerance: tolerance, "loss of step \(step)") }
        for (name, norm) in run.finalNorms {
            let values = try #require(store.tensor(named: name)).floats
            assertClose(values.reduce(0.0) { $0 + Double($1) * Double($1) }.squareRoot(), norm, tolerance: 10 * tolerance, "norm of \(name)")
        }
        for (name, expected) in run.finalParameters.merging(run.finalBuffers, uniquingKeysWith: { a, _ in a }) {
            assertClose(try #require(store.tensor(named: name)), expected, tolerance: 10 * tolerance, name)
        }
    }

    /// The losses of the fixture's ten batches, and what came of the weights.
    private func train(
        _ fixture: TrainingFixture, _ optimizer: OptimizerConfiguration, shards: Int, threads: Int, precision: Precision = .fp32
    ) throws -> (losses: [Double], store: ParameterStore) {
        let batch = fixture.batches[0].labels.shape[0]
        let graph = Graph(mode: .training, shardCount: shards, precision: precision)
        let images = graph.input("images", [batch / shards, 28, 28, 1]), labels = graph.input("labels", [batch / shards], .int32)
        let logits = try definition(try #require(Self.models[fixture.model])).logits(images)
        let loss = logits.softmaxCrossEntropy(labels: labels).batchMean()
        let store = ParameterStore(graph, seed: 0), pool = WorkerPool(threads: threads)
        for (name, value) in fixture.initialParameters { #expect(store.set(value, named: name), "\(name)") }
        let plan = try Plan(
            graph, outputs: [loss], gradients: gradients(of: loss, withRespectTo: graph.parameterTensors), store: store, pool: pool)
        let update = Optimizer(optimizer, store: store, pool: pool)

        let losses = try fixture.batches.enumerated().map { step, batch in
            try batch.images.bytes.withUnsafeBytes { images in
                try batch.labels.bytes.withUnsafeBytes { labels in
                    try plan.run(feeding: [images.baseAddress!, labels.baseAddress!], step: UInt64(step))
                }
            }
            update.update(step: step, learningRate: optimizer.learningRate, gradientScale: 1)
            return Double(plan.output(0).floats[0])
        }
        return (losses, store)
    }

    /// A logit of magnitude 1 carries an error of a few times 2⁻⁸, and the updates carry it on: the losses stay within 2⁻⁵ of those in
    /// float64. The bits do not depend on the number of threads.
    @Test(.needsBFloat16Units, arguments: models.keys.sorted())
    func bfloat16StaysNear(model: String) throws {
        let fixture = try TrainingFixture(model), run = try fixture.run("sgd"), optimizer = try sgd(run.arguments)
        let one = try train(fixture, optimizer, shards: 4, threads: 1, precision: .bf16)
        for (step, loss) in one.losses.enumerated() { assertClose(loss, run.losses[step], tolerance: 0x1p-5, "loss of step \(step)") }
        #expect(one.losses != run.float32Losses, "something was rounded")

        let two = try train(fixture, optimizer, shards: 4, threads: 2, precision: .bf16)
        #expect(one.losses == two.losses)
        #expect(one.store.values.elementsEqual(two.store.values) && one.store.bufferValues.elementsEqual(two.store.bufferValues))
    }

    @Test(arguments: models.keys.sorted(), [(1, 1), (4, 2)])
    func stochasticGradientDescent(model: String, division: (shards: Int, threads: Int)) throws {
        let fixture = try TrainingFixture(model), run = try fixture.run("sgd")
        try train(fixture, run, try sgd(run.arguments), shards: division.shards, threads: division.threads, tolerance: 1e-4)
    }

    @Test(arguments: ["vit", "swin"])
    func adamWithDecoupledDecay(model: String) throws {
        let fixture = try TrainingFixture(model), run = try fixture.run("adamw")
        try train(fixture, run, try adamW(run.arguments), shards: 4, threads: 2, tolerance: 1e-3)
    }
}
