/// A rotation in whole numbers, in 1/16384: the same on every machine.
struct FixedRotation {
    /// How many bits stand for what is below 1.
    static let bits = 14
    /// `[row][column]`
    let rows: [[Int]]

    private init(rows: [[Int]]) { self.rows = rows }

    /// About one axis (0 x, 1 y, 2 z), by whole degrees, from the axis after it towards the one after that.
    init(axis: Int, degrees: Int) {
        let one = 1 << Self.bits, (sine, cosine) = (Self.sine(degrees), Self.sine(degrees + 90)), (i, j) = ((axis + 1) % 3, (axis + 2) % 3)
        var rows = [[0, 0, 0], [0, 0, 0], [0, 0, 0]]
        (rows[axis][axis], rows[i][i], rows[i][j], rows[j][i], rows[j][j]) = (one, cosine, -sine, sine, cosine)
        self.init(rows: rows)
    }

    /// The second rotation first; products are rounded down.
    static func * (a: FixedRotation, b: FixedRotation) -> FixedRotation {
        FixedRotation(rows: (0..<3).map { row in (0..<3).map { column in (0..<3).reduce(0) { $0 + a.rows[row][$1] * b.rows[$1][column] } >> bits } })
    }

    /// A point, turned; rounded down.
    func callAsFunction(_ point: [Int]) -> [Int] { rows.map { row in (0..<3).reduce(0) { $0 + row[$1] * point[$1] } >> Self.bits } }

    /// The sine of whole degrees from 0 up.
    private static func sine(_ degrees: Int) -> Int {
        let turn = degrees % 360
        if turn >= 180 { return -sine(turn - 180) }
        return sines[turn > 90 ? 180 - turn : turn]
    }

    /// 16384 · sin of 0° to 90°, rounded to the nearest.
    private static let sines = [
        0, 286, 572, 857, 1_143, 1_428, 1_713, 1_997, 2_280, 2_563, 2_845, 3_126, 3_406,
        3_686, 3_964, 4_240, 4_516, 4_790, 5_063, 5_334, 5_604, 5_872, 6_138, 6_402, 6_664, 6_924,
        7_182, 7_438, 7_692, 7_943, 8_192, 8_438, 8_682, 8_923, 9_162, 9_397, 9_630, 9_860, 10_087,
        10_311, 10_531, 10_749, 10_963, 11_174, 11_381, 11_585, 11_786, 11_982, 12_176, 12_365, 12_551, 12_733,
        12_911, 13_085, 13_255, 13_421, 13_583, 13_741, 13_894, 14_044, 14_189, 14_330, 14_466, 14_598, 14_726,
        14_849, 14_968, 15_082, 15_191, 15_296, 15_396, 15_491, 15_582, 15_668, 15_749, 15_826, 15_897, 15_964,
        16_026, 16_083, 16_135, 16_182, 16_225, 16_262, 16_294, 16_322, 16_344, 16_362, 16_374, 16_382, 16_384,
    ]
}
