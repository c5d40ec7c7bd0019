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
            let script = URL(filePath: #filePath).deletingLastPathComponent().appending(path: "../Reference/read_run.py").path
            let (status, output) = Python.run([python, script, folder.path])
            let expected = """
                @format_version=2
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
                /optimizer/updates int64 ()=[1407]
                /progress/best_val_accuracy float64 ()=[0.9125]
                /progress/epoch int64 ()=[3]
                /progress/step int64 ()=[1407]

                """
            #expect(status == 0)
            #expect(output.split(separator: "\n").sorted() == expected.split(separator: "\n").sorted())
        }
    }
}
