import Testing

@testable import RunStore

/// Which version of the arithmetic a run's steps are of.
@Suite struct ArithmeticSpanTests {
    private let mixed = [ArithmeticSpan(version: 1), ArithmeticSpan(fromStep: 40, version: 2)]

    @Test func aResumedRunKeepsWhatItsStepsWereComputedWith() {
        #expect(ArithmeticSpan.unrecorded.resumed(after: 40, with: 2) == mixed)
        #expect(ArithmeticSpan.unrecorded.resumed(after: 40, with: 1) == ArithmeticSpan.unrecorded)
        // Nothing of the earlier version is left.
        #expect(ArithmeticSpan.unrecorded.resumed(after: 0, with: 2) == [ArithmeticSpan(version: 2)])
        #expect(mixed.resumed(after: 40, with: 2) == mixed)
        #expect(mixed.resumed(after: 90, with: 2) == mixed)
        // From a checkpoint before the change.
        #expect(mixed.resumed(after: 30, with: 2) == [ArithmeticSpan(version: 1), ArithmeticSpan(fromStep: 30, version: 2)])
        #expect(mixed.resumed(after: 30, with: 1) == ArithmeticSpan.unrecorded)
        #expect(mixed.resumed(after: 50, with: 3) == mixed + [ArithmeticSpan(fromStep: 50, version: 3)])
    }

    @Test func stepsAreOfOneVersionOrSeveral() {
        #expect(mixed.version(through: 0) == 1)
        #expect(mixed.version(through: 40) == 1)
        #expect(mixed.version(through: 41) == nil)
        #expect([ArithmeticSpan(version: 2)].version(through: 41) == 2)
    }

    @Test func versionsAreNamed() {
        #expect(ArithmeticSpan.unrecorded.text == "version 1")
        #expect(mixed.text == "version 1 through step 40, then version 2")
    }
}
