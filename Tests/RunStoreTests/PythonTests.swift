import Foundation
import RunStore
import TestSupport
import Testing

/// What h5py makes of the files: the documentation promises these paths to its readers.
struct PythonTests {
    @Test(.enabled(if: Python.withH5py != nil, "\(Python.missing)"))
    func h5pyReadsEveryDocumentedPath() throws {
        let python = try #require(Python.withH5py)
        try withTemporaryFolder { results in
            let folder = RunFolder(path: "\(results)/run")
            try Example.writeRun(folder, description: Example.measured)
            try Example.weights.write(to: folder.weightsFile(.last))
            let (status, output) = Python.run([python, Python.script("read_run.py"), folder.path])
            let expected = """
                @format_version=3
                @experiment='vit_vs_resnet'
                @model='resnet20'
                @seed=3
                @parameters=269722
                @multiply_adds=40551872
                @classes=3
                @trial_sha256='5eed'
                @data_sha256='da7a'
                @NX_class='NXroot'
                @default='metrics'
                /config='models:\\n  größe: {resnet: {depth: 20}}\\n'
                /status='finished'
                /metrics/train/title='training loss of each batch'
                /metrics/epoch/title='training loss and validation loss of each epoch'
                /evaluation/test/title='test images by class (upwards from 0) and predicted class (to the right)'
                /evaluation/test/class=[0, 1, 2]
                /evaluation/test/predicted_class=[0, 1, 2]
                /metrics/train/step int64 step=[1, 2, 3]
                /metrics/train/epoch int64 epoch=[1, 1, 1]
                /metrics/train/loss float64 nat=[2.3, 1.15, 0.7666666666666666]
                /metrics/train/accuracy float64 1=[0.0, 0.5, 0.6666666666666667]
                /metrics/train/learning_rate float64 1=[0.001, 0.001, 0.001]
                /metrics/train/gradient_norm float64 1=[1.0, 1.4142135623730951, 1.7320508075688772]
                /metrics/epoch/epoch int64 epoch=[1, 2, 3]
                /metrics/epoch/train_loss float64 nat=[1.0, 0.5, 0.3333333333333333]
                /metrics/epoch/train_accuracy float64 1=[0.5, 0.5, 0.5]
                /metrics/epoch/val_loss float64 nat=[0.25, nan, 0.25]
                /metrics/epoch/val_accuracy float64 1=[0.75, nan, 0.75]
                /evaluation/test/loss float64 nat=[0.4]
                /evaluation/test/accuracy float64 1=[0.75]
                /evaluation/test/confusion int64 image=[[1, 0, 1], [0, 1, 0], [0, 0, 1]]
                /evaluation/test/predictions int64 class=[0, 2, 1]
                /evaluation/test/labels int64 class=[0, 0, 1]
                /digests/tensor=['conv1.weight', 'größe']
                /digests/step int64=[50, 100, 150]
                /digests/checksum uint64=[[50, 18446744073709551565], [100, 18446744073709551515], [150, 18446744073709551465]]
                /metrics/layers/layer=['fc1', 'größe']
                /metrics/layers/epoch int64 epoch=[0, 1]
                /metrics/layers/activation_mean float64 1=[[-0.0, 0.0], [-1.0, 1.0]]
                /metrics/layers/activation_variance float64 1=[[1.0, inf], [2.0, inf]]
                /metrics/layers/gradient_variance float64 1=[[1e-70, 0.0], [1e-70, 0.3333333333333333]]
                /metrics/layers/predicted_activation_variance float64 1=[1.0, 0.5]
                /metrics/layers/predicted_gradient_variance float64 1=[0.125, 0.25]
                plot=['/metrics/epoch', 'train_loss', 'epoch', 'NXdata']
                /parameters/blocks/0/attn/qkv/weight float32 (6, 2)=[0.0, 0.3333333432674408]
                /parameters/blocks/10/norm1/bias float32 (2,)=[1.0, -1.0]
                /parameters/blocks/2/norm1/bias float32 (2,)=[2.0, -2.0]
                /parameters/head/weight float32 (3, 100000)=[0.0, 1.0]
                /buffers/bn1/running_mean float32 (2,)=[0.5, 0.25]
                /optimizer/first_moment/head/weight float32 (1, 2)=[0.10000000149011612, 0.20000000298023224]
                /optimizer/second_moment/head/weight float32 (1, 2)=[0.30000001192092896, 0.4000000059604645]
                /data/image_shape int64 (3,)=[8, 8]
                /data/mean float64 (3,)=[0.5, 0.25]
                /data/standard_deviation float64 (3,)=[1.0, 2.0]
                /log/sha256 |S6 ()=['5ea1ed']
                /progress/best_val_accuracy float64 ()=[0.9125]
                /progress/epoch int64 ()=[3]
                /progress/step int64 ()=[1407]

                """
            #expect(status == 0)
            #expect(output.split(separator: "\n").sorted() == expected.split(separator: "\n").sorted())
        }
    }

    @Test(
        .enabled(if: Python.withH5py != nil, "\(Python.missing)"),
        arguments: [
            (["h5py", "silx"], 3, "['class', 'predicted class']"),
            // Two numbers along an axis are no places to silx, so there are none.
            (["h5py", "silx"], 2, "[None, None]"),
        ])
    func viewersFindNamedPlots(means: [String], classes: Int, confusionAxes: String) throws {
        let python = try #require(Python.withH5py)
        try withTemporaryFolder { results in
            let folder = RunFolder(path: "\(results)/run")
            var description = Example.measured
            description.setClasses(classes)
            let writer = try RunWriter(folder), live = try writer.start(RunContents(description: description))
            for index in 1...300 { try live.append(Example.step(index)) }
            for index in 0...3 { try live.append(Example.layers(index)) }
            for index in 1...3 { try live.append(Example.epoch(index)) }
            try live.append(EvaluationRecord(
                loss: 0.4, accuracy: 0.5, confusion: (0..<classes).map { row in (0..<classes).map { row == $0 ? 1 : 2 } },
                predictions: [0, 1], labels: [0, 0]))
            try live.finish(.finished)
            let losses = "'training loss and validation loss of each epoch' signals=['training loss', 'validation loss'] axes=['epoch'] "
                + "interpretation=None shape=(3,)"
            let numbers = Array(0..<classes)
            let expected = """
                unasked: \(losses)
                metrics/train: 'training loss of each batch' signals=['training loss of the batch'] axes=['training step'] interpretation=None shape=(300,)
                metrics/epoch: \(losses)
                metrics/layers: "variance of each layer's output, at the start and after each epoch" signals=["variance of the layer's output"] \
                axes=['finished epochs', None] interpretation=None shape=(4, 2)
                evaluation/test: 'test images by class (upwards from 0) and predicted class (to the right)' \
                signals=['images by class (rows) and predicted class (columns)'] axes=\(confusionAxes) interpretation='image' shape=(\(classes), \(classes))
                classes \(numbers) \(numbers)

                """
            for means in means where means != "silx" || Python.hasSilx {
                let (status, output) = Python.run([python, Python.script("default_plots.py"), folder.runFile, means])
                #expect(status == 0, "\(means)")
                #expect(output == expected, "\(means)")
            }
        }
    }
}
