import Configuration
import Foundation
import TensorCore

/// The 1,797 handwritten digits of 8×8×1 pixels with values 0 to 16 that are part of the program, for runs of seconds.
///
/// The source has no split of its own: a shuffle seeded with 0 puts the first 1,437 images into the training set and
/// the other 360 into the test set, always the same. For the origin see `digitsText`.
func loadDigits() throws -> LabeledImages {
    guard let compressed = Data(base64Encoded: digitsText) else { preconditionFailure("the embedded digits are not base64") }
    let rows = try ByteStream(bytes: [UInt8](compressed), name: "embedded digits").readAll()
        .split(separator: UInt8(ascii: "\n"))
        .map { row in row.split(separator: UInt8(ascii: ",")).map { $0.reduce(UInt8(0)) { $0 * 10 + $1 - UInt8(ascii: "0") } } }
    precondition(rows.count == 1797 && rows.allSatisfy { $0.count == 65 }, "the embedded digits are damaged")

    let order = shuffled(Array(0..<Int32(rows.count)), stream: PhiloxStream(seed: 0, name: "digits"), time: 0)
    let trainCount = 1437
    return LabeledImages(
        name: NamedDataset.digits.name, shape: ImageShape(height: 8, width: 8, channels: 1),
        pixels: .bytes(order.flatMap { rows[Int($0)].dropLast() }, maximum: 16),
        labels: order.map { Int32(rows[Int($0)][64]) },
        classCount: 10, classNames: NamedDataset.digits.classNames,
        train: 0..<trainCount, validation: nil, test: trainCount..<rows.count)
}
