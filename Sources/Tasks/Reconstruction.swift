import Configuration
import Foundation
import Layers
import Measures
import TensorCore
import Training
import VisionData

/// An image from itself, from what a code keeps of it, or from what is left of it.
///
/// The model gets an image x, or what a corruption leaves of it, and gives `[H, W, C]` on the scale of normalized images; p is that with pixels from 0 to 1 and
/// t the target: x itself, or what a filter makes of it.
///
///     loss    mse  Σ w (p − t)² / Σ w     l1  Σ w |p − t| / Σ w     luminance  the same as mse of 0.299 R + 0.587 G + 0.114 B
///             bce  Σ w (−t log p − (1 − t) log(1 − p)) / Σ w, with p = σ(answer)     ssim  1 − SSIM (`StructuralSimilarity`)
///     mse     as above, where the loss is another
///     psnr    10 log₁₀(1 / mse) of each image, at most 100
///     ssim    the structural similarity, where hidden pixels alone count of the image with its own visible pixels
///
/// w is 1, or 1 for the pixels that were hidden and else 0 (`counted`). A model that hides parts of the image itself (a masked autoencoder) says which with an
/// output `hidden` `[B, H, W, 1]`, and by what errors are divided with `deviation` `[B, H, W, 1]`, on the scale of normalized images.
///
/// The test keeps its first images, what the model saw of them where that is something else, and its answers, all with pixels from 0 to 1; where hidden pixels
/// alone count, answers have the image's own visible pixels. Of a model with codes (`features.code` `[B, n]`) it has these as a table, unless `train.store_outputs` is false. With `neighbours: k` it lists the k nearest test images of each by Euclidean
/// distance of codes, and `retrieval_precision` is the share of them that have its class.
public struct Reconstruction: TrainingTask {
    private let shape: ImageShape
    private let mean: [Float]
    private let deviation: [Float]
    private let options: ReconstructionOptions
    /// Whether the test's codes are kept in the run file.
    private let storesCodes: Bool
    /// The length of a code; nil where the model has none, or is not known yet.
    private var codeLength: Int?
    /// Whether the model hides parts of the image itself.
    private var isMasked = false

    init(shape: ImageShape, mean: [Float], deviation: [Float], _ options: ReconstructionOptions, storesCodes: Bool = true) {
        (self.shape, self.mean, self.deviation, self.options, self.storesCodes) = (shape, mean, deviation, options, storesCodes)
    }

    public var name: String { "reconstruction" }
    public var targets: [String] { options.neighbours > 0 ? ["label"] : [] }
    public var outputShape: Shape { [shape.height, shape.width, shape.channels] }
    public var outputDescription: String { "\(shape) pixels" }
    public var monitored: String { Measure.lossName }
    public var splitMeasures: [Measure] {
        options.neighbours > 0 ? [Measure(Self.retrieval, unit: "1", better: .larger, bounds: 0...1)] : []
    }

    static let codes = "codes", neighbours = "neighbours", retrieval = "retrieval_precision"
    static let codeOutput = "features.code"

    public func fitted(to outputs: NamedOutputs) throws -> Reconstruction {
        var copy = self
        copy.codeLength = outputs[Self.codeOutput].flatMap { $0.isValid ? $0.shape[-1] : nil }
        copy.isMasked = outputs["hidden"] != nil
        if let sentence = misfit(outputs) { throw sentence }
        if options.neighbours > 0, copy.codeLength == nil, outputs["logits"]?.isValid == true {
            throw UserError(at: "task.reconstruction.neighbours", "compares codes, which this model has not; expected a model such as autoencoder, or 0")
        }
        return copy
    }

    /// What does not go with a model that hides parts of the image itself; nil where all does.
    private func misfit(_ outputs: NamedOutputs) -> UserError? {
        guard outputs["hidden"] != nil else { return nil }
        if options.corruption != nil { return UserError(at: "task.reconstruction.corruption", "goes with models that see the whole image; this one hides patches itself") }
        if options.loss == .ssim { return UserError(at: "task.reconstruction.loss", "ssim compares windows, and this model answers for hidden patches alone; expected mse or l1") }
        guard outputs["deviation"] != nil else { return nil }
        if options.target != nil { return UserError(at: "task.reconstruction.target", "goes with normalize_patches: false, as patches are normalized by the image itself") }
        guard ![.mse, .l1].contains(options.loss) else { return nil }
        return UserError(at: "task.reconstruction.loss", "\(options.loss.rawValue) goes with normalize_patches: false; of normalized patches expected mse or l1")
    }

