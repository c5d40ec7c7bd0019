import Foundation
import Testing

@testable import Experiments

/// What style transfer makes its losses small with.
@Suite struct MinimizerTests {
    private func minimized(_ minimizer: some Minimizer, evaluations: Int, _ function: ([Float]) -> (Double, [Float])) -> (values: [Double], isDone: Bool) {
        var minimizer: any Minimizer = minimizer, values: [Double] = []
        for _ in 0..<evaluations where !minimizer.isDone {
            let (value, gradient) = function(minimizer.point)
            values.append(value)
            gradient.withUnsafeBufferPointer { minimizer.take(value: value, gradient: $0) }
        }
        return (values, minimizer.isDone)
    }

    private func quadratic(_ x: [Float]) -> (Double, [Float]) {
        let curvatures: [Float] = [1, 3, 10, 30, 100]
        return (zip(x, curvatures).reduce(0) { $0 + Double($1.1 * ($1.0 - 1) * ($1.0 - 1)) / 2 }, zip(x, curvatures).map { $1 * ($0 - 1) })
    }

    /// Rosenbrock's valley, on whose walls whole steps go too far.
    private func valley(_ x: [Float]) -> (Double, [Float]) {
        let (a, b) = (Double(x[0]), Double(x[1]))
        return (100 * (b - a * a) * (b - a * a) + (1 - a) * (1 - a), [Float(-400 * a * (b - a * a) - 2 * (1 - a)), Float(200 * (b - a * a))])
    }

    @Test func quasiNewtonFindsTheMinimumOfUnequalCurvatures() {
        let found = minimized(LBFGSMinimizer(from: [0, 2, -1, 3, 0.5]), evaluations: 40, quadratic)
        #expect(found.values.min()! < 1e-6 * found.values[0], "\(found.values)")
    }

    @Test func quasiNewtonGoesThroughAValley() {
        let found = minimized(LBFGSMinimizer(from: [-1.2, 1]), evaluations: 120, valley)
        #expect(found.values.min()! < 1e-6, "\(found.values)")
        // Some steps were too long and were halved.
        #expect(zip(found.values, found.values.dropFirst()).contains { $1 > $0 })
    }

    @Test func whereNothingFallsItIsDone() {
        let found = minimized(LBFGSMinimizer(from: [1, 1]), evaluations: 1_000) { _ in (1, [1, 1]) }
        #expect(found.isDone && found.values.count < 1_000)
    }

    /// `torch.optim.Adam(lr=0.1)` on Σ c (x − 1)² / 2 with c = 1, 3, 10, 30, 100.
    @Test func adamStepsAsPyTorchDoes() {
        var minimizer = AdamMinimizer(from: [0, 2, -1, 3, 0.5], rate: 0.1)
        for _ in 0..<4 {
            let (value, gradient) = quadratic(minimizer.point)
            gradient.withUnsafeBufferPointer { minimizer.take(value: value, gradient: $0) }
        }
        for (found, expected) in zip(minimizer.point, [0.396060937, 1.60393906, -0.601504894, 2.601504894, 0.887084606]) { #expect(abs(Double(found) - expected) < 1e-6) }
    }
}
