/// A batch in memory of its own, for steps that are taken on the same numbers again and again.
final class OwnedBatch {
    /// The memory of each field, aligned to 64 bytes; valid as long as this lives.
    let fields: [UnsafeRawPointer]
    let byteCount: Int
    private let memory: [UnsafeMutableRawBufferPointer]

    /// - Parameters:
    ///   - byteCounts: of each field.
    ///   - fill: writes the field at a place.
    init(_ byteCounts: [Int], fill: (_ place: Int, _ memory: UnsafeMutableRawBufferPointer) -> Void) {
        memory = byteCounts.map { .allocate(byteCount: max($0, 1), alignment: 64) }
        byteCount = byteCounts.reduce(0, +)
        for (place, count) in byteCounts.enumerated() { fill(place, UnsafeMutableRawBufferPointer(rebasing: memory[place][..<count])) }
        fields = memory.map { UnsafeRawPointer($0.baseAddress!) }
    }

    deinit { memory.forEach { $0.deallocate() } }
}
