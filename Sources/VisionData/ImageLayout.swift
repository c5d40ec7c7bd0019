import TensorCore

// How arrays in files become images with the channels last. A volume's depth lies in the channels: channel d · C + c is channel c at depth d. A sequence is an
// image of height 1.
extension HDF5Source.Layout {
    /// The axes behind the first one: `cdhw`.
    private var axes: [Character] { Array(rawValue.dropFirst()) }

    /// How many axes an array has.
    var rank: Int { rawValue.count }

    /// The same with the channels first.
    var channelsFirst: Self {
        switch self {
        case .nchw, .nhwc: .nchw
        case .ncdhw, .ndhwc: .ncdhw
        case .ncl, .nlc: .ncl
        }
    }

    /// As messages write it: `[n, channels, height, width]`.
    var words: String {
        let names: [Character: String] = ["c": "channels", "d": "depth", "h": "height", "w": "width", "l": "length"]
        return "[n, \(axes.compactMap { names[$0] }.joined(separator: ", "))]"
    }

    /// The images in an array of a shape.
    func shape(of dimensions: [Int]) -> ImageShape {
        func length(_ names: Character...) -> Int { axes.firstIndex { names.contains($0) }.map { dimensions[$0 + 1] } ?? 1 }
        return ImageShape(height: length("h"), width: length("w", "l"), channels: length("d") * length("c"))
    }

    /// The values of an array of a shape as images, `[n, height, width, depth · channels]`.
    func ordered<Element>(_ values: [Element], of dimensions: [Int]) -> [Element] {
        func axis(_ names: Character...) -> (length: Int, stride: Int) {
            guard let place = axes.firstIndex(where: { names.contains($0) }) else { return (1, 0) }
            return (dimensions[place + 1], dimensions[(place + 2)...].reduce(1, *))
        }
        let rows = axis("h"), columns = axis("w", "l"), planes = axis("d"), channels = axis("c")
        let strides = [rows, columns, planes, channels].filter { $0.length > 1 }.map(\.stride)
        if zip(strides, strides.dropFirst()).allSatisfy({ $0 > $1 }) { return values }
        let size = dimensions.dropFirst().reduce(1, *)
        return [Element](unsafeUninitializedCapacity: values.count) { output, initialized in
            values.withUnsafeBufferPointer { values in
                for image in stride(from: 0, to: values.count, by: size) {
                    for row in 0..<rows.length {
                        for column in 0..<columns.length {
                            for plane in 0..<planes.length {
                                let place = image + row * rows.stride + column * columns.stride + plane * planes.stride
                                for channel in 0..<channels.length {
                                    output.initializeElement(at: initialized, to: values[place + channel * channels.stride])
                                    initialized += 1
                                }
                            }
                        }
                    }
                }
            }
        }
    }
}
