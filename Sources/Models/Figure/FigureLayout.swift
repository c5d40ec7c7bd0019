/// Where boxes lie: each in a row below all that it takes, and in the row beside one another so that arrows cross little and run straight.
///
/// After Sugiyama, Tagawa and Toda, "Methods for Visual Understanding of Hierarchical System Structures", 1981: arrows over several rows have a
/// place of their own in each; rows are ordered by the mean of their neighbours, up and down in turn.
struct FigureLayout {
    /// The middle of each box, and its row.
    private(set) var x: [Double] = []
    private(set) var rows: [Int] = []
    private(set) var rowCount = 0
    /// For each arrow the places that it passes between its ends, from above.
    private(set) var arrows: [(from: Int, to: Int, passes: [(x: Double, row: Int)])] = []
    /// From the left edge to the right one.
    private(set) var span = 0.0...0.0

    /// - Parameters:
    ///   - sources: for each box the ones above it, all of which come before it.
    ///   - width: of a box; an arrow takes a tenth of it.
    init(sources: [[Int]], width: Double, gap: Double) {
        let boxCount = sources.count
        rows = []
        for own in sources { rows.append((own.map { rows[$0] }.max() ?? -1) + 1) }
        rowCount = (rows.max() ?? -1) + 1

        // Boxes, then the passes of arrows.
        var above = sources, below = [[Int]](repeating: [], count: boxCount), rowOf = rows, paths: [(from: Int, to: Int, passes: [Int])] = []
        for (box, own) in sources.enumerated() {
            above[box] = []
            for source in own {
                var last = source, passes: [Int] = []
                for row in rows[source] + 1..<max(rows[source] + 1, rows[box]) {
                    let pass = rowOf.count
                    rowOf.append(row)
                    above.append([last])
                    below.append([])
                    below[last].append(pass)
                    passes.append(pass)
                    last = pass
                }
                above[box].append(last)
                below[last].append(box)
                paths.append((source, box, passes))
            }
        }
        var order = (0..<rowCount).map { row in rowOf.indices.filter { rowOf[$0] == row } }
        var places = [Double](repeating: 0, count: rowOf.count)
        func number() { for row in order { for (place, node) in row.enumerated() { places[node] = Double(place) } } }
        number()
        func mean(_ nodes: [Int]) -> Double? { nodes.isEmpty ? nil : nodes.reduce(0) { $0 + places[$1] } / Double(nodes.count) }
        for round in 0..<8 {
            let isDown = round % 2 == 0
            for row in isDown ? Array(order.indices) : order.indices.reversed() {
                let wanted = Dictionary(uniqueKeysWithValues: order[row].map { ($0, mean(isDown ? above[$0] : below[$0]) ?? places[$0]) })
                order[row] = order[row].enumerated().sorted { (wanted[$0.element]!, $0.offset) < (wanted[$1.element]!, $1.offset) }.map(\.element)
                for (place, node) in order[row].enumerated() { places[node] = Double(place) }
            }
        }

        func half(_ node: Int) -> Double { node < boxCount ? width / 2 : width / 20 }
        // First every row in the middle, then nearer to its neighbours, as far as the order leaves room.
        for row in order {
            var edge = 0.0
            for node in row {
                places[node] = edge + half(node)
                edge += 2 * half(node) + gap
            }
            for node in row { places[node] -= (edge - gap) / 2 }
        }
        for round in 0..<12 {
            for row in round % 2 == 0 ? Array(order.indices) : order.indices.reversed() {
                let nodes = order[row]
                let wanted = nodes.map { node in mean(round % 2 == 0 ? above[node] : below[node]) ?? places[node] }
                var left = wanted, right = wanted
                for place in nodes.indices.dropFirst() {
                    left[place] = max(left[place], left[place - 1] + half(nodes[place - 1]) + half(nodes[place]) + gap)
                }
                for place in nodes.indices.reversed().dropFirst() {
                    right[place] = min(right[place], right[place + 1] - half(nodes[place + 1]) - half(nodes[place]) - gap)
                }
                for (place, node) in nodes.enumerated() { places[node] = (left[place] + right[place]) / 2 }
            }
        }
        x = Array(places[..<boxCount])
        arrows = paths.map { path in (path.from, path.to, path.passes.map { (places[$0], rowOf[$0]) }) }
        let edges = rowOf.indices.map { (places[$0] - half($0), places[$0] + half($0)) }
        span = (edges.map(\.0).min() ?? 0)...(edges.map(\.1).max() ?? 0)
    }
}
