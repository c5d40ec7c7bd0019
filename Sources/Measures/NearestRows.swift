/// The nearest other rows of each row of a table by Euclidean distance, the nearest first; of equal distances the earlier row.
public struct NearestRows: Sendable {
    /// How many neighbours each row has.
    public let count: Int
    /// Row after row: `count` places each, −1 where there are fewer others.
    public let places: [Int32]

    /// - Parameters:
    ///   - values: row after row, of `length` numbers each.
    ///   - count: how many neighbours are wanted.
    public init(_ values: [Float], length: Int, count: Int) {
        let rows = length == 0 ? 0 : values.count / length
        var places = [Int32](repeating: -1, count: rows * count)
        places.withUnsafeMutableBufferPointer { places in
            values.withUnsafeBufferPointer { values in
                var best = [(distance: Float, place: Int32)]()
                best.reserveCapacity(count + 1)
                for row in 0..<rows {
                    best.removeAll(keepingCapacity: true)
                    let own = values.baseAddress! + row * length
                    for other in 0..<rows where other != row {
                        let distance = Self.squaredDistance(own, values.baseAddress! + other * length, length: length)
                        if best.count == count, !(distance < best[count - 1].distance) { continue }
                        best.insert((distance, Int32(other)), at: best.firstIndex { distance < $0.distance } ?? best.count)
                        if best.count > count { best.removeLast() }
                    }
                    for (place, entry) in best.enumerated() { places[row * count + place] = entry.place }
                }
            }
        }
        (self.count, self.places) = (count, places)
    }

    /// Σ (a − b)² of rows of `length` numbers.
    public static func squaredDistance(_ a: UnsafePointer<Float>, _ b: UnsafePointer<Float>, length: Int) -> Float {
        var sums = SIMD8<Float>(), index = 0
        while index + 8 <= length {
            let difference = eight(a + index) - eight(b + index)
            sums += difference * difference
            index += 8
        }
        var distance = sums.sum()
        while index < length {
            distance += (a[index] - b[index]) * (a[index] - b[index])
            index += 1
        }
        return distance
    }

    private static func eight(_ pointer: UnsafePointer<Float>) -> SIMD8<Float> {
        UnsafeRawPointer(pointer).loadUnaligned(as: SIMD8<Float>.self)
    }

    /// The share of all neighbours that have the label of their row; NaN where there are none.
    public func precision(of labels: [Int32]) -> Double {
        var equal = 0, all = 0
        for (index, place) in places.enumerated() where place >= 0 {
            all += 1
            if labels[Int(place)] == labels[index / count] { equal += 1 }
        }
        return all == 0 ? .nan : Double(equal) / Double(all)
    }
}