    /// Checks that one kernel on normalized images can give what is asked for: of pixels whose mean m was taken away, a kernel whose numbers sum to s gives
    /// (s − 1) m too little.
    ///
    /// - Parameter kernel: a fixed one; nil: one that is learned, to find what the target's gives.
    /// - Throws: `UserError(.usage)` where it cannot.
    public func requireScale(of kernel: ImageKernel?) throws {
        guard mean.contains(where: { $0 != 0 }), let kernel = kernel ?? options.target, kernel.sum != 1 else { return }
        throw UserError(at: "data.normalization", """
            the numbers of the kernel \(kernel.rawValue) sum to \(Int(kernel.sum)), so that images from which a mean was taken away have other answers than their pixels; expected none
            """)
    }

    // MARK: What the model sees

    public func input(_ images: Tensor, in scope: Scope) -> ModelInput {
        guard let corruption = options.corruption, images.isValid else { return ModelInput(images) }
        // Evaluations draw from a stream of their own, the same in each of them.
        let place = scope[images.graph.mode == .training ? "corruption" : "corruption_of_evaluations"]
        return place.record {
            let pixels = [shape.height, shape.width, 1]
            func black(_ graph: Graph) -> Tensor { graph.constant(HostTensor([1, 1, 1, shape.channels], zip(mean, deviation).map { -$0 / $1 })) }
            func hiding(_ hidden: Tensor, behind value: Tensor) -> ModelInput { ModelInput(images, seenAs: images * (1 - hidden) + value * hidden, hidden: hidden) }
            switch corruption {
            case .gaussian(let deviation):
                let noise = images.randomNormal([shape.height, shape.width, shape.channels], stream: place.nextStream())
                let noisy = pixelValues(images) + noise * Float(deviation)
                return ModelInput(images, seenAs: normalized(noisy.relu() - (noisy - 1).relu()))
            case .masking(let share):
                return hiding(images.randomChoices(Shape(pixels), probability: Float(share), stream: place.nextStream()), behind: black(images.graph))
            case .saltAndPepper(let share):
                let hidden = images.randomChoices(Shape(pixels), probability: Float(share), stream: place.nextStream())
                let isWhite = images.randomChoices(Shape(pixels), probability: 0.5, stream: place.nextStream())
                return hiding(hidden, behind: normalized(isWhite))
            case .square(let side):
                let corner = images.randomUniform([2], stream: place.nextStream()), length = max(1, Int((side * Double(min(shape.height, shape.width))).rounded()))
                let hidden = RandomSquare(height: shape.height, width: shape.width, side: length)(corner)[0]
                return hiding(hidden, behind: normalized(images.graph.constant(HostTensor([1, 1, 1, 1], [Float(0.5)]))))
            }
        }
    }

    /// Images as the test keeps a model's answers, `[B, H, W, C]` with pixels from 0 to 1: with the image's own where they were seen, if hidden pixels alone count.
    public func answers(to images: Tensor, in scope: Scope, by model: (_ seen: Tensor) -> NamedOutputs) -> Tensor {
        let input = input(images, in: scope), outputs = model(input.images), output = outputs.required(head, in: scope).cast(to: .float32)
        guard output.isValid, input.originals.isValid else { return output }
        return record(output, [], input: input, outputs: outputs).outputs[1]
    }

    // MARK: How far it is from the truth

    public func record(_ output: Tensor, _ targets: [Tensor]) -> RecordedTask {
        record(output, targets, input: ModelInput(output), outputs: NamedOutputs())
    }

