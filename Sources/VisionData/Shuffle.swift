import TensorCore

/// Shuffles in place (Fisher–Yates, from the end) with the draws of `stream` at `time`.
func shuffle(_ indices: UnsafeMutableBufferPointer<Int32>, stream: PhiloxStream, time: Int) {
    var draws = stream.draws(time: UInt64(time), sample: 0)
    for last in stride(from: indices.count - 1, to: 0, by: -1) {
        indices.swapAt(last, draws.integer(below: last + 1))
    }
}

func shuffled(_ indices: [Int32], stream: PhiloxStream, time: Int) -> [Int32] {
    var indices = indices
    indices.withUnsafeMutableBufferPointer { shuffle($0, stream: stream, time: time) }
    return indices
}
