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

    /// Ten steps an epoch; ten epochs, of which the first six were those of another training.
    private func later(_ shape: ScheduleConfiguration.Shape, warmupEpochs: Double = 0) -> [Double] {
        let schedule = LearningRateSchedule(.init(shape, warmupEpochs: warmupEpochs), peak: 2, stepsPerEpoch: 10, epochs: 10, after: 6)
        return (60..<100).map { schedule.learningRate(at: $0) }
    }

    @Test("A training that continues another one: constant rates and steps go on, a cosine starts again at its first step, without a warm-up")
    func continuing() {
        #expect(later(.constant, warmupEpochs: 2) == Array(rates(.constant)[60...]))
        #expect(later(.every(epochs: 3, factor: 0.5)) == Array(rates(.every(epochs: 3, factor: 0.5))[60...]))
        #expect(later(.milestones([2, 7], factor: 0.25)) == Array(rates(.milestones([2, 7], factor: 0.25))[60...]))
        let cosine = later(.cosine(finalFactor: 0.1), warmupEpochs: 2)
        #expect(cosine[0] == 2)
        for step in cosine.indices {
            let exact = 0.2 + 0.9 * (1 + cos(.pi * Double(step) / 40))
            #expect(abs(cosine[step] - exact) < 1e-14)
        }
    }

    @Test("What is said of the rate when a training goes on for four epochs after six", arguments: [
        (ScheduleConfiguration.Shape.constant, "the learning rate stays at 0.05"),
        (.every(epochs: 3, factor: 0.1), "the learning rate goes on at 0.0005, and changes after every 3 epochs, counted from the first"),
        (.milestones([2, 6, 8, 10], factor: 0.5), "the learning rate goes on at 0.0125, and changes after 8 epochs, counted from the first"),
        (.milestones([2], factor: 0.5), "the learning rate goes on at 0.025"),
        (.cosine(finalFactor: 0), "the cosine starts again: the learning rate falls from 0.05 to 0 over these 4 epochs"),
    ])
    func continuationInWords(shape: ScheduleConfiguration.Shape, sentence: String) {
        #expect(ScheduleConfiguration(shape, warmupEpochs: 1).continuation(peak: 0.05, after: 6, for: 4) == sentence)
    }

    @Test("A warm-up as long as the training")
    func allWarmup() {
        let rates = rates(.cosine(finalFactor: 0), warmupEpochs: 10)
        #expect(rates[0] == 0.02 && rates[99] == 2)
    }
}
