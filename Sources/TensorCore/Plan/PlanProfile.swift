import Dispatch

/// Time by kind of op, summed over workers. Each worker writes to its own table.
public final class PlanProfile {
    private var tables: [[String: (nanoseconds: UInt64, runs: Int)]]

    public init(workers: Int) { tables = Array(repeating: [:], count: workers) }

    func measure(_ name: String, worker: Int, _ body: () -> Void) {
        let start = DispatchTime.now().uptimeNanoseconds
        body()
        let elapsed = DispatchTime.now().uptimeNanoseconds - start
        tables.withUnsafeMutableBufferPointer {
            let entry = $0[worker][name, default: (0, 0)]
            $0[worker][name] = (entry.nanoseconds + elapsed, entry.runs + 1)
        }
    }

    /// Kinds of op by time, the slowest first.
    public var rows: [(name: String, seconds: Double, runs: Int)] {
        var sums: [String: (nanoseconds: UInt64, runs: Int)] = [:]
        for table in tables {
            sums.merge(table) { ($0.nanoseconds + $1.nanoseconds, $0.runs + $1.runs) }
        }
        return sums.map { ($0.key, Double($0.value.nanoseconds) * 1e-9, $0.value.runs) }.sorted { $0.seconds > $1.seconds }
    }
}
