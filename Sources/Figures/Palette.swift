import Foundation

/// The colours of figures: told apart by who is colour-blind, on white and on black, and in print.
///
/// Those of Okabe and Ito ("Color Universal Design", 2008), the pale ones darkened on white and the dark ones lightened on black, so that every line has a
/// contrast of at least 3 and every text one of at least 4.5 (WCAG 2.1, 1.4.11 and 1.4.3). Lines are told apart by their marks too.
public enum Palette {
    /// A colour of sRGB.
    public struct Colour: Sendable, Equatable {
        /// From 0 to 255.
        public let red, green, blue: Double

        /// `#0072b2`.
        init(_ code: UInt32) {
            (red, green, blue) = (Double(code >> 16 & 255), Double(code >> 8 & 255), Double(code & 255))
        }

        private init(_ red: Double, _ green: Double, _ blue: Double) { (self.red, self.green, self.blue) = (red, green, blue) }

        /// `#0072b2`.
        public var text: String { String(format: "#%02x%02x%02x", Int(red.rounded()), Int(green.rounded()), Int(blue.rounded())) }

        /// WCAG's relative luminance.
        public var luminance: Double {
            func linear(_ value: Double) -> Double {
                let share = value / 255
                return share <= 0.04045 ? share / 12.92 : pow((share + 0.055) / 1.055, 2.4)
            }
            return 0.2126 * linear(red) + 0.7152 * linear(green) + 0.0722 * linear(blue)
        }

        /// From 1 to 21 (WCAG).
        public func contrast(to other: Colour) -> Double {
            let (a, b) = (luminance, other.luminance)
            return (max(a, b) + 0.05) / (min(a, b) + 0.05)
        }

        /// The colour over another, as far as it is opaque.
        public func over(_ back: Colour, opacity: Double) -> Colour {
            func mix(_ a: Double, _ b: Double) -> Double { a * opacity + b * (1 - opacity) }
            return Colour(mix(red, back.red), mix(green, back.green), mix(blue, back.blue))
        }
    }

    /// The colours on a background.
    public struct Theme: Sendable {
        /// Behind everything.
        public let back: Colour
        /// Text.
        public let ink: Colour
        /// Text that may stand back: ticks and notes.
        public let soft: Colour
        /// Axes, and lines of the grid.
        public let axis, grid: Colour
        /// One for each series.
        public let series: [Colour]
        /// What cells of a heat map are filled with, more or less opaque.
        public let heat: Colour
    }

    /// On white.
    public static let light = Theme(
        back: Colour(0xffffff), ink: Colour(0x1b1f24), soft: Colour(0x57606a), axis: Colour(0x6e7781), grid: Colour(0xe3e6ea),
        series: [0x00569b, 0xb84500, 0x00805c, 0xb0478a, 0xb88a00, 0x3f97cf, 0x3d3d3d].map(Colour.init), heat: Colour(0x0072b2))
    /// On black.
    public static let dark = Theme(
        back: Colour(0x14181d), ink: Colour(0xe8eaed), soft: Colour(0xa4adb8), axis: Colour(0x8a939e), grid: Colour(0x2b323a),
        series: [0x4aa8e0, 0xf0802f, 0x2fc79b, 0xe08fc0, 0xe0b020, 0x9ad4f5, 0xc9ccd1].map(Colour.init), heat: Colour(0x3287c0))

    /// How many series have a colour of their own; the next have those again, with other marks.
    public static var count: Int { light.series.count }

    /// The opacity of the highest cell of a heat map: its text stays readable.
    public static let heatOpacity = 0.62

    /// The style that figures need: light, dark where the reader's system is, and light on paper.
    public static let styleSheet = """
        \(rules(light))
        @media screen and (prefers-color-scheme: dark) {
        \(rules(dark))
        }
        """

    private static func rules(_ theme: Theme) -> String {
        let series = theme.series.enumerated().map { ".f-f\($0){fill:\($1.text)}.f-s\($0){stroke:\($1.text)}" }
        return ([
            ".f-back{fill:\(theme.back.text)}.f-ink{fill:\(theme.ink.text)}.f-soft{fill:\(theme.soft.text)}",
            ".f-axis{stroke:\(theme.axis.text)}.f-grid{stroke:\(theme.grid.text)}.f-heat{fill:\(theme.heat.text)}.f-edge{stroke:\(theme.back.text)}",
            ".f-halo{stroke:\(theme.back.text);stroke-width:3px;stroke-linejoin:round;paint-order:stroke}",
        ] + series).joined(separator: "\n")
    }
}
