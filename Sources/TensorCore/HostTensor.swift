/// Data outside a plan: a shape, an element type and the elements in row-major order.
public struct HostTensor: Sendable, Equatable {
    /// The lengths of the axes.
    public let shape: Shape
    /// The type of every element.
    public let dtype: DType
    /// The elements in memory order, in the machine's byte order.
    public private(set) var bytes: [UInt8]

    /// A tensor of given elements in row-major order, as many as the shape has.
    public init<Element: TensorElement>(_ shape: Shape, _ elements: [Element]) {
        precondition(shape.elementCount == elements.count, "\(elements.count) elements do not fill the shape \(shape)")
        self.shape = shape
        dtype = Element.dtype
        bytes = elements.withUnsafeBytes { Array($0) }
    }

    /// A tensor of equal elements.
    public init<Element: TensorElement>(_ shape: Shape, repeating value: Element) {
        self.init(shape, [Element](repeating: value, count: shape.elementCount))
    }

    init(shape: Shape, dtype: DType, copying source: UnsafeRawPointer) {
        self.shape = shape
        self.dtype = dtype
        bytes = Array(UnsafeRawBufferPointer(start: source, count: shape.elementCount * dtype.byteCount))
    }

    /// The elements, whose type must be the tensor's.
    public func elements<Element: TensorElement>(as type: Element.Type = Element.self) -> [Element] {
        precondition(dtype == Element.dtype, "a tensor of \(dtype) read as \(Element.dtype)")
        return bytes.withUnsafeBytes { Array($0.bindMemory(to: Element.self)) }
    }

    /// The elements of a float32 tensor, in row-major order.
    public var floats: [Float] { elements() }
}
