/// How values between pixels are found when an image is resized.
public enum Interpolation: String, Sendable, Hashable, CaseIterable {
    /// From the two nearest pixels along each axis, by their distances.
    case bilinear
    /// From the four nearest, by a cubic (Keys, "Cubic Convolution Interpolation for Digital Image Processing", 1981).
    case bicubic

    /// How far a pixel is seen, in pixels.
    fileprivate var support: Double { self == .bilinear ? 1 : 2 }

    /// The weight of a pixel at a distance. `a` is the cubic's free number: −½ is Keys's, −¾ what most libraries take without antialiasing.
    fileprivate func weight(at distance: Double, a: Double) -> Double {
        let x = abs(distance)
        switch self {
        case .bilinear: return max(0, 1 - x)
        case .bicubic:
            if x < 1 { return ((a + 2) * x - (a + 3)) * x * x + 1 }
            return x < 2 ? (((x - 5) * x + 8) * x - 4) * a : 0
        }
    }

    /// What each pixel of a resized axis is made of, pixels being areas whose centres lie at ½, 1½, …: neighbouring ones of the old axis from `first` on,
    /// by their weights.
    ///
    /// With `antialias` a smaller image weighs all pixels that one of its own covers, and weights beyond the border are left out; without it four or
    /// two pixels count, and beyond the border the outermost repeats. Both as PyTorch's `interpolate`, and the first as Pillow, have it.
    public func mixtures(from inputs: Int, to outputs: Int, antialias: Bool) -> [(first: Int, weights: [Float])] {
        let scale = Double(inputs) / Double(outputs), stretch = antialias ? max(scale, 1) : 1, a = antialias ? -0.5 : -0.75
        return (0..<outputs).map { place in
            let center = (Double(place) + 0.5) * scale
            var sums: [Int: Double] = [:]
            for pixel in Int((center - support * stretch).rounded(.down)) - 1...Int((center + support * stretch).rounded(.up)) + 1 {
                if antialias, !(0..<inputs).contains(pixel) { continue }
                let weight = weight(at: (Double(pixel) + 0.5 - center) / stretch, a: a)
                if weight != 0 { sums[min(max(pixel, 0), inputs - 1), default: 0] += weight }
            }
            let first = sums.keys.min() ?? 0, last = sums.keys.max() ?? 0, whole = antialias ? (first...last).reduce(0) { $0 + (sums[$1] ?? 0) } : 1
            return (first, (first...last).map { Float((sums[$0] ?? 0) / whole) })
        }
    }

    /// The same as a matrix `[outputs, inputs]`.
    public func matrix(from inputs: Int, to outputs: Int, antialias: Bool) -> [Float] {
        var matrix = [Float](repeating: 0, count: outputs * inputs)
        for (row, mixture) in mixtures(from: inputs, to: outputs, antialias: antialias).enumerated() {
            for (place, weight) in mixture.weights.enumerated() { matrix[row * inputs + mixture.first + place] = weight }
        }
        return matrix
    }
}

extension Tensor {
    /// The image `[B, h, w, C]` at another size, `[B, H, W, C]`: first along its rows, then along its columns, each axis by one matrix product in float32.
    ///
    /// - Parameter antialias: whether a smaller image takes all pixels into account (`Interpolation.matrix`).
    public func resized(to size: Size2D, _ interpolation: Interpolation, antialias: Bool = false) -> Tensor {
        guard isValid else { return self }
        precondition(rank == 4, "images have four axes, found the shape \(shape)")
        let (batch, height, width, channels) = (shape[0], shape[1], shape[2], shape[3])
        func matrix(_ inputs: Int, _ outputs: Int) -> Tensor {
            graph.constant(HostTensor([outputs, inputs], interpolation.matrix(from: inputs, to: outputs, antialias: antialias)))
        }
        var y = cast(to: .float32)
        if width != size.width { y = matrix(width, size.width).matmul(y.reshaped([batch * height, width, channels])) }
        if height != size.height { y = matrix(height, size.height).matmul(y.reshaped([batch, height, size.width * channels])) }
        return y.reshaped([batch, size.height, size.width, channels]).cast(to: dtype)
    }
}
