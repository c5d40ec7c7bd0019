/// The region of an object in an image, as COCO's JSON files have it: polygons, or runs of pixels.
///
/// Runs go down the columns, from the left upper corner: outside, inside, outside and so on. They are numbers, or a string of them in COCO's code.
enum COCOMask: Decodable {
    /// Of each x, y, x, y, … of its corners in pixels.
    case polygons([[Double]])
    case runs([Int], height: Int, width: Int)

    private struct Runs: Decodable {
        let counts: Counts, size: [Int]

        /// As numbers, or in COCO's code.
        enum Counts: Decodable {
            case numbers([Int])
            case text(String)

            init(from decoder: any Decoder) throws {
                let value = try decoder.singleValueContainer()
                self = if let text = try? value.decode(String.self) { .text(text) } else { .numbers(try value.decode([Int].self)) }
            }
        }
    }

    /// Says in a decoder's `userInfo` whether masks are read; where they are not, whatever stands for one is passed over.
    static let isWanted = CodingUserInfoKey(rawValue: "masks")!

    init(from decoder: any Decoder) throws {
        guard decoder.userInfo[Self.isWanted] as? Bool == true else {
            self = .polygons([])
            return
        }
        if let polygons = try? [[Double]](from: decoder) {
            self = .polygons(polygons)
            return
        }
        // What is neither fills no image, which is said where the annotation is known.
        guard let runs = try? Runs(from: decoder) else {
            self = .polygons([])
            return
        }
        let counts: [Int]? = switch runs.counts {
        case .numbers(let numbers): numbers
        case .text(let text): Self.counts(of: text)
        }
        // What is no code of runs fills no image.
        self = runs.size.count == 2 ? .runs(counts ?? [], height: runs.size[0], width: runs.size[1]) : .polygons([])
    }

    /// Whether each pixel of an image is inside, `[height · width]`; nil where the mask is one of another size, has no corners or none that are numbers.
    func pixels(height: Int, width: Int) -> [Bool]? {
        var inside = [Bool](repeating: false, count: height * width)
        switch self {
        case .runs(let counts, let runHeight, let runWidth):
            guard runHeight == height, runWidth == width, counts.allSatisfy({ (0...height * width).contains($0) }), counts.reduce(0, +) == height * width else { return nil }
            var place = 0
            for (index, count) in counts.enumerated() {
                if !index.isMultiple(of: 2) { for place in place..<place + count { inside[place % height * width + place / height] = true } }
                place += count
            }
        case .polygons(let polygons):
            let limit = 1e6
            guard !polygons.isEmpty, polygons.allSatisfy({ $0.count >= 6 && $0.count.isMultiple(of: 2) && $0.allSatisfy { abs($0) <= limit } }) else { return nil }
            for polygon in polygons {
                // An odd number of crossings lies before a pixel that is inside, counted down the columns.
                var isInside = false, crossings = Self.crossings(of: polygon, height: height, width: width).sorted()[...]
                for place in 0..<height * width {
                    while crossings.first == place {
                        isInside.toggle()
                        crossings.removeFirst()
                    }
                    if isInside { inside[place % height * width + place / height] = true }
                }
            }
        }
        return inside
    }

    /// Where an outline crosses columns of pixels: places counted down the columns. As COCO's own program has it: the outline is drawn on a grid of five
    /// lines a pixel, and crosses a column at the line through the middle of its pixels.
    private static func crossings(of polygon: [Double], height: Int, width: Int) -> [Int] {
        let scale = 5.0
        let corners = stride(from: 0, to: polygon.count, by: 2).map { (x: Int(scale * polygon[$0] + 0.5), y: Int(scale * polygon[$0 + 1] + 0.5)) }
        var places: [Int] = [], last: (x: Int, y: Int)?
        for (start, end) in zip(corners, corners.dropFirst() + corners.prefix(1)) {
            let dx = abs(end.x - start.x), dy = abs(end.y - start.y), isFlat = dx >= dy
            // A line is the same set of points in both directions.
            let isTurned = isFlat ? start.x > end.x : start.y > end.y, (first, final) = isTurned ? (end, start) : (start, end)
            let slope = isFlat ? (dx == 0 ? 0 : Double(final.y - first.y) / Double(dx)) : Double(final.x - first.x) / Double(dy)
            for step in 0...max(dx, dy) {
                let t = isTurned ? max(dx, dy) - step : step
                let point = isFlat
                    ? (x: first.x + t, y: Int(Double(first.y) + slope * Double(t) + 0.5)) : (x: Int(Double(first.x) + slope * Double(t) + 0.5), y: first.y + t)
                defer { last = point }
                guard let last, point.x != last.x else { continue }
                // Five lines a pixel: only one of them is a pixel's middle.
                let column = (Double(point.x < last.x ? point.x : point.x - 1) + 0.5) / scale - 0.5
                guard column.rounded(.down) == column, column >= 0, column <= Double(width - 1) else { continue }
                let row = min(max((Double(min(point.y, last.y)) + 0.5) / scale - 0.5, 0), Double(height)).rounded(.up)
                places.append(Int(column) * height + Int(row))
            }
        }
        return places
    }

    /// The numbers of COCO's code: five bits a character from `0` on, the lowest first, with a bit that says whether more follow and a sign in the last; from
    /// the fourth number on, the difference from the one two before it. nil for anything else.
    static func counts(of text: String) -> [Int]? {
        var counts: [Int] = [], value = 0, shift = 0
        for byte in text.utf8 {
            guard (48..<112).contains(byte), shift < 60 else { return nil }
            let bits = Int(byte) - 48
            value |= (bits & 31) << shift
            shift += 5
            if bits & 32 != 0 { continue }
            if bits & 16 != 0 { value |= -1 << shift }
            if counts.count > 2 {
                let (sum, overflows) = value.addingReportingOverflow(counts[counts.count - 2])
                if overflows { return nil }
                value = sum
            }
            counts.append(value)
            (value, shift) = (0, 0)
        }
        return shift == 0 ? counts : nil
    }
}
