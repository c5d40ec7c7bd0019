import Foundation
import Testing

@testable import Figures

/// Pictures in pixels: their colours, their sizes and what is over what.
@Suite struct PictureTests {
    /// CIE L* of a colour.
    private func lightness(_ colour: (UInt8, UInt8, UInt8)) -> Double {
        let luminance = Palette.Colour(UInt32(colour.0) << 16 | UInt32(colour.1) << 8 | UInt32(colour.2)).luminance
        return luminance > 0.008856 ? 116 * cbrt(luminance) - 16 : 903.3 * luminance
    }

    @Test func coloursAreEvenlySpaced() {
        let steps = (0...64).map { lightness(ColourScale.sequential.colour(Float($0) / 64)) }
        let rises = zip(steps, steps.dropFirst()).map { $1 - $0 }
        #expect(steps[0] < 15 && steps[64] > 90)
        #expect(rises.allSatisfy { $0 > 0.8 && $0 < 1.6 }, "\(rises)")
        let both = (0...64).map { lightness(ColourScale.diverging.colour(Float($0) / 64)) }
        #expect(both[32] > 95 && abs(both[0] - both[64]) < 2)
        #expect(zip(both[..<33], both[1..<33]).allSatisfy { $0 < $1 } && zip(both[32...], both[33...]).allSatisfy { $0 > $1 })
        #expect(ColourScale.sequential.colour(-3) == ColourScale.sequential.colour(0) && ColourScale.sequential.colour(7) == ColourScale.sequential.colour(1))
        #expect(ColourScale.sequential.colour(.nan) == (128, 128, 128))
    }

    @Test func rasters() {
        let image = Raster(image: [0, 0.5, 1, 0.25], width: 2, height: 2, channels: 1)
        #expect(image.pixels == [0, 128, 255, 64].flatMap { [$0, $0, $0] })
        let large = image.enlarged(by: 3)
        #expect(large.width == 6 && large[0, 2].elementsEqual([0, 0, 0]) && large[2, 3].elementsEqual([128, 128, 128]) && large[5, 5].elementsEqual([64, 64, 64]))
        #expect(bilinear([0, 1], width: 2, height: 1, to: 4, 1) == [0, 0.25, 0.75, 1])
        #expect(bilinear([5], width: 1, height: 1, to: 3, 2) == [Float](repeating: 5, count: 6))
        let black = Raster(width: 2, height: 2, pixels: [UInt8](repeating: 0, count: 12))
        #expect(Raster(width: 2, height: 2).overlaid(with: black, opacity: 0.6).pixels.allSatisfy { $0 == 102 })
        // What cannot be told apart has the scale's first colour, or its middle.
        #expect(Raster(map: [3, 3], width: 2, height: 1, range: 3...3, scale: .diverging).pixels.prefix(3).elementsEqual([245, 245, 245]))
        #expect(image.png.starts(with: [0x89, 0x50, 0x4E, 0x47]))
    }

    @Test func sheets() {
        let cell = PictureSheet.Cell(Raster(image: [Float](repeating: 0, count: 64), width: 8, height: 8, channels: 1), ["<b>", "more"])
        let sheet = PictureSheet(
            title: "A & B", caption: "What it is.", cells: [PictureSheet.Cell](repeating: cell, count: 5), columns: 3,
            scale: PictureSheet.Scale(.sequential, low: "0", high: "1", label: "share"))
        // Two rows of three cells of 112 pixels with 4 around each.
        #expect(sheet.raster.width == 3 * 112 + 4 * 4 && sheet.raster.height == 2 * 112 + 3 * 4)
        let svg = sheet.svg(.page)
        #expect(svg.components(separatedBy: "<image").count == 7 && svg.contains("A &amp; B") && svg.contains("&lt;b&gt;") && !svg.contains("<b>"))
        #expect(svg == sheet.svg(.page))
        let chart = PointChart(title: "T", xAxis: Axis("x"), yAxis: Axis("y"), series: [.init("a", [SIMD2(0, 0)]), .init("b", [SIMD2(1, 2), SIMD2(2, 1)])])
        let picture = chart.raster, pixels = picture.pixels
        #expect(picture.width == 480 && chart.svg(.column).contains(">b</text>"))
        #expect(Set(stride(from: 0, to: pixels.count, by: 3).map { pixels[$0..<$0 + 3] }).count == 4)
    }
}
