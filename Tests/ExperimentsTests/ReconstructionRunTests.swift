import Configuration
import Foundation
import HDF5
import Layers
import Measures
import Reports
import RunStore
import Tasks
import TensorCore
import TestSupport
import Testing
import VisionData

@testable import Experiments

/// An image from its code, from what is left of it, or from a few patches: from the definition to the comparison.
@Suite(.serialized) struct ReconstructionRunTests {
    private static func text(_ task: String, _ model: String) -> String { """
        data:   {name: digits, test_examples: 64}
        train:  {epochs: 2, batch_size: 64, optimizer: {adamw: {learning_rate: 3e-3}}}
        task:   {reconstruction: \(task)}
        models: {m: \(model)}

        """
    }

    @Test("It trains to the same bytes on one thread and two, resumes to them, verifies, and is inspected and compared", arguments: [
        ("{neighbours: 3}", "{autoencoder: {widths: [32], code: 8, sparsity: 0.001}}", ["loss", "mse", "sparsity", "psnr", "ssim", "retrieval_precision"]),
        ("{loss: bce}", "{autoencoder: {widths: [32], code: 4, variational: true}}", ["loss", "bce", "divergence", "mse", "psnr", "ssim"]),
        ("{corruption: {salt_and_pepper: 0.3}}", "{autoencoder: {widths: [24], code: 8, activation: tanh, code_activation: sigmoid, contraction: 0.01}}", ["loss", "mse", "contraction", "psnr", "ssim"]),
        ("{corruption: {gaussian: 0.2}, loss: l1}", "{conv_autoencoder: {width: 4, depth: 2, code: 8, norm: batch}}", ["loss", "mse", "psnr", "ssim"]),
        ("{corruption: {square: 0.5}, counted: hidden}", "{unet: {width: 4, depth: 2}}", ["loss", "psnr", "ssim"]),
        ("{target: sharpen, loss: ssim}", "{filter: {size: 3}}", ["loss", "mse", "psnr", "ssim"]),
        ("mae", "{mae: {patch: 2, width: 16, depth: 2, heads: 2, decoder_width: 16, decoder_heads: 2}}", ["loss", "mse", "psnr", "ssim"]),
    ])
    func isTrainedLikeAnyOther(task: String, model: String, measures: [String]) throws {
        try withTemporaryFolder { results in
            let whole = try trainedTwice(Self.text(task == "mae" ? "{}" : task, model), in: results), contents = try RunReader(whole).contents()
            #expect(contents.description.measures.map(\.name) == measures)
            #expect(contents.description.monitored == "loss")
            let test = try #require(contents.evaluations[.test])
            if model.contains("autoencoder") { #expect(test.tables["codes"]?.reals?.count == 64 * (model.contains("code: 4") ? 4 : 8)) } else { #expect(test.tables["codes"] == nil) }
            let images = try #require(test.tables["example_images"]?.reals), answers = try #require(test.tables["example_answers"]?.reals)
            #expect(images.count == 12 * 64 && answers.count == images.count && images.allSatisfy { (-0.001...1.001).contains($0) })
            #expect((test.tables["example_inputs"] != nil) == (task == "mae" || task.contains("corruption")))
            let examples = try #require(try RunReader(whole).reconstructions())
            #expect(examples.count == 12 && examples.rows.last?.pixels == answers)
            // Of hidden pixels alone, what is predicted of these images is what the test made of them.
            if task == "mae" || task.contains("hidden") {
                let file = try HDF5Writer("\(results)/images.h5")
                try file.write(images.map { UInt8(($0 * 255).rounded()) }, to: "/images", shape: [12, 1, 8, 8])
                try file.close()
                let trained = try TrainedModel(of: whole)
                var made: [Float] = []
                try trained.predict(UnlabeledImages("\(results)/images.h5", mayBeBytes: true), threads: 2) { made += trained.answeredPicture(Array($0)) }
                #expect(made.count == answers.count && zip(made, answers).allSatisfy { abs($0 - min(1, max(0, $1))) < 0.005 })
            }
            if measures.contains("retrieval_precision") {
                let neighbours = try #require(test.tables["neighbours"]?.integers)
                #expect(neighbours.count == 64 * 3 && neighbours.allSatisfy { (0..<64).contains($0) })
            }
            #expect(try Inspection(whole.path).text.contains("test psnr"))
            #expect(try Comparison(under: ["\(results)/whole"]).rendered(as: .table).contains("test loss"))
            let report = try Report(under: ["\(results)/whole"]), table = try #require(report.tableFiles().first { $0.name == "measures.tex" }?.text)
            #expect(table.contains("test psnr (dB)") && table.contains("test ssim"), "\(table)")
            #expect(report.figureFiles().contains { $0.name == "measures-170mm.svg" } == measures.contains("retrieval_precision"), "of shares alone")
            // In a definition kept as JSON, words that were written without quotes have some.
            for word in ["bce", "l1", "ssim", "hidden", "sharpen"] where task.contains(word) {
                #expect(contents.description.configuration.contains(": \"\(word)\""), "\(contents.description.configuration)")
            }
        }
    }

    /// Codes are outputs, the first images and the neighbours are not.
    @Test func codesAreKeptUnlessOutputsAreNot() throws {
        try withTemporaryFolder { results in
            let text = Self.text("{neighbours: 3}", "{autoencoder: {widths: [8], code: 4}}")
            let tables = try [text, text.replacing("epochs: 2", with: "epochs: 2, store_outputs: false")].enumerated().map { index, text in
                let options = Runner.Options(threads: 2, results: URL(filePath: "\(results)/\(index)"), startsOver: false, command: [])
                let run = try Runner(Experiment(definition(text), dataDirectory: nil), options: options, terminal: .silent).run { false }.folders[0]
                return try #require(RunReader(run).contents().evaluations[.test]).tables
            }
            #expect(tables[0]["codes"] != nil && tables[1]["codes"] == nil)
            #expect(tables[0].keys.filter { $0 != "codes" }.sorted() == tables[1].keys.sorted() && tables[0]["neighbours"] == tables[1]["neighbours"])
        }
    }

    /// A wrong key of the training is all that is said of a model that goes with the task; one that does not is said with it.
    @Test(arguments: [("task: reconstruction\n", ["train.epoch: unknown key"]), ("", ["train.epoch: unknown key", "mae gives an answer for every pixel, and classification asks for one for an image"])])
    func wrongKeysAreSaidAlone(task: String, sentences: [String]) throws {
        let text = "data: {name: digits}\ntrain: {epoch: 3}\n\(task)models: {a: {mae: {patch: 2, width: 16, depth: 2, heads: 2}}}\n"
        let root = try YAML.node(text) { SourceMark(file: "x.yaml", line: $0) }
        let error = #expect(throws: UserError.self) { _ = try Definition(root, name: "x", registry: .standard) { try ImageDataset.load($0, dataDirectory: nil) } }
        let lines = (error?.message ?? "").split(separator: "\n")
        #expect(lines.count == sentences.count && zip(lines, sentences).allSatisfy { $0.contains($1) }, "\(lines)")
    }

    /// A classifier's encoder starts as that of a masked autoencoder of another definition.
    @Test func aProbeStartsFromAMaskedAutoencoder() throws {
        try withTemporaryFolder { folder in
            let options = "patch: 2, width: 16, depth: 2, heads: 2, position: sincos_mae"
            try Data(Self.text("{}", "{mae: {\(options), decoder_width: 16, decoder_heads: 2}}").utf8).write(to: URL(filePath: "\(folder)/mae.yaml"))
            let probe = """
                data:   {name: digits, test_examples: 64, images_per_class: 10}
                train:
                  epochs: 2
                  batch_size: 40
                  init_from: {experiment: mae.yaml, model: m, except: ["head.*", "decoder.*"]}
                  parameters: [{match: "head.*"}, {match: "*", freeze: true}]
                models: {probe: {vit: {\(options), pool: class}}}

                """
            try Data(probe.utf8).write(to: URL(filePath: "\(folder)/probe.yaml"))
            let read = try Definition(Composition(of: URL(filePath: "\(folder)/probe.yaml"), display: { $0.lastPathComponent }))
            let running = Runner.Options(threads: 2, results: URL(filePath: "\(folder)/results"), startsOver: false, command: [])
            let own = try Runner(Experiment(read, dataDirectory: nil), options: running, terminal: .silent).run { false }.folders[0]
            #expect(try RunReader(own).status == .finished)
            let found = try #require(FileManager.default.enumerator(atPath: "\(folder)/results")?.compactMap { $0 as? String }.first { $0.contains("mae/m-") && $0.hasSuffix("best.h5") })
            func blocks(_ path: String) throws -> [NamedArray] { try StoredWeights(reading: path).parameters.filter { $0.name.hasPrefix("blocks.") } }
            let frozen = try blocks(own.weightsFile(.best))
            #expect(try !frozen.isEmpty && frozen == blocks("\(folder)/results/\(found)"))
        }
    }

    /// A model without parameters is tested like any other, and its weights are its kernel.
    @Test func aFixedFilterIsTested() throws {
        try withTemporaryFolder { results in
            let text = Self.text("{corruption: {gaussian: 0.2}}", "{filter: {kernel: gaussian}}")
            let options = Runner.Options(threads: 2, results: URL(filePath: results), startsOver: false, command: [])
            let run = try Runner(Experiment(definition(text), dataDirectory: nil), options: options, terminal: .silent).run { false }.folders[0]
            let contents = try RunReader(run).contents()
            #expect(contents.status == .finished && contents.description.parameters == 0)
            #expect(contents.epochs.allSatisfy { $0.validation == contents.epochs[0].validation })
            let verification = try Verification(run, threads: 1, steps: nil, dataDirectory: nil, registry: .standard, command: [], terminal: .silent) { false }
            #expect(verification.failure == nil)
            _ = try TrainedModel(of: run)
        }
    }

    /// A fixed kernel finds what it made, of pixels from which no mean was taken.
    @Test(arguments: [ImageKernel.sobelHorizontal, .outline, .sharpen]) func aKernelFindsItself(kernel: ImageKernel) throws {
        try withTemporaryFolder { results in
            let text = Self.text("{target: \(kernel.rawValue)}", "{filter: {kernel: \(kernel.rawValue)}}").replacing("data:   {", with: "data:   {normalization: none, ")
            let options = Runner.Options(threads: 2, results: URL(filePath: results), startsOver: false, command: [])
            let run = try Runner(Experiment(definition(text), dataDirectory: nil), options: options, terminal: .silent).run { false }.folders[0]
            #expect(try #require(try RunReader(run).contents().evaluations[.test]?.values[0]) < 1e-9)
        }
    }

    @Test("What does not go together is said in a sentence before anything is trained", arguments: [
        ("task: reconstruction\nmodels: {l: lenet5}", "models.l: lenet5 gives one answer for an image, and reconstruction asks for one for every pixel"),
        ("models: {a: autoencoder}", "models.a: autoencoder gives an answer for every pixel, and classification asks for one for an image"),
        ("task: {reconstruction: {neighbours: 2}}\nmodels: {u: {unet: {depth: 2}}}", "task.reconstruction.neighbours: compares codes, which this model has not"),
        ("task: {reconstruction: {counted: hidden}}\nmodels: {a: autoencoder}", "task.reconstruction.counted: goes with a corruption, of which there is none"),
        ("task: {reconstruction: {loss: luminance}}\nmodels: {a: autoencoder}", "luminance is of images with 3 channels"),
        ("task: {reconstruction: {loss: bce, target: laplacian}}\nmodels: {a: autoencoder}", "laplacian gives values below 0"),
        ("task: reconstruction\nmodels: {a: {autoencoder: {contraction: 0.1}}}", "found relu, and contraction takes the slope of sigmoid, tanh or identity"),
        ("task: reconstruction\nmodels: {a: {autoencoder: {kl_weight: 0.1}}}", "models.a.autoencoder.kl_weight: goes with variational: true"),
        ("task: reconstruction\nmodels: {a: {mae: {patch: 3, width: 16, depth: 2, heads: 2}}}", "a patch of 3 does not divide the image of 8×8"),
        ("task: reconstruction\nmodels: {a: {mae: {patch: 2, width: 16, depth: 2, heads: 2, decoder_width: 30}}}", "found 30"),
        ("task: reconstruction\nmodels: {a: {mae: {patch: 8, width: 16, depth: 2, heads: 2}}}", "hides none of the 1 patches of images of 8×8×1"),
        ("task: {reconstruction: {target: sharpen}}\nmodels: {a: {mae: {patch: 2, width: 16, depth: 2, heads: 2}}}", "task.reconstruction.target: goes with normalize_patches: false"),
        ("task: {reconstruction: {loss: bce}}\nmodels: {a: {mae: {patch: 2, width: 16, depth: 2, heads: 2}}}", "bce goes with normalize_patches: false; of normalized patches expected mse or l1"),
        ("task: {reconstruction: {loss: ssim}}\nmodels: {a: {mae: {patch: 2, width: 16, depth: 2, heads: 2, normalize_patches: false}}}", "ssim compares windows"),
        ("task: {reconstruction: {corruption: {gaussian: 0.1}}}\nmodels: {a: {mae: {patch: 2, width: 16, depth: 2, heads: 2}}}", "goes with models that see the whole image"),
        ("task: {reconstruction: {corruption: {masking: 0.1}, counted: hidden}}\nmodels: {a: autoencoder}", "a share of 0.1 hides no pixel of some images of 64 pixels, of which hidden pixels alone count; expected at least 0.195"),
        ("task: {reconstruction: {target: sobel_vertical}}\nmodels: {f: {filter: {kernel: sobel_vertical}}}", "data.normalization: the numbers of the kernel sobel_vertical sum to 0"),
        ("task: {reconstruction: {target: laplacian}}\nmodels: {f: filter}", "data.normalization: the numbers of the kernel laplacian sum to 0"),
        ("task: {reconstruction: {corruption: {masking: 0}, counted: hidden}}\nmodels: {a: autoencoder}", "found a share of 0, which hides no pixel"),
    ])
    func misfitsAreSaid(rest: String, sentence: String) throws {
        let error = #expect(throws: UserError.self) { _ = try Experiment(definition("data: {name: digits}\n\(rest)\n"), dataDirectory: nil) }
        // That it could be filled up is said of models with a key for it.
        #expect(error?.message.contains(sentence) == true && error?.message.contains("pad: true") == false, "\(error?.message ?? "")")
    }
}
