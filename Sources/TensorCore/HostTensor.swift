/// Data outside a plan: a shape, an element type and the elements in row-major order.
public struct HostTensor: Sendable, Equatable {
    public let shape: Shape
    public let dtype: DType
    public private(set) var bytes: [UInt8]

    public init<Element: TensorElement>(_ shape: Shape, _ elements: [Element]) {
        precondition(shape.elementCount == elements.count, "\(elements.count) elements do not fill the shape \(shape)")
        self.shape = shape
        dtype = Element.dtype
        bytes = elements.withUnsafeBytes { Array($0) }
    }

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

    public var floats: [Float] { elements() }
}
