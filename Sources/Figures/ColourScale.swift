/// Colours that numbers from 0 to 1 are shown in.
///
/// Both scales were made for this program in OKLCh: lightness (CIE L*) changes in equal steps, so that equal differences look equal, and who is
/// colour-blind, or has the picture in gray, sees the same order.
public enum ColourScale: Sendable {
    /// From dark violet by way of blue and green to yellow: for shares and strengths.
    case sequential
    /// From blue by way of white, in the middle, to brown: for numbers with a sign.
    case diverging

    private static let sequentialColours: [UInt32] = [
        0x34134b, 0x37215d, 0x382e6e, 0x363d7e, 0x324c8a, 0x245c92, 0x126c96, 0x027c96, 0x168a95, 0x089995, 0x0da991, 0x36b787, 0x5ec579, 0x82cf6a, 0xa8da5b,
        0xcfe24b, 0xf6ea3b,
    ]
    private static let divergingColours: [UInt32] = [0x034b95, 0x3674c1, 0x73a0d9, 0xb0cbed, 0xf5f5f5, 0xe5bfaa, 0xcb8c68, 0xad5a23, 0x7b3600]

    /// Red, green and blue of a number; below 0 that of 0, above 1 that of 1, and gray for what is no number.
    public func colour(_ value: Float) -> (UInt8, UInt8, UInt8) {
        guard !value.isNaN else { return (128, 128, 128) }
        let colours = self == .sequential ? Self.sequentialColours : Self.divergingColours
        let place = min(1, max(0, value)) * Float(colours.count - 1), index = min(Int(place), colours.count - 2), share = place - Float(index)
        func part(_ shift: UInt32) -> UInt8 {
            let (a, b) = (Float(colours[index] >> shift & 255), Float(colours[index + 1] >> shift & 255))
            return UInt8((a + share * (b - a)).rounded())
        }
        return (part(16), part(8), part(0))
    }
}
