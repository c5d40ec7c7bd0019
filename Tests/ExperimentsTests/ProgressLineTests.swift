import Measures
import TestSupport
import Testing

@testable import Experiments

private func shown(_ loss: Double, _ accuracy: Double) -> ProgressLine.Shown {
    ProgressLine.Shown(MeasureValues([.loss, .accuracy], [loss, accuracy]), Monitor(.accuracy))
}

@Suite struct ProgressLineTests {
    private let epoch = ProgressLine.line(
        "resnet20", epoch: (1, 4), shown(0.64051, 0.77224), validation: shown(0.49844, 0.82601), speed: (1_661, 97))
    private let steps = ProgressLine.line("resnet20", share: 0.3, epoch: (2, 4), shown(0.64051, 0.77224), speed: (1_661, 97))

    @Test("A wide terminal shows all, a narrow one gives up digits, losses and accuracies before the images a second", arguments: [
        (110, "resnet20  epoch 1/4  loss 0.6405  accuracy 0.7722  validation 0.4984 0.8260  1,661 images/s  1:37 min left"),
        (103, "resnet20  epoch 1/4  loss 0.64  accuracy 0.77  val 0.50 0.83  1,661 images/s  1:37 min left"),
        (79, "resnet20  epoch 1/4  accuracy 0.77  val 0.83  1,661 images/s  1:37 min left"),
        (65, "resnet20  epoch 1/4  val 0.83  1,661 images/s  1:37 min left"),
        (55, "resnet20  epoch 1/4  1,661 images/s  1:37 min left"),
        (40, "resnet20  epoch 1/4  1,661 images/s"),
        (30, "resnet20  epoch 1/4…"),
        (5, "…"),
    ])
    func epochs(width: Int, text: String) { #expect(epoch.text(within: width) == text) }

    @Test(arguments: [
        (110, "resnet20  ━━━━━━╌╌╌╌╌╌╌╌╌╌╌╌╌╌  epoch 2/4  loss 0.6405  accuracy 0.7722  1,661 images/s  1:37 min left"),
        (95, "resnet20  ━━━╌╌╌╌╌╌╌  epoch 2/4  loss 0.6405  accuracy 0.7722  1,661 images/s  1:37 min left"),
        (79, "resnet20  epoch 2/4  loss 0.64  accuracy 0.77  1,661 images/s  1:37 min left"),
    ])
    func progress(width: Int, text: String) { #expect(steps.text(within: width) == text) }

    @Test("No width cuts a number or is exceeded", arguments: [true, false])
    func everyWidth(isEpoch: Bool) {
        let line = isEpoch ? epoch : steps
        for width in 1...line.text.count {
            let text = line.text(within: width)
            #expect(text.count <= width)
            // What stands there is whole: a word of the whole line, a rounded number, or the sign that something is left out.
            let words = Set(line.text.split(separator: " ") + ["0.64", "0.77", "0.50", "0.83", "val", "━━━╌╌╌╌╌╌╌"])
            for word in text.split(separator: " ") {
                #expect(words.contains(word) || word.hasSuffix("…") && (word == "…" || words.contains(word.dropLast())), "\(width): \(text)")
            }
        }
    }

    @Test(arguments: [
        ("3/12 done  1 running  8 left  2:11 min left  │ vit lr=0.001 epoch 1/3", 50, "3/12 done  1 running  8 left  2:11 min left…"),
        ("3/12 done  1 running", 20, "3/12 done  1 running"), ("3/12 done  1 running", 19, "3/12 done…"), ("3/12 done  1 running", 9, "3/12…"),
        ("3/12", 2, "…"),
    ])
    func textsEndBehindTheLastPartThatFits(text: String, width: Int, ended: String) {
        #expect(FittingLine.ended(text, within: width) == ended)
    }
}
