import Testing

@testable import TensorCore

struct ArenaLayoutTests {
    @Test func buffersThatLiveTogetherNeverOverlap() {
        var draws = PhiloxStream(seed: 5, name: "arena").draws(time: 0, sample: 0)
        let requests = (0..<200).map { _ in
            let first = draws.integer(below: 100)
            return ArenaLayout.Request(byteCount: 1 + draws.integer(below: 10_000), first: first, last: first + draws.integer(below: 20))
        }
        let layout = ArenaLayout(requests)
        for (i, a) in requests.enumerated() {
            #expect(layout.offsets[i] % ArenaLayout.alignment == 0)
            #expect(layout.offsets[i] + a.byteCount <= layout.byteCount)
            for (j, b) in requests.enumerated() where i < j && a.first <= b.last && b.first <= a.last {
                #expect(layout.offsets[i] + a.byteCount <= layout.offsets[j] || layout.offsets[j] + b.byteCount <= layout.offsets[i])
            }
        }
        #expect(layout.byteCount < requests.reduce(0) { $0 + $1.byteCount } / 2)
    }

    @Test func buffersThatFollowEachOtherShareMemory() {
        let layout = ArenaLayout([.init(byteCount: 640, first: 0, last: 1), .init(byteCount: 640, first: 2, last: 3)])
        #expect(layout.offsets == [0, 0] && layout.byteCount == 640)
    }
}
