/// A solid around the origin, in coordinates of its own: half its extent along each of them, and a share that some kinds need, all in whole numbers.
///
/// | kind | holds (u, v, w) if |
/// | --- | --- |
/// | box | all are within the half extents a, b, c |
/// | ellipsoid | s² + t² + r² ≤ 1024², where s = ⌊1024 · abs(u) / a⌋, and t and r are the same of v and b, w and c |
/// | cylinder | abs(v) ≤ b and s² + r² ≤ 1024² |
/// | cone | abs(v) ≤ b and s² + r² ≤ h², where h = ⌊1024 · (b − v) / (2b)⌋ |
/// | torus | (ρ² + v² + q² − p²)² ≤ 4 q² ρ², where ρ² = u² + w², p = ⌊a · share / 100⌋ is the radius of the tube and q = a − p that of the ring |
/// | pyramid | abs(v) ≤ b, s ≤ h and r ≤ h |
/// | L-shape | it is in the box, and u ≤ −a + ⌊2a · share / 100⌋ or v ≤ −b + ⌊2b · share / 100⌋ |
/// | cross | it is in the box, and abs(u) ≤ ⌊a · share / 100⌋ or abs(v) ≤ ⌊b · share / 100⌋ |
struct Solid {
    /// In the order of labels.
    enum Kind: Int, CaseIterable { case box, ellipsoid, cylinder, cone, torus, pyramid, lShape, cross }

    static let names = ["box", "ellipsoid", "cylinder", "cone", "torus", "pyramid", "L-shape", "cross"]

    let kind: Kind
    /// Half the extent along u, v and w.
    let a, b, c: Int
    /// In hundredths.
    let share: Int

    /// 1 in the table.
    private static let one = 1_024

    func contains(_ u: Int, _ v: Int, _ w: Int) -> Bool {
        let one = Self.one
        guard abs(v) <= b || kind == .torus || kind == .ellipsoid else { return false }
        var s: Int { abs(u) * one / a }
        var r: Int { abs(w) * one / c }
        var height: Int { (b - v) * one / (2 * b) }
        var isInBox: Bool { abs(u) <= a && abs(w) <= c }
        switch kind {
        case .box: return isInBox
        case .ellipsoid:
            let s = s, t = abs(v) * one / b, r = r
            return s * s + t * t + r * r <= one * one
        case .cylinder:
            let s = s, r = r
            return s * s + r * r <= one * one
        case .cone:
            let s = s, r = r, height = height
            return s * s + r * r <= height * height
        case .torus:
            let p = a * share / 100, q = a - p, squared = u * u + w * w, sum = squared + v * v + q * q - p * p
            return sum * sum <= 4 * q * q * squared
        case .pyramid:
            let height = height
            return s <= height && r <= height
        case .lShape: return isInBox && (u <= 2 * a * share / 100 - a || v <= 2 * b * share / 100 - b)
        case .cross: return isInBox && (abs(u) <= a * share / 100 || abs(v) <= b * share / 100)
        }
    }
}
