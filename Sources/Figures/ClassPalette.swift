/// A colour for each class of a mask.
public struct ClassPalette: Sendable, Equatable {
    /// Red, green and blue of 256 classes.
    let bytes: [UInt8]

    /// The colours of PASCAL VOC's masks, which most programs use: the bits of a class's number, the lowest first, go to red, green and blue in turn, to the
    /// highest bits first. 0 is black; 255, what does not count, is light gray.
    ///
    /// Everingham, Van Gool, Williams, Winn and Zisserman, "The PASCAL Visual Object Classes (VOC) Challenge", IJCV 88, 2010.
    public static let voc = ClassPalette(bytes: (0..<256).flatMap { label -> [UInt8] in
        var colour: [UInt8] = [0, 0, 0]
        for bit in 0..<8 {
            for channel in 0..<3 { colour[channel] |= UInt8(label >> (3 * bit + channel) & 1) << UInt8(7 - bit) }
        }
        return colour
    })

    /// Red, green and blue of a class from 0 to 255.
    public subscript(label: Int) -> [UInt8] { Array(bytes[3 * label..<3 * label + 3]) }
}

extension Raster {
    /// A mask `[height, width]`, each class in its colour.
    public init(mask: [UInt8], width: Int, height: Int, palette: ClassPalette = .voc) {
        precondition(mask.count == width * height, "a mask has a number for each pixel")
        self.init(width: width, height: height, pixels: mask.flatMap { palette[Int($0)] })
    }
}
