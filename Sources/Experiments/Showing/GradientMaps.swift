import Configuration
import Foundation
import Models
import TensorCore

/// How strongly the cells of a feature map speak for a class.
public struct GradCAM {
    /// The class.
    public let classIndex: Int
    /// The model's probability of it, or its margin (`TrainedModel.kind`).
    public let score: Float
    /// The size of the map.
    public let rows, columns: Int
    /// Of each picture that the model sees of the image, as `ImagePlanes.seen` has them, or of all together: `[rows · columns]`, none of them negative.
    public let maps: [[Float]]
}

extension ModelProbe {
    /// What computes the class activation map of one image by gradients.
    ///
    ///     α_k = mean over cells of ∂y_c / ∂A_k;    map = ReLU(Σ_k α_k A_k)
    ///
    /// with y_c the logit of the class and A_k the map of channel k; of tokens, the map of those that have places. Of features of several views each view has
    /// a map of its own.
    ///
    /// Selvaraju, Cogswell, Das, Vedantam, Parikh and Batra, "Grad-CAM: Visual Explanations from Deep Networks via Gradient-Based Localization", ICCV 2017.
    ///
    /// - Parameter name: a stage or the path of a module; nil: `gradCAMLayerName()`.
    /// - Returns: takes an image's pixels, and a class or nil for the predicted one.
    /// - Throws: `.usage` when the layer has no map.
    public func gradCAM(layer name: String?) throws -> (_ pixels: [Float], _ classIndex: Int?) throws -> GradCAM {
        precondition(batchSize == 1, "a map is that of one image")
        let name = try name ?? gradCAMLayerName(), features = try layer(name), shape = features.shape
        let grid: TokenGrid
        if shape.rank == 4 { grid = TokenGrid(prefixTokens: 0, rows: shape[1], columns: shape[2]) } else if shape.rank == 3, let found = self.grid(ofTokens: shape[1]) {
            grid = found
        } else {
            throw UserError(.usage, "the layer '\(name.shortened())' gives \(shape), which is no map over the image; expected a feature map or tokens with places")
        }
        let evaluate = try evaluator(of: [outputs["logits"]!, features, gradients(withRespectTo: [features])[0]]), channels = shape[-1]
        return { [self] pixels, classIndex in
            let logits = try evaluate(pixels, [Float](repeating: 0, count: trained.outputs))[0].floats
            let index = classIndex ?? largestIndex(logits), values = try evaluate(pixels, target(ofClass: index)).map(\.floats)
            let cells = grid.rows * grid.columns
            let maps = (0..<shape[0]).map { view in
                let first = (view * grid.tokenCount + grid.prefixTokens) * channels
                let weights = (0..<channels).map { channel in
                    (0..<cells).reduce(0.0) { $0 + Double(values[2][first + $1 * channels + channel]) } / Double(cells)
                }
                return (0..<cells).map { cell in
                    Float(max(0, (0..<channels).reduce(0.0) { $0 + weights[$1] * Double(values[1][first + cell * channels + $1]) }))
                }
            }
            return GradCAM(classIndex: index, score: trained.score(of: index, logits), rows: grid.rows, columns: grid.columns, maps: maps)
        }
    }

    /// The layer that `gradCAM` takes where none is named: the last stage of the convolutional network, or what it joins of several views; of a transformer
    /// the block before the last, behind which the class token alone counts.
    ///
    /// - Throws: `.usage` where there is neither.
    public func gradCAMLayerName() throws -> String {
        if outputs["features.views"] != nil { return "views" }
        if let name = lastMapName { return name }
        let blocks = stageNames.filter { $0.hasPrefix("block") || $0.hasPrefix("transformer.block") }
        if blocks.count > 1 { return blocks[blocks.count - 2] }
        throw UserError(.usage, "\(trained.definition.family) has no stage with a map over the image; the stages are \(stageNames.joined(separator: ", "))")
    }

    /// How much each pixel speaks for a class, against a black image.
    ///
    ///     (x − x′) ∘ ∫ ∂y_c(x′ + t (x − x′)) / ∂x dt,  t from 0 to 1, at the middle of each of `steps` equal parts
    ///
    /// Sundararajan, Taly and Yan, "Axiomatic Attribution for Deep Networks", ICML 2017; y_c is the logit.
    ///
    /// - Returns: takes an image's pixels, and a class or nil for the predicted one; gives the class, its probability or margin and `[height · width]`, the sum over channels.
    /// - Throws: `.usage` when the model's features have no gradient.
    public func integratedGradients(steps: Int = 64) throws -> (_ pixels: [Float], _ classIndex: Int?) throws -> (classIndex: Int, score: Float, values: [Float]) {
        precondition(batchSize == 1 && steps > 0, "gradients are those of one image")
        if let fixed = trained.definition.configuration as? any FixedFeatureConfiguration, !fixed.hasGradient {
            throw UserError(.usage, "\(trained.definition.family) makes features that have no gradient with respect to pixels; expected a network, or edges other than canny's")
        }
        let evaluate = try evaluator(of: [outputs["logits"]!, gradients(withRespectTo: [images])[0]]), black = blackPixel, channels = trained.input.channels
        return { [self] pixels, classIndex in
            let logits = try evaluate(pixels, [Float](repeating: 0, count: trained.outputs))[0].floats
            let index = classIndex ?? largestIndex(logits), target = target(ofClass: index)
            var sums = [Double](repeating: 0, count: pixels.count)
            for step in 0..<steps {
                let share = (Float(step) + 0.5) / Float(steps)
                let image = pixels.indices.map { black[$0 % channels] + share * (pixels[$0] - black[$0 % channels]) }
                for (place, gradient) in try evaluate(image, target)[1].floats.enumerated() { sums[place] += Double(gradient) }
            }
            let attributions = pixels.indices.map { Double(pixels[$0] - black[$0 % channels]) * sums[$0] / Double(steps) }
            let values = stride(from: 0, to: pixels.count, by: channels).map { Float(attributions[$0..<$0 + channels].reduce(0, +)) }
            return (index, trained.score(of: index, logits), values)
        }
    }

    /// A black pixel as the model sees it.
    private var blackPixel: [Float] {
        guard case .given(let mean, let deviation) = trained.normalization else { return [Float](repeating: 0, count: trained.input.channels) }
        return zip(mean, deviation).map { Float(-$0 / $1) }
    }

    private func largestIndex(_ logits: [Float]) -> Int { logits.indices.max { (logits[$0], $1) < (logits[$1], $0) }! }
}

extension TrainedModel {
    /// The softmax probability of a class, or its margin.
    fileprivate func score(of index: Int, _ logits: [Float]) -> Float {
        if kind == .margin { return logits[index] }
        let largest = Double(logits.max()!)
        func power(_ value: Float) -> Double { exp(Double(value) - largest) }
        return Float(power(logits[index]) / logits.reduce(0) { $0 + power($1) })
    }
}
