import Foundation
import RunStore
import TestSupport
import Testing

@testable import Reports

@Suite struct RunTailTests {
    private let description = RunDescription(
        experiment: "e", model: "m", seed: 0, configuration: "{}", parameters: 1, multiplyAdds: 1, classes: 2)

    private func step(_ step: Int, epoch: Int) -> StepRecord {
        StepRecord(step: step, epoch: epoch, loss: 1 / Double(step), accuracy: 0.5, learningRate: 0.001, gradientNorm: 2)
    }

    private func epoch(_ epoch: Int) -> EpochRecord {
        EpochRecord(epoch: epoch, trainLoss: 0.5, trainAccuracy: 0.75, valLoss: 0.25, valAccuracy: 0.875)
    }

    private func stepLine(_ step: Int, epoch: Int, loss: String) -> String {
        "step \(step)  epoch \(epoch)  loss \(loss)  accuracy 0.5000  learning rate 0.001  gradient norm 2.0000"
    }

    private let epochLine = "loss 0.5000  accuracy 0.7500  validation 0.2500 0.8750"

    @Test func followsARunFromItsMiddleToItsEnd() throws {
        try withTemporaryFolder { results in
            let folder = RunFolder(path: "\(results)/run")
            let writer = try RunWriter(folder)
            let live = try writer.start(RunContents(description: description))
            for index in 1...4 { try live.append(step(index, epoch: 1)) }
            try live.append(epoch(1))
            try live.append(step(5, epoch: 2))
            try live.synchronize()

            let tail = RunTail(folder, lastRows: 2)
            var (lines, ending) = try tail.next()
            #expect(lines == [stepLine(4, epoch: 1, loss: "0.2500"), "epoch 1  \(epochLine)", stepLine(5, epoch: 2, loss: "0.2000")])
            #expect(ending == nil)
            #expect(try RunTail(folder, lastRows: 0).next().lines == [])
            #expect(try tail.next().lines == [])

            try live.append(step(8, epoch: 2))
            try live.append(epoch(2))
            (lines, ending) = try tail.next()
            #expect(lines == [stepLine(8, epoch: 2, loss: "0.1250"), "epoch 2  \(epochLine)"])
            try live.append(EvaluationRecord(loss: 1, accuracy: 0.5, confusion: [[1, 0], [1, 0]], predictions: [0, 0], labels: [0, 1]))
            try live.finish(.finished)
            (lines, ending) = try tail.next()
            #expect(lines == [] && ending == "finished: test accuracy 0.5000")
        }
    }

    @Test func saysHowARunEndedAndWhenItGoesOn() throws {
        try withTemporaryFolder { results in
            let folder = RunFolder(path: "\(results)/run")
            var contents = RunContents(description: description, steps: (1...8).map { step($0, epoch: 1) })
            let tail = RunTail(folder, lastRows: 1)
            do {
                let writer = try RunWriter(folder)
                let live = try writer.start(contents)
                #expect(try tail.next().lines == [stepLine(8, epoch: 1, loss: "0.1250")])
                try live.finish(.interrupted)
            }
            #expect(try tail.next().ending == "was interrupted after step 8; `harness run` goes on")
            contents = contents.cut(toStep: 4, epoch: 0)
            do {
                let writer = try RunWriter(folder)
                let live = try writer.start(contents)
                #expect(try tail.next() == (["goes on after step 4"], nil))
                try live.append(step(5, epoch: 1))
                try live.synchronize()
                #expect(try tail.next().lines == [stepLine(5, epoch: 1, loss: "0.2000")])
                try live.finish(.diverged)
            }
            #expect(try tail.next().ending == "diverged at step 6")
        }
    }
}