    public func record(_ output: Tensor, _ targets: [Tensor], input: ModelInput, outputs: NamedOutputs) -> RecordedTask {
        guard output.isValid, input.originals.isValid else { return RecordedTask(losses: [Loss(options.loss.rawValue, unit: "1", output)]) }
        let truth = pixelValues(input.originals), target = options.target.map { truth.filtered(by: $0.values, side: $0.side) } ?? truth
        let answer = options.loss == .bce ? output.sigmoid() : pixelValues(output)
        let hidden = outputs["hidden"] ?? (options.counted == .hidden ? input.hidden : nil)
        /// Of values of each pixel, the mean over those that count: `[B, H, W, C]` → `[B]`.
        func mean(_ values: Tensor) -> Tensor {
            guard let hidden else { return values.mean(axes: [1, 2, 3]) }
            return (values * hidden).sum(axes: [1, 2, 3]) / (hidden.sum(axes: [1, 2, 3]) * Float(values.shape[3])).atLeast(1)
        }
        let squares = mean((answer - target).square()), graph = output.graph
        let whole = hidden.map { answer * $0 + target * (1 - $0) } ?? answer
        let similarity = StructuralSimilarity.record(whole, target)
        let loss: Tensor
        switch options.loss {
        case .mse: loss = outputs["deviation"].map { mean(((output - normalized(target)) / $0).square()) } ?? squares
        case .l1: loss = outputs["deviation"].map { mean(((output - normalized(target)) / $0).abs()) } ?? mean((answer - target).abs())
        case .luminance:
            let weights = graph.constant(HostTensor([1, 1, 1, 3], [0.299, 0.587, 0.114] as [Float]))
            loss = mean(((answer - target) * weights).sum(axes: [3], keepsAxes: true).square())
        case .bce: loss = mean(output.softplus() - target * output)
        case .ssim: loss = 1 - similarity
        }
        var measures: [RecordedMeasure] = []
        if options.loss != .mse || outputs["deviation"] != nil { measures.append(RecordedMeasure(Measure("mse", unit: "1", better: .smaller), squares)) }
        let decibels = squares.atLeast(1e-10).log() * Float(-10 / Foundation.log(10.0))
        measures.append(RecordedMeasure(Measure("psnr", unit: "dB", better: .larger), decibels))
        measures.append(RecordedMeasure(Measure("ssim", unit: "1", better: .larger, bounds: -1...1), similarity))
        let name = options.loss == .ssim ? "dissimilarity" : options.loss.rawValue
        return RecordedTask(
            losses: [Loss(measures.contains { $0.measure.name == name } ? "\(name)_loss" : name, unit: options.loss == .bce ? "nat" : "1", loss)], measures: measures,
            outputs: [truth, whole] + (showsInput ? [seen(input, hidden: outputs["hidden"])] : [])
                + (codeLength == nil ? [] : outputs[Self.codeOutput].map { [$0.cast(to: .float32)] } ?? []))
    }

    /// Whether the model sees something else than the image.
    private var showsInput: Bool { options.corruption != nil || isMasked }

    /// What the model saw, with pixels from 0 to 1; gray where it hid them itself.
    private func seen(_ input: ModelInput, hidden: Tensor?) -> Tensor {
        let images = pixelValues(input.images)
        return hidden.map { images * (1 - $0) + $0 * 0.5 } ?? images
    }

    /// Normalized images with pixels from 0 to 1.
    private func pixelValues(_ images: Tensor) -> Tensor {
        let graph = images.graph
        return images * graph.constant(HostTensor([1, 1, 1, shape.channels], deviation)) + graph.constant(HostTensor([1, 1, 1, shape.channels], mean))
    }

    /// Images with pixels from 0 to 1, normalized.
    private func normalized(_ images: Tensor) -> Tensor {
        let graph = images.graph, scale = graph.constant(HostTensor([1, 1, 1, shape.channels], deviation.map { 1 / $0 }))
        return (images - graph.constant(HostTensor([1, 1, 1, shape.channels], mean))) * scale
    }

    // MARK: Tables

    /// How many images the test keeps: 12, or fewer large ones.
    private var exampleCount: Int { max(1, min(12, (1 << 18) / shape.count)) }

    public func layout(of split: Split) -> EvaluationLayout {
        guard split == .test else { return EvaluationLayout() }
        func images(_ name: String, _ title: String) -> EvaluationColumn {
            EvaluationColumn(name, title: title, unit: "1", kind: .real, rowShape: [shape.height, shape.width, shape.channels])
        }
        var columns = [images(Self.images, "the first images of the test"), images(Self.answers, "the model's answers to them")]
        if showsInput { columns.append(images(Self.inputs, "what the model saw of them")) }
        if let codeLength, storesCodes { columns.append(EvaluationColumn(Self.codes, title: "code of each image", unit: "1", kind: .real, rowShape: [codeLength])) }
        if options.neighbours > 0 {
            columns.append(EvaluationColumn(
                Self.neighbours, title: "places in the test of the images with the nearest codes, the nearest first", unit: "1", rowShape: [options.neighbours]))
        }
        return EvaluationLayout(columns: columns)
    }

