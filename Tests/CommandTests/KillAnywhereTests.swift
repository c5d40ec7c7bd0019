import Foundation
import Testing

/// Trainings that are killed at random moments and gone on with, until they end: their files are those of one that was left alone.
///
/// `HARNESS_SOAK_KILLS` asks for that many kills instead of 50, `HARNESS_SOAK_SEED` for other moments.
@Suite(.serialized) struct KillAnywhereTests {
    private static let environment = ProcessInfo.processInfo.environment
    private static let seed = environment["HARNESS_SOAK_SEED"].flatMap { UInt64($0) } ?? 20_250_917
    private static let killCount = environment["HARNESS_SOAK_KILLS"].flatMap { Int($0) } ?? 50

    /// SplitMix64 (Steele, Lea, Flood: "Fast splittable pseudorandom number generators", OOPSLA 2014).
    private struct Moments: RandomNumberGenerator {
        var state: UInt64
        mutating func next() -> UInt64 {
            state &+= 0x9E37_79B9_7F4A_7C15
            var z = (state ^ (state >> 30)) &* 0xBF58_476D_1CE4_E5B9
            z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
            return z ^ (z >> 31)
        }
    }

    private enum Ending { case killed, interrupted, completed }

    @Test(arguments: SmallRuns.Name.allCases)
    func aRunThatIsKilledAnywhereEndsTheSame(name: SmallRuns.Name) throws {
        let index = SmallRuns.Name.allCases.firstIndex(of: name)!, count = SmallRuns.Name.allCases.count
        let wanted = Self.killCount / count + (index < Self.killCount % count ? 1 : 0)
        let runs = try SmallRuns(name)
        var moments = Moments(state: Self.seed &+ UInt64(index))
        var kills = 0, interrupts = 0, rounds = 0
        while kills < wanted {
            rounds += 1
            var ending = Ending.killed
            while ending != .completed {
                ending = try disturb(runs, &moments, kills < wanted)
                kills += ending == .killed ? 1 : 0
                interrupts += ending == .interrupted ? 1 : 0
            }
            let differences = try runs.differences("disturbed")
            #expect(differences.isEmpty, "seed \(Self.seed), round \(rounds), after \(kills) kills")
            guard differences.isEmpty else { return }
            try runs.remove("disturbed")
        }
        print("\(name): \(kills) kills and \(interrupts) interruptions in \(rounds) runs, seed \(Self.seed): all files the same")
    }

    /// Starts or continues the run and ends it at a random moment, if it has not ended by then.
    private func disturb(_ runs: SmallRuns, _ moments: inout Moments, _ mayEnd: Bool) throws -> Ending {
        let process = try Program.start(runs.words("disturbed", threads: Int.random(in: 1...2, using: &moments)), in: runs.folder.url)
        var signal: Int32?
        if mayEnd {
            // In half the time of a whole run, so that a run is killed more than once before it ends.
            let delay = Double.random(in: 0..<runs.seconds / 2, using: &moments)
            // A third of the kills waits for a file that is just being written.
            let target = Bool.random(using: &moments) && Bool.random(using: &moments) ? Target.allCases.randomElement(using: &moments) : nil
            if wait(for: delay, while: process), target.map({ wait(for: $0, runs, while: process) }) ?? true {
                signal = Int.random(in: 0..<8, using: &moments) == 0 ? [SIGTERM, SIGINT, SIGHUP].randomElement(using: &moments) : SIGKILL
                kill(process.processIdentifier, signal!)
            }
        }
        process.waitUntilExit()
        if process.terminationReason == .uncaughtSignal {
            #expect(process.terminationStatus == signal)
            return .killed
        }
        #expect(process.terminationStatus == 0 || signal.map { process.terminationStatus == 128 + $0 } == true)
        return process.terminationStatus == 0 ? .completed : .interrupted
    }

    /// What is on disk for the time of one write.
    private enum Target: CaseIterable { case log, checkpoint, best, machine }

    private func wait(for seconds: Double, while process: Process) -> Bool {
        let end = ContinuousClock.now + .seconds(seconds)
        while process.isRunning, .now < end { usleep(500) }
        return process.isRunning
    }

    private func wait(for target: Target, _ runs: SmallRuns, while process: Process) -> Bool {
        let folder = runs.runFolder("disturbed").path
        while process.isRunning {
            let isThere = switch target {
            case .log: access("\(folder)/run.h5.tmp", F_OK) == 0
            case .best: access("\(folder)/weights/best.h5.tmp", F_OK) == 0
            case .machine: access("\(folder)/machine.json.tmp", F_OK) == 0
            case .checkpoint:
                ((try? FileManager.default.contentsOfDirectory(atPath: "\(folder)/checkpoints")) ?? []).contains { $0.hasSuffix(".tmp") }
            }
            if isThere { return true }
            usleep(50)
        }
        return false
    }
}
