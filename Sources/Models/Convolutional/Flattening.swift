import TensorCore

extension Tensor {
    /// The features of each image as one vector, channels first, as PyTorch flattens them: `[B, h, w, C]` → `[B, C·h·w]`.
    func flattenedChannelsFirst() -> Tensor {
        guard isValid else { return self }
        return transposed([0, 3, 1, 2]).reshaped([shape[0], shape[1] * shape[2] * shape[3]])
    }
}
