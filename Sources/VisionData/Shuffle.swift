import TensorCore

/// Shuffles in place (Fisher–Yates, from the end) with the draws of `stream` at `time`, for `sample`.
func shuffle(_ indices: UnsafeMutableBufferPointer<Int32>, stream: PhiloxStream, time: Int, sample: Int = 0) {
    shuffle(indices.count, stream: stream, time: time, sample: sample) { indices.swapAt($0, $1) }
}

/// The same for `count` things that `swap` exchanges.
func shuffle(_ count: Int, stream: PhiloxStream, time: Int, sample: Int = 0, swap: (Int, Int) -> Void) {
    var draws = stream.draws(time: UInt64(time), sample: UInt64(sample))
    for last in stride(from: count - 1, to: 0, by: -1) { swap(last, draws.integer(below: last + 1)) }
}

func shuffled(_ indices: [Int32], stream: PhiloxStream, time: Int) -> [Int32] {
    var indices = indices
    indices.withUnsafeMutableBufferPointer { shuffle($0, stream: stream, time: time) }
    return indices
}

/// Whole groups of images in the order in which their first images stand, until there are `count` images; never all groups.
func wholeGroups(of order: [Int32], by group: (Int32) -> String?, atLeast count: Int) -> [Int32] {
    var chosen: [Int32] = []
    for members in groupedInOrder(order, by: group).dropLast() where chosen.count < count { chosen += members }
    return chosen
}

/// The groups of images in the order in which their first images stand. An image without a group is one of its own.
func groupedInOrder(_ order: [Int32], by group: (Int32) -> String?) -> [[Int32]] {
    var places: [String: Int] = [:], groups: [[Int32]] = []
    for image in order {
        if let name = group(image), let place = places[name] {
            groups[place].append(image)
        } else {
            if let name = group(image) { places[name] = groups.count }
            groups.append([image])
        }
    }
    return groups
}
