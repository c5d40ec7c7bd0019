import Foundation

/// Makes a function of many numbers small, from its values and gradients: `point` is where it is to be evaluated next.
protocol Minimizer {
    /// Where the function is asked for next.
    var point: [Float] { get }
    /// Whether nothing more is to be found.
    var isDone: Bool { get }
    /// How many times as many numbers as a point has it keeps after some steps, at most.
    static func vectorCount(after steps: Int) -> Int
    /// Takes the value and the gradient at `point`, and chooses the next one.
    mutating func take(value: Double, gradient: UnsafeBufferPointer<Float>)
}

/// Adam with a fixed rate (Kingma and Ba, ICLR 2015), β = 0.9 and 0.999, ε = 10⁻⁸.
struct AdamMinimizer: Minimizer {
    private(set) var point: [Float]
    let isDone = false
    static func vectorCount(after steps: Int) -> Int { 3 }
    private let rate: Float
    private var first: [Float]
    private var second: [Float]
    private var step = 0

    init(from point: [Float], rate: Double) {
        (self.point, self.rate) = (point, Float(rate))
        first = [Float](repeating: 0, count: point.count)
        second = first
    }

    mutating func take(value: Double, gradient: UnsafeBufferPointer<Float>) {
        step += 1
        let scales = (Float(1 - pow(0.9, Double(step))), Float(1 - pow(0.999, Double(step))))
        for index in point.indices {
            let g = gradient[index]
            first[index] = 0.9 * first[index] + 0.1 * g
            second[index] = 0.999 * second[index] + 0.001 * g * g
            point[index] -= rate * (first[index] / scales.0) / ((second[index] / scales.1).squareRoot() + 1e-8)
        }
    }
}

/// Limited-memory BFGS with a backtracking line search: the two-loop recursion over the last ten changes, and half the step until the value has fallen by
/// 10⁻⁴ of what the slope promises.
///
/// Nocedal and Wright, "Numerical Optimization", 2nd edition, algorithms 3.1 and 7.4.
struct LBFGSMinimizer: Minimizer {
    private(set) var point: [Float]
    private(set) var isDone = false
    /// The last point that was accepted, with its value and gradient; nil before the first.
    private var base: (point: [Float], value: Double, gradient: [Float])?
    private var direction: [Float] = []
    /// The slope along the direction at the base.
    private var slope = 0.0
    private var length = 1.0
    private var changes: [(point: [Float], gradient: [Float], product: Double)] = []
    private static let memory = 10, leastLength = 1e-10
    static func vectorCount(after steps: Int) -> Int { 4 + 2 * min(memory, steps) }

    init(from point: [Float]) { self.point = point }

    mutating func take(value: Double, gradient: UnsafeBufferPointer<Float>) {
        guard let base else { return accept(value, Array(gradient)) }
        if value.isFinite, value <= base.value + 1e-4 * length * slope, gradient.allSatisfy(\.isFinite) { return accept(value, Array(gradient)) }
        length /= 2
        if length < Self.leastLength {
            // Along this direction nothing falls any more: the gradient's own is tried, once.
            guard !changes.isEmpty else {
                isDone = true
                return point = base.point
            }
            changes = []
            aim(at: base.gradient, from: base.point)
        }
        move(from: base.point)
    }

    private mutating func accept(_ value: Double, _ gradient: [Float]) {
        if let base {
            let moved = zip(point, base.point).map { $0 - $1 }, turned = zip(gradient, base.gradient).map { $0 - $1 }, product = Self.product(moved, turned)
            if product > 1e-10 * Self.product(turned, turned) {
                changes.append((moved, turned, product))
                if changes.count > Self.memory { changes.removeFirst() }
            }
        }
        base = (point, value, gradient)
        aim(at: gradient, from: point)
        move(from: point)
    }

    private mutating func aim(at gradient: [Float], from point: [Float]) {
        var d = gradient.map { -$0 }, shares: [Double] = []
        for change in changes.reversed() {
            let share = Self.product(change.point, d) / change.product
            shares.append(share)
            Self.add(-share, change.gradient, to: &d)
        }
        if let last = changes.last {
            let scale = Float(last.product / Self.product(last.gradient, last.gradient))
            for index in d.indices { d[index] *= scale }
        }
        for (change, share) in zip(changes, shares.reversed()) { Self.add(share - Self.product(change.gradient, d) / change.product, change.point, to: &d) }
        slope = Self.product(gradient, d)
        if !(slope < 0), !changes.isEmpty {
            changes = []
            return aim(at: gradient, from: point)
        }
        direction = d
        // Without a memory nothing says how far to go: as far as changes no number by more than a little.
        length = changes.isEmpty ? min(1, 0.1 / max(Double(d.reduce(0) { max($0, abs($1)) }), 1e-30)) : 1
    }

    private mutating func move(from base: [Float]) {
        let step = Float(length)
        point = zip(base, direction).map { $0 + step * $1 }
    }

    private static func add(_ factor: Double, _ other: [Float], to values: inout [Float]) {
        let factor = Float(factor)
        for index in values.indices { values[index] += factor * other[index] }
    }

    private static func product(_ a: [Float], _ b: [Float]) -> Double {
        var sum = 0.0
        for index in a.indices { sum += Double(a[index]) * Double(b[index]) }
        return sum
    }
}
