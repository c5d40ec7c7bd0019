/// The lengths of a tensor's axes, outermost first. Images are `[batch, height, width, channels]`, tokens `[batch, tokens, channels]`.
public struct Shape: Hashable, Sendable, ExpressibleByArrayLiteral, CustomStringConvertible, RandomAccessCollection {
    /// The length of each axis, the outermost first.
    public let dimensions: [Int]
    /// The shape of a tensor whose recording failed: every axis reads as 1, so that model code can go on to its end.
    let isInvalid: Bool

    /// A shape of given lengths.
    public init(_ dimensions: some Sequence<Int>) {
        self.dimensions = Array(dimensions)
        isInvalid = false
    }

    /// A shape written as `[2, 3]`.
    public init(arrayLiteral elements: Int...) { self.init(elements) }

    private init(invalid: Void) {
        dimensions = []
        isInvalid = true
    }

    static let invalid = Shape(invalid: ())

    /// The number of axes; 0 for a single number.
    public var rank: Int { dimensions.count }
    /// The number of elements; 1 for a scalar.
    public var elementCount: Int { dimensions.reduce(1, *) }

    /// Whether there are more elements than any tensor may have. The limit keeps all counts of elements, bytes and multiply-adds far
    /// from the largest integer.
    var isTooLarge: Bool {
        var count = 1
        for length in dimensions {
            let (product, overflows) = count.multipliedReportingOverflow(by: length)
            if overflows || product > Self.largestElementCount { return true }
            count = product
        }
        return false
    }

    static let largestElementCount = 1 << 34

    /// The first axis: 0.
    public var startIndex: Int { 0 }
    /// Behind the last axis: the rank.
    public var endIndex: Int { dimensions.count }

    /// The length of an axis; negative axes count from the end.
    public subscript(axis: Int) -> Int {
        if isInvalid { return 1 }
        let index = axis < 0 ? axis + rank : axis
        precondition(dimensions.indices.contains(index), "axis \(axis) of a shape with \(rank) axes")
        return dimensions[index]
    }

    /// As messages write it: `[2, 3]`.
    public var description: String { "[\(dimensions.map(String.init).joined(separator: ", "))]" }

    /// Row-major strides, in elements.
    public var strides: [Int] {
        var strides = [Int](repeating: 1, count: rank)
        for axis in stride(from: rank - 2, through: 0, by: -1) { strides[axis] = strides[axis + 1] * dimensions[axis + 1] }
        return strides
    }

    /// The shape to which both broadcast by NumPy's rule (axes aligned at the end, 1 stretches), or nil.
    public func broadcast(with other: Shape) -> Shape? {
        let rank = Swift.max(self.rank, other.rank)
        var result: [Int] = []
        for offset in stride(from: rank, to: 0, by: -1) {
            let a = offset <= self.rank ? self[-offset] : 1
            let b = offset <= other.rank ? other[-offset] : 1
            guard a == b || a == 1 || b == 1 else { return nil }
            result.append(a == 1 ? b : a)
        }
        return Shape(result)
    }

    func replacing(axis: Int, with length: Int) -> Shape {
        var dimensions = dimensions
        dimensions[axis] = length
        return Shape(dimensions)
    }
}
