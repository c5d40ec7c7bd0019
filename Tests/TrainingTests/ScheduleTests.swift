import Foundation
import Testing
@testable import Training

@Suite struct ScheduleTests {
    /// Ten steps an epoch, ten epochs, peak 2.
    private func rates(_ shape: ScheduleConfiguration.Shape, warmupEpochs: Double = 0) -> [Double] {
        let schedule = LearningRateSchedule(.init(shape, warmupEpochs: warmupEpochs), peak: 2, stepsPerEpoch: 10, epochs: 10)
        return (0..<100).map { schedule.learningRate(at: $0) }
    }

    @Test func constant() {
        #expect(rates(.constant) == Array(repeating: 2, count: 100))
    }

    @Test func linearWarmup() {
        let rates = rates(.constant, warmupEpochs: 0.5)
        #expect(rates[..<6] == [0.4, 0.8, 1.2, 1.6, 2, 2])
    }

    @Test func everySoManyEpochs() {
        let rates = rates(.every(epochs: 3, factor: 0.5))
        #expect(rates[0] == 2 && rates[29] == 2)
        #expect(rates[30] == 1 && rates[59] == 1)
        #expect(rates[60] == 0.5 && rates[90] == 0.25)
    }

    @Test func milestones() {
        let rates = rates(.milestones([2, 7], factor: 0.25), warmupEpochs: 1)
        #expect(rates[4] == 1)
        #expect(rates[19] == 2 && rates[20] == 0.5)
        #expect(rates[69] == 0.5 && rates[70] == 0.125)
    }

    @Test("Half a cosine from the warm-up's end to the final factor")
    func cosine() {
        let rates = rates(.cosine(finalFactor: 0.1), warmupEpochs: 2)
        #expect(rates[9] == 1)
        #expect(rates[20] == 2)
        #expect(abs(rates[60] - 1.1) < 1e-15, "half way")
        for step in 20..<100 {
            let exact = 0.2 + 0.9 * (1 + cos(.pi * Double(step - 20) / 80))
            #expect(abs(rates[step] - exact) < 1e-14)
        }
    }

    @Test("A warm-up as long as the training")
    func allWarmup() {
        let rates = rates(.cosine(finalFactor: 0), warmupEpochs: 10)
        #expect(rates[0] == 0.02 && rates[99] == 2)
    }
}
