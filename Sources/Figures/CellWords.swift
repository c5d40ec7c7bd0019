/// The words under small pictures, in lines that are no wider than these: names take two lines or are shortened, numbers are whole or left out.
struct CellWords {
    /// What stands in a line, and whether it stands back.
    typealias Line = (text: String, isSoft: Bool)

    /// The lines of each picture.
    let lines: [[Line]]
    /// How many lines the fullest picture has.
    var lineCount: Int { lines.map(\.count).max() ?? 0 }

    /// - Parameters:
    ///   - texts: of each picture, the first of which names it.
    ///   - width: of a line.
    init(_ texts: [[String]], width: Double, size: Double) {
        lines = texts.map { texts in
            texts.enumerated().flatMap { place, text -> [Line] in
                let numbers = shortened(text, to: 400).split(separator: " ").filter { Double($0.hasSuffix("%") ? $0.dropLast() : $0) != nil }
                let areWhole = numbers.allSatisfy { TextWidth.of(String($0), size: size) <= width }
                guard areWhole else { return [] }
                // A range takes three lines where the pictures are very small.
                return TextWidth.lines(text, width: width, size: size, atMost: numbers.count > 1 ? 3 : 2).map { ($0, place > 0) }
            }
        }
    }
}
