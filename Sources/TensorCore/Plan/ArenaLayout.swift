/// Places buffers that live at different times in the same memory.
struct ArenaLayout {
    struct Request {
        let byteCount: Int
        /// The first and the last time at which the buffer is touched, both included.
        var first: Int
        var last: Int
    }

    /// Every buffer starts on a cache line, which also is the alignment of AVX-512.
    static let alignment = 64

    private(set) var offsets: [Int]
    private(set) var byteCount = 0

    /// Greedy by size: the largest first, each at the lowest offset at which nothing that lives at the same time is in the way.
    init(_ requests: [Request]) {
        offsets = Array(repeating: 0, count: requests.count)
        let order = requests.indices.sorted { (requests[$1].byteCount, $0) < (requests[$0].byteCount, $1) }
        var placed: [(offset: Int, end: Int, first: Int, last: Int)] = []  // by offset
        for index in order {
            let request = requests[index]
            let size = (request.byteCount + Self.alignment - 1) / Self.alignment * Self.alignment
            var offset = 0
            for other in placed where other.first <= request.last && request.first <= other.last {
                if offset + size <= other.offset { break }
                offset = max(offset, other.end)
            }
            offsets[index] = offset
            byteCount = max(byteCount, offset + size)
            let entry = (offset: offset, end: offset + size, first: request.first, last: request.last)
            var low = 0, high = placed.count
            while low < high {
                let middle = (low + high) / 2
                if placed[middle].offset < offset { low = middle + 1 } else { high = middle }
            }
            placed.insert(entry, at: low)
        }
    }
}
