import Configuration
import Foundation

/// Checks that a data set fits into the memory of this process, before any of it is allocated.
///
/// - Parameters:
///   - byteCount: of the pixels while they are read, and whatever is needed beside them.
///   - place: the file, and where the number of images is declared in it.
/// - Throws: `.data`.
func requireMemory(forImages count: Double, byteCount: Double, at place: String) throws {
    guard count <= Double(Int32.max) else {
        throw UserError(.data, "\(place): declares \(String(format: "%.0f", count)) images, expected at most \(Int32.max)")
    }
    // Labels, and the indices of the splits while they are shuffled and sorted.
    let indices = 32 * count
    if let shortage = MemoryDemand(total: byteCount + indices).shortage {
        throw UserError(.data, "\(place): declares \(grouped(Int(count))) images, which need \(shortage)")
    }
}
