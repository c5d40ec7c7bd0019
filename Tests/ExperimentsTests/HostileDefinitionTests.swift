import Configuration
import Foundation
import TestSupport
import Testing

@testable import Experiments

/// Definitions that nobody writes, each of which ends in a sentence and in little time.
@Suite struct HostileDefinitionTests {
    private static let base = """
        data:  {name: digits}
        train: {epochs: 3, batch_size: 64}
        models: {line: logistic-regression}

        """

    /// What is said of a definition of several files, the first of which is read, and the processor time of it in seconds.
    private func read(_ files: KeyValuePairs<String, String>, plans: Bool = false) throws -> (sentence: String, seconds: Double) {
        try withTemporaryFolder { folder in
            for (name, text) in files { try Data(text.utf8).write(to: URL(filePath: "\(folder)/\(name)")) }
            return try timed { try load("\(folder)/\(files[0].key)", plans) }
        }
    }

    private func load(_ path: String, _ plans: Bool = false) throws {
        let definition = try Definition(Composition(of: URL(filePath: path), display: { $0.lastPathComponent }))
        if plans { _ = try SweepPlan(definition) }
    }

    /// Time of this thread, which other tests and programs do not lengthen.
    private func timed(_ body: () throws -> Void) throws -> (sentence: String, seconds: Double) {
        func seconds() -> Double {
            var time = timespec()
            clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time)
            return Double(time.tv_sec) + Double(time.tv_nsec) * 1e-9
        }
        let start = seconds()
        do { try body() } catch let error as UserError {
            #expect(error.kind == .usage)
            return (error.message, seconds() - start)
        }
        return ("", seconds() - start)
    }

    /// Seconds that are enough; a build without optimization takes longer.
    private static var limit: Double {
        #if DEBUG
            30
        #else
            2
        #endif
    }

    private func expect(_ sentence: String, _ found: (sentence: String, seconds: Double), lines: Int = 1, _ place: SourceLocation = #_sourceLocation) {
        #expect(found.sentence.hasPrefix(sentence), "\(found.sentence.prefix(300))", sourceLocation: place)
        #expect(found.sentence.split(separator: "\n").count == lines, "\(found.sentence.prefix(300))", sourceLocation: place)
        #expect(found.seconds < Self.limit, sourceLocation: place)
    }

    @Test func extendsThatMultiply() throws {
        try withTemporaryFolder { folder in
            for index in 0..<30 {
                let text = index == 29 ? Self.base : "extends: [x\(index + 1).yaml, x\(index + 1).yaml]\nseeds: [\(index)]\n"
                try Data(text.utf8).write(to: URL(filePath: "\(folder)/x\(index).yaml"))
            }
            expect("x28.yaml:1: extends: at most 256 files are put together, found more", try timed { try load("\(folder)/x0.yaml") })
            // A few are as they were.
            #expect(try timed { try load("\(folder)/x23.yaml") }.sentence == "")
        }
    }

    @Test func aChainOfExtends() throws {
        try withTemporaryFolder { folder in
            for index in 0..<3000 { try Data("extends: x\(index + 1).yaml\n".utf8).write(to: URL(filePath: "\(folder)/x\(index).yaml")) }
            try Data(Self.base.utf8).write(to: URL(filePath: "\(folder)/x3000.yaml"))
            expect("x255.yaml:1: extends: at most 256 files are put together, found more", try timed { try load("\(folder)/x0.yaml") })
            #expect(try timed { try load("\(folder)/x2800.yaml") }.sentence == "")
        }
    }

    @Test func manySeedsAndModels() throws {
        let seeds = "[\((0..<200_000).map(String.init).joined(separator: ","))]"
        expect("x.yaml:4: seeds: found 200,000 seeds, expected at most 10,000", try read(["x.yaml": Self.base + "seeds: \(seeds)\n"]))
        expect("x.yaml:4: sweep.seeds: found 200,000 seeds, expected at most 10,000", try read(["x.yaml": Self.base + "sweep: {seeds: \(seeds)}\n"]))
        let models = (0..<50_000).map { "  m\($0): lenet5\n" }.joined()
        expect("x.yaml:2: models: found 50,000 models, expected at most 1,000", try read(["x.yaml": "data: {name: digits}\nmodels:\n\(models)"]))
        let values = "[\((1...5000).map(String.init).joined(separator: ","))]"
        expect(
            "x.yaml:4: sweep: found 110,000 trials, expected at most 100,000",
            try read(["x.yaml": Self.base + "sweep: {grid: {train.epochs: \(values)}, seeds: [\((0..<22).map(String.init).joined(separator: ","))]}\n"], plans: true))
    }

    @Test func unknownKeys() throws {
        let keys = (0..<100_000).map { "key\($0): 1\n" }.joined()
        let found = try read(["x.yaml": Self.base + keys])
        expect("x.yaml:4: key0: unknown key 'key0'", found, lines: 21)
        #expect(found.sentence.hasSuffix("\nx.yaml:24: and 99,980 more unknown keys"), "\(found.sentence.suffix(100))")
        expect("x.yaml: a definition and what it extends may have 2,000,000 bytes together; found more", try read(["x.yaml": Self.base + String(repeating: keys, count: 3)]))
        // Two files with the same keys are put together in time that grows with their number.
        let half = (0..<50_000).map { "key\($0): 1\n" }.joined()
        expect("x.yaml:2: key0: unknown key", try read(["x.yaml": "extends: base.yaml\n\(half)", "base.yaml": Self.base + half]), lines: 21)
    }

    /// 2^40 values, if aliases were followed.
    @Test(arguments: ["a", "? "]) func aliasesThatMultiply(key: String) throws {
        var text = Self.base + "a0: &a0 [x, x]\n"
        for level in 1...40 { text += (key == "a" ? "a\(level): " : "? ") + "&a\(level) [*a\(level - 1), *a\(level - 1)]\n" + (key == "a" ? "" : ": 1\n") }
        expect("x.yaml:4: anchors (&) and aliases (*) are not read; write the value out", try read(["x.yaml": text]))
    }

    @Test func deepNesting() throws {
        for (open, close) in [("[", "]"), ("{a: ", "}")] {
            let text = Self.base + "x: \(String(repeating: open, count: 20_000))1\(String(repeating: close, count: 20_000))\n"
            expect("x.yaml:4: nested too deeply", try read(["x.yaml": text]))
        }
        let blocks = (0..<1900).map { String(repeating: " ", count: $0) + "a:\n" }.joined()
        expect("x.yaml:", try read(["x.yaml": blocks]))
        let inside = Self.base + "x: \(String(repeating: "{a: ", count: 900))1\(String(repeating: "}", count: 900))\n"
        expect("x.yaml:4: x: unknown key 'x'", try read(["x.yaml": inside]))
    }

    @Test func manyConditions() throws {
        let exclude = (0..<5000).map { "{train.epochs: \($0)}" }.joined(separator: ", ")
        expect(
            "x.yaml:4: sweep.exclude: found 5,000 conditions, expected at most 100",
            try read(["x.yaml": Self.base + "sweep: {grid: {train.epochs: [1, 2]}, exclude: [\(exclude)]}\n"]))
    }

    /// As many cells as a sweep may have, and time that grows with their number.
    @Test(arguments: ["grid", "random", "list"]) func manyCells(kind: String) throws {
        func sweep(_ count: Int) -> String {
            switch kind {
            case "grid": "grid: {train.l1: [\((0..<100).map(String.init).joined(separator: ","))], train.epochs: [\((1...(count / 100)).map(String.init).joined(separator: ","))]}"
            case "random": "random: {count: \(count), draw: {train.l1: {uniform: [0, 1]}, train.optimizer.adamw.learning_rate: {log_uniform: [1e-4, 1e-1]}}}"
            default: "list: [\((0..<count).map { "{train.l1: \($0)}" }.joined(separator: ", "))]"
            }
        }
        let small = try read(["x.yaml": Self.base + "sweep: {\(sweep(1000))}\n"], plans: true)
        let large = try read(["x.yaml": Self.base + "sweep: {\(sweep(10_000))}\n"], plans: true)
        #expect(small.sentence == "" && large.sentence == "", "\(large.sentence.prefix(300))")
        #expect(large.seconds < 2 * Self.limit)
        #expect(large.seconds < 25 * small.seconds + 0.2, "\(small.seconds) s for 1,000 cells, \(large.seconds) s for 10,000")
    }
}
