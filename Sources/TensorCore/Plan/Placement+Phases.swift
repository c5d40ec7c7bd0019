/// The numbering of phases, which alternate between the two placements: phase 0 is shared, 1 sharded, 2 shared, and so on.
///
/// A sum over shards joins a sharded phase with the shared one after it, and shards read shared values in the sharded phase after those: so
/// every way through a graph leads through rising numbers, and the parity of a number alone says the placement. Whatever else the two
/// methods below are asked, their answer is a phase of this placement, at most one away from the phase asked about.
extension Placement {
    /// The placement of what runs in `phase`.
    init(ofPhase phase: Int) { self = phase % 2 == 0 ? .shared : .sharded }

    /// The first phase of this placement: 0 or 1.
    var firstPhase: Int { self == .shared ? 0 : 1 }

    /// `phase` itself if it has this placement, otherwise the one after it: the earliest in which a kernel can read what `phase` makes.
    func phase(notBefore phase: Int) -> Int { Placement(ofPhase: phase) == self ? phase : phase + 1 }

    /// `phase` itself if it has this placement, otherwise the one before it, but never one before the first.
    func phase(notAfter phase: Int) -> Int { max(firstPhase, Placement(ofPhase: phase) == self ? phase : phase - 1) }
}
