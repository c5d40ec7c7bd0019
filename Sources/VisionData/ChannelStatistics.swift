import Configuration

/// Mean and standard deviation of each channel, on the scale where bytes run from 0 to 1.
public struct ChannelStatistics: Equatable, Sendable {
    /// One for each channel, of pixels from 0 to 1.
    public let mean: [Double]
    /// The standard deviation of the whole population (divided by n), never 0: a constant channel has 1.
    public let std: [Double]

    /// Measures the images with the given global indices.
    ///
    /// Bytes are summed as integers, so the result is exact; floats in double, in the order of the indices, the mean first.
    init(of images: LabeledImages, at indices: [Int32]) {
        let channels = images.shape.channels, imageCount = images.shape.count
        let count = Double(indices.count * (imageCount / channels))
        var means = [Double](repeating: 0, count: channels), deviations = means

        switch images.pixels {
        case .bytes(let pixels, let maximum):
            var sums = [UInt64](repeating: 0, count: channels), squares = sums
            pixels.withUnsafeBufferPointer { pixels in
                for index in indices {
                    let image = UnsafeBufferPointer(rebasing: pixels[Int(index) * imageCount..<(Int(index) + 1) * imageCount])
                    for channel in 0..<channels {
                        // Thirty-two bits hold the squares of 66,051 bytes, so the sums are carried over row by row.
                        for row in stride(from: 0, to: imageCount, by: images.shape.width * channels) {
                            var sum: UInt32 = 0, square: UInt32 = 0
                            for position in stride(from: row + channel, to: row + images.shape.width * channels, by: channels) {
                                let value = UInt32(image[position])
                                sum &+= value
                                square &+= value &* value
                            }
                            sums[channel] += UInt64(sum)
                            squares[channel] += UInt64(square)
                        }
                    }
                }
            }
            let scale = 1 / Double(maximum)
            for channel in 0..<channels {
                let mean = Double(sums[channel]) / count
                means[channel] = mean * scale
                deviations[channel] = max(0, Double(squares[channel]) / count - mean * mean).squareRoot() * scale
            }

        case .files(let files):
            self.init(indices.map { files.entries[Int($0)].sums }, valuesEach: imageCount / channels)
            return

        case .floats(let pixels):
            func accumulate(_ value: (_ pixel: Double, _ channel: Int) -> Double) -> [Double] {
                var sums = [Double](repeating: 0, count: channels)
                for index in indices {
                    let start = Int(index) * imageCount
                    for position in 0..<imageCount {
                        sums[position % channels] += value(Double(pixels[start + position]), position % channels)
                    }
                }
                return sums.map { $0 / count }
            }
            means = accumulate { pixel, _ in pixel }
            deviations = accumulate { pixel, channel in (pixel - means[channel]) * (pixel - means[channel]) }.map { $0.squareRoot() }
        }
        self.init(mean: means, std: deviations.map { $0 > 0 ? $0 : 1 })
    }

    /// Of images of which the sums are known.
    ///
    /// - Parameter valuesEach: how many values of a channel an image has.
    init(_ images: [ChannelSums], valuesEach: Int) {
        let channels = images.first?.values.count ?? 0, count = Double(images.count * valuesEach)
        var sums = [UInt128](repeating: 0, count: channels), squares = sums
        for image in images {
            for channel in 0..<channels {
                sums[channel] += UInt128(image.values[channel])
                squares[channel] += UInt128(image.squares[channel])
            }
        }
        let means = sums.map { Double($0) / count }
        let deviations = zip(squares, means).map { max(0, Double($0) / count - $1 * $1).squareRoot() / 65_535 }
        self.init(mean: means.map { $0 / 65_535 }, std: deviations.map { $0 > 0 ? $0 : 1 })
    }

    init(mean: [Double], std: [Double]) {
        self.mean = mean
        self.std = std
    }
}
