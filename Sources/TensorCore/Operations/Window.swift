/// Where a window stops: shared by convolutions and pooling, with one number for each axis that it moves along, height and width or depth, height
/// and width.
struct Window: Sendable, Hashable {
    let size, stride, dilation, before, after: [Int]

    init(size: Size2D, stride: Size2D, dilation: Size2D = 1, before: Size2D, after: Size2D) {
        func list(_ size: Size2D) -> [Int] { [size.height, size.width] }
        (self.size, self.stride, self.dilation, self.before, self.after) = (list(size), list(stride), list(dilation), list(before), list(after))
    }

    init(size: Size3D, stride: Size3D, dilation: Size3D = 1, before: Size3D, after: Size3D) {
        (self.size, self.stride, self.dilation) = (size.list, stride.list, dilation.list)
        (self.before, self.after) = (before.list, after.list)
    }

    /// How many axes it moves along.
    var rank: Int { size.count }

    /// As messages call them: what it moves over, and along what.
    var operands: String { rank == 2 ? "images" : "volumes" }
    var axes: String { rank == 2 ? "height, width" : "depth, height, width" }
    static func text(_ lengths: [Int]) -> String { lengths.map { "\($0)" }.joined(separator: "×") }

    /// Output lengths for `[B, …, C]`, or a sentence about why there are none.
    func output(_ input: Shape) throws(ShapeError) -> [Int] {
        guard (size + stride + dilation).allSatisfy({ $0 > 0 }) else {
            throw ShapeError("window \(Self.text(size)), stride \(Self.text(stride)), dilation \(Self.text(dilation)): expected positive numbers")
        }
        let padded = size.indices.map { input[$0 + 1] + before[$0] + after[$0] }, extent = size.indices.map { (size[$0] - 1) * dilation[$0] + 1 }
        guard zip(padded, extent).allSatisfy(>=) else {
            throw ShapeError("a window of \(Self.text(extent)) does not fit into the padded input of \(Self.text(padded))")
        }
        return size.indices.map { (padded[$0] - extent[$0]) / stride[$0] + 1 }
    }
}

extension [Int] {
    /// As COneDNN.h takes a window's numbers.
    var shim: (Int64, Int64, Int64) { (Int64(self[0]), Int64(self[1]), count > 2 ? Int64(self[2]) : 0) }
}