    static let images = "example_images", answers = "example_answers", inputs = "example_inputs"

    public func makeTables(of split: Split) -> any EvaluationTables {
        let kept = [Self.images, Self.answers] + (showsInput ? [Self.inputs] : [])
        return ReconstructionTables(
            kept: kept, exampleLength: exampleCount * shape.count, imageLength: shape.count, codeLength: codeLength, neighbours: options.neighbours, hasTables: split == .test,
            storesCodes: storesCodes)
    }
}

extension Tensor {
    /// max(x, least), element by element.
    fileprivate func atLeast(_ least: Float) -> Tensor { maximum(graph.constant(least)) }
}

/// Where a square of an image lies: two numbers from 0 up to 1 `[2]` → 1 in the square and else 0, `[H, W, 1]`.
private struct RandomSquare: SampleFunction {
    let height: Int
    let width: Int
    let side: Int

    var name: String { "random square" }

    func outputShapes(_ inputs: [Shape]) throws(ShapeError) -> [Shape] {
        guard inputs[0] == [2] else { throw ShapeError("of \(inputs[0]): expected [2]") }
        return [[height, width, 1]]
    }

    func compute(_ inputs: [UnsafePointer<Float>], _ outputs: [UnsafeMutablePointer<Float>]) {
        outputs[0].update(repeating: 0, count: height * width)
        let top = Int(inputs[0][0] * Float(height - side + 1)), left = Int(inputs[0][1] * Float(width - side + 1))
        for row in top..<top + side { for column in left..<left + side { outputs[0][row * width + column] = 1 } }
    }
}

private final class ReconstructionTables: EvaluationTables {
    /// The tables of examples, in the order of the outputs.
    private let kept: [String]
    private let exampleLength: Int
    private let imageLength: Int
    private let codeLength: Int?
    private let neighbours: Int
    private let hasTables: Bool
    private let storesCodes: Bool
    private var examples: [[Float]]
    private var codes: [Float] = []
    private var labels: [Int32] = []
    private var nearest: NearestRows?

    init(kept: [String], exampleLength: Int, imageLength: Int, codeLength: Int?, neighbours: Int, hasTables: Bool, storesCodes: Bool) {
        (self.kept, self.exampleLength, self.imageLength) = (kept, exampleLength, imageLength)
        (self.codeLength, self.neighbours, self.hasTables, self.storesCodes) = (codeLength, neighbours, hasTables, storesCodes)
        examples = kept.map { _ in [] }
    }

    func add(outputs: [UnsafeRawPointer], targets: [UnsafeRawPointer], count: Int) {
        if hasTables {
            for place in kept.indices {
                let wanted = min(count * imageLength, exampleLength - examples[place].count)
                examples[place] += UnsafeBufferPointer(start: outputs[place].assumingMemoryBound(to: Float.self), count: wanted)
            }
        }
        guard let codeLength, hasTables && storesCodes || neighbours > 0 else { return }
        codes += UnsafeBufferPointer(start: outputs[kept.count].assumingMemoryBound(to: Float.self), count: count * codeLength)
        if neighbours > 0 { labels += UnsafeBufferPointer(start: targets[0].assumingMemoryBound(to: Int32.self), count: count) }
    }

    /// Computed once for the measure and the table.
    private func found() -> NearestRows? {
        guard let codeLength, neighbours > 0 else { return nil }
        if nearest == nil { nearest = NearestRows(codes, length: codeLength, count: neighbours) }
        return nearest
    }

    func splitValues() -> [String: Double] { [Reconstruction.retrieval: found()?.precision(of: labels) ?? .nan] }

    func finish() -> [String: TableValues] {
        guard hasTables else { return [:] }
        var tables = Dictionary(uniqueKeysWithValues: zip(kept, examples.map { TableValues.reals($0) }))
        if codeLength != nil, storesCodes { tables[Reconstruction.codes] = .reals(codes) }
        if let found = found() { tables[Reconstruction.neighbours] = .integers(found.places.map { Int64($0) }) }
        return tables
    }
}
