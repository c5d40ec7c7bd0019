import Configuration
import TensorCore

/// The kernels of a model's first layer.
public struct FirstLayerFilters {
    /// The layer's path.
    public let path: String
    /// The size of a kernel.
    public let height, width, channels: Int
    /// `[filters][height · width · channels]`, channels last.
    public let filters: [[Float]]
}

extension ModelProbe {
    /// The weights of the first layer that looks at pixels: a convolution, a patch embedding, or a linear layer of all pixels.
    ///
    /// - Throws: `.usage` where the first layer with weights does neither.
    public func firstLayerFilters() throws -> FirstLayerFilters {
        let input = trained.input
        guard let path = graph.weightedLayerPaths.first, let weight = parameter("\(path).weight") else {
            throw UserError(.usage, "\(trained.definition.family) has no layer with kernels")
        }
        let shape = weight.shape, values = weight.floats
        if shape.rank == 4, shape[1] == input.channels {
            let (channels, height, width) = (shape[1], shape[2], shape[3]), size = channels * height * width
            let filters = (0..<shape[0]).map { filter in
                (0..<size).map { place in values[filter * size + place % channels * height * width + place / channels] }
            }
            return FirstLayerFilters(path: path, height: height, width: width, channels: channels, filters: filters)
        }
        if shape.rank == 2, shape[1] == input.count {
            return FirstLayerFilters(
                path: path, height: input.height, width: input.width, channels: input.channels,
                filters: (0..<shape[0]).map { Array(values[$0 * input.count..<($0 + 1) * input.count]) })
        }
        throw UserError(.usage, "the weights of the first layer, \(path) \(shape), are no kernels over an image of \(input)")
    }
}
