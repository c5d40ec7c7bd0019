import Foundation
import TestSupport
import Testing

/// Weights between this program and PyTorch's libraries (`Tests/Reference/strict_weights.py`): what they write loads here and gives their
/// logits, and what is written here loads there with `strict=True`. `HARNESS_TEST_EVERY_NETWORK=1` adds those of half a gigabyte.
@Suite(.serialized) struct StrictWeightsTests {
    private static let networks = [
        ("resnet18", "resnet18", "torchvision"), ("densenet121", "densenet121", "timm"), ("mobilenet_v2", "mobilenet-v2", "torchvision"),
        ("squeezenet1_1", "squeezenet1.1", "torchvision"), ("vit_timm", "vit-tiny-16", "torchvision"), ("vit_torchvision", "vit-tiny-16", "timm"),
    ]
    private static let largeNetworks = [("vgg11_bn", "vgg11-bn", "torchvision"), ("alexnet", "alexnet", "torchvision")]
    private static let isThorough = ProcessInfo.processInfo.environment["HARNESS_TEST_EVERY_NETWORK"] == "1"

    @Test(.enabled(if: Python.withTorch != nil, "\(Python.missingTorch)"), arguments: networks + (isThorough ? largeNetworks : []))
    func bothWays(network: String, model: String, names: String) throws {
        let python = try #require(Python.withTorch), script = Python.script("strict_weights.py"), folder = try TemporaryFolder()
        let written = Python.run([python, script, "write", network, folder.url.path])
        #expect(written.status == 0, "\(written.output)")
        let options = ["--model", model, "--classes", "10"]
        for (from, to, words) in [("theirs.safetensors", "ours.h5", []), ("ours.h5", "ours.safetensors", ["--names", names])] {
            let result = try Program.run(["convert", from, to] + options + ["--input", "3x80x80"] + words, in: folder.url)
            #expect(result.exitCode == 0, "\(result.errors)")
        }
        for weights in ["theirs.safetensors", "ours.h5", "ours.safetensors"] {
            let words = ["predict", "--weights", weights, "--input", "images.h5", "--output", "\(weights).logits.h5"] + options
            let result = try Program.run(words, in: folder.url)
            #expect(result.exitCode == 0, "\(result.errors)")
        }
        let checked = Python.run([python, script, "check", network, folder.url.path])
        #expect(checked.status == 0, "\(checked.output)")
    }
}
