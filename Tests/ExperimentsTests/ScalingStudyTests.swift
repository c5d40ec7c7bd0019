import Foundation
import Testing

@testable import Experiments

@Suite struct ScalingStudyTests {
    @Test(arguments: [0.5, 1, 2, -1])
    func aPowerLawGivesItsExponent(exponent: Double) {
        let points = [1.0, 3, 10, 40].map { (x: $0, y: 7 * pow($0, exponent)) }
        #expect(abs(powerLawExponent(points) - exponent) < 1e-12)
    }

    /// Least squares by hand: log₂ of x is 0, 1, 2 and of y 0, 2, 1, so the slope is 1/2.
    @Test func scatterIsFittedByLeastSquares() {
        #expect(abs(powerLawExponent([(1, 1), (2, 4), (4, 2)]) - 0.5) < 1e-12)
    }

    @Test func studyJSONHasItsFields() throws {
        let series = ScalingStudy.Series(model: "vit", variable: "depth L", theory: "L", points: [
            .init(size: 2, milliseconds: 10, gigaflops: 1), .init(size: 4, milliseconds: 20, gigaflops: 4),
        ])
        #expect(abs(series.timeExponent - 1) < 1e-12 && abs(series.operationsExponent - 2) < 1e-12)
        let object = try JSONSerialization.jsonObject(with: JSONEncoder().encode(series)) as? [String: Any]
        #expect(Set(try #require(object).keys) == ["model", "variable", "theory", "points", "time_exponent", "operations_exponent"])
        let point = (object?["points"] as? [[String: Any]])?.first
        #expect(Set(try #require(point).keys) == ["size", "ms", "gigaflops"])
    }
}
