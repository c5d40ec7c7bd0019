import Configuration
import Foundation
import Testing
@testable import VisionData

/// A definition written as Swift literals: each entry of a map lies on a line of its own, counted from 1 in the order of writing.
private indirect enum Literal: ExpressibleByStringLiteral, ExpressibleByArrayLiteral, ExpressibleByDictionaryLiteral {
    case scalar(String), list([Literal]), map([(String, Literal)])

    init(stringLiteral value: String) { self = .scalar(value) }
    init(arrayLiteral elements: Literal...) { self = .list(elements) }
    init(dictionaryLiteral elements: (String, Literal)...) { self = .map(elements) }

    func node(line: inout Int) -> ConfigurationNode {
        let mark = SourceMark(file: "x.yaml", line: line)
        switch self {
        case .scalar(let text): return ConfigurationNode(.scalar(text, quoted: false), mark: mark)
        case .list(let items): return ConfigurationNode(.list(items.map { $0.node(line: &line) }), mark: mark)
        case .map(let entries):
            let nodes = entries.map { key, value in
                line += 1
                let mark = SourceMark(file: "x.yaml", line: line)
                return ConfigurationNode.Entry(key: key, mark: mark, node: value.node(line: &line))
            }
            return ConfigurationNode(.map(nodes), mark: mark)
        }
    }
}

private func read(_ literal: Literal) -> (DataConfiguration, [String]) {
    var line = 0
    let errors = ConfigurationErrors()
    var fields = FieldReader(literal.node(line: &line), path: "data", errors: errors)
    let configuration = DataConfiguration(from: &fields)
    fields.finish()
    return (configuration, errors.messages)
}

@Suite struct DataConfigurationTests {
    @Test func aNameAloneMeansTheDefaults() {
        let (configuration, errors) = read(["name": "fashion-mnist"])
        #expect(errors == [])
        #expect(configuration == DataConfiguration(.fashionMNIST))
        #expect(configuration.validation == .fraction(0.1))
        #expect(configuration.normalization == .training)
        #expect(configuration.augment == [])
    }

    @Test func everyKeyIsRead() {
        let (configuration, errors) = read([
            "name": "kmnist", "directory": "~/k", "validation": "5000", "split_seed": "3", "train_examples": "1000", "test_examples": "10",
            "normalization": ["mean": ["0.2"], "std": ["0.4"]],
            "augment": [
                ["shift": "3"], "horizontal_flip", ["horizontal_flip": "0.2"], ["rotation": "12.5"], "rotation", ["shear": "5"], ["zoom": "0.3"],
                "random_erasing",
                ["random_erasing": ["probability": "0.1", "area": ["0.1", "0.2"], "aspect_ratio": ["1", "2"], "fill": "mean"]],
                "color_jitter", ["color_jitter": ["hue": "0.2", "probability": "1"]], "grayscale", ["blur": ["sigma": ["0.5", "1"]]],
            ],
        ])
        var jitter = ColorJitter(), blur = RandomBlur()
        (jitter.hue, jitter.probability, blur.sigma) = (0.2, 1, [0.5, 1])
        var erasing = RandomErasing()
        erasing.probability = 0.1
        erasing.area = [0.1, 0.2]
        erasing.aspectRatio = [1, 2]
        erasing.fill = .mean
        var expected = DataConfiguration(.kmnist)
        expected.directory = "~/k"
        expected.validation = .count(5000)
        expected.splitSeed = 3
        expected.trainExamples = 1000
        expected.testExamples = 10
        expected.normalization = .given(mean: [0.2], std: [0.4])
        expected.augment = [
            .shift(pixels: 3), .horizontalFlip(probability: 0.5), .horizontalFlip(probability: 0.2), .rotation(degrees: 12.5),
            .rotation(degrees: 15), .shear(degrees: 5), .zoom(fraction: 0.3), .randomErasing(RandomErasing()), .randomErasing(erasing),
            .colorJitter(ColorJitter()), .colorJitter(jitter), .grayscale(probability: 0.2), .blur(blur),
        ]
        #expect(errors == [])
        #expect(configuration == expected)
    }

    @Test func anHDF5FileTakesTheNamesPlace() {
        let (configuration, errors) = read(["hdf5": ["path": "cells.h5", "classes": "4"], "normalization": "none"])
        #expect(errors == [])
        #expect(configuration.source == .hdf5(HDF5Source(path: "cells.h5", classes: 4)))
        #expect(configuration.validation == nil, "the file may bring its own")
        #expect(configuration.normalization == .none)
        #expect(read(["hdf5": ["path": "x"], "validation": "0.2"]).0.validation == .fraction(0.2))
    }

    @Test(arguments: [
        (["name": "fashon-mnist"], ["x.yaml:1: data.name: unknown data set 'fashon-mnist'; did you mean 'fashion-mnist'?"]),
        (["name": "imagenet"], ["x.yaml:1: data.name: unknown data set 'imagenet'; known: cifar-10, cifar-100, digit-scenes, digits, emnist-balanced, emnist-byclass, emnist-bymerge, emnist-digits, emnist-letters, emnist-mnist, fashion-mnist, fashion-scenes, kmnist, mnist, sequences-1d, shapes-3d, stl-10, svhn"]),
        (["split_seed": "1"], ["x.yaml:0: data: expected a data set: name, hdf5, folder, numpy, coco, fashion_scenes, shapes_3d or sequences_1d"]),
        (["name": "digits", "hdf5": ["path": "x"]], ["x.yaml:2: data.hdf5: found beside 'name', expected one of the two"]),
        (["hdf5": ["classes": "0"]], [
            "x.yaml:1: data.hdf5.path: expected a path",
            "x.yaml:2: data.hdf5.classes: expected a value from 1 to 10000, found 0",
        ]),
        (["name": "digits", "validation": "-1"], ["x.yaml:2: data.validation: expected a number of at least 0.0, found -1.0"]),
        (["name": "digits", "validation": "1.5"], ["x.yaml:2: data.validation: expected a part below 1 or a whole number of images, found 1.5"]),
        (["name": "digits", "augmnt": ["shift"]], ["x.yaml:2: data.augmnt: unknown key 'augmnt'; did you mean 'augment'?"]),
        (["name": "digits", "augment": ["horizontl_flip", ["shift": "0"], ["rotation": "200"], ["zoom": "0"], ["random_erasing": ["aera": ["0.1"]]]]], [
            "x.yaml:2: data.augment[0]: unknown augmentation 'horizontl_flip'; did you mean 'horizontal_flip'?",
            "x.yaml:3: data.augment[1].shift: expected an integer of at least 1, found 0",
            "x.yaml:4: data.augment[2].rotation: expected a value from 0.0 to 180.0, found 200.0",
            "x.yaml:5: data.augment[3].zoom: expected a number above 0, found 0",
            "x.yaml:7: data.augment[4].random_erasing.aera: unknown key 'aera'; did you mean 'area'?",
        ]),
        (["name": "digits", "augment": [["random_erasing": ["area": ["0.5", "0.2"], "aspect_ratio": ["0", "1"], "fill": "white"]]]], [
            "x.yaml:4: data.augment[0].random_erasing.area: expected two ascending numbers above 0 and up to 1, found [0.5, 0.2]",
            "x.yaml:5: data.augment[0].random_erasing.aspect_ratio: expected two ascending numbers above 0, found [0.0, 1.0]",
            "x.yaml:6: data.augment[0].random_erasing.fill: unknown value 'white'; known: mean, random",
        ]),
        (["name": "digits", "normalization": ["mean": ["0.1", "0.2"], "std": ["1"]]],
            ["x.yaml:2: data.normalization: expected mean and std with one number a channel each, std above 0"]),
        (["name": "digits", "normalization": "trainin"], ["x.yaml:2: data.normalization: unknown value 'trainin'; did you mean 'training'?"]),
        (["name": "digits", "train_examples": "many", "split_seed": "-2"], [
            "x.yaml:3: data.split_seed: expected an integer of at least 0, found -2",
            "x.yaml:2: data.train_examples: expected an integer, found many",
        ]),
    ] as [(Literal, [String])])
    fileprivate func everyMistakeIsReported(literal: Literal, messages: [String]) {
        #expect(read(literal).1 == messages)
    }

    /// What is written is a definition that reads the same.
    @Test func whatIsWrittenReadsBack() throws {
        func readBack(_ configuration: DataConfiguration) -> DataConfiguration {
            var fields = FieldReader(configuration.node, path: "data", errors: ConfigurationErrors())
            var copy = DataConfiguration(from: &fields)
            copy.places = configuration.places
            return copy
        }
        var configuration = DataConfiguration(.mnist)
        configuration.validation = .count(10)
        configuration.testExamples = 5
        configuration.augment = [
            .shift(pixels: 2), .horizontalFlip(probability: 0.5), .rotation(degrees: 4), .shear(degrees: 5), .zoom(fraction: 0.25),
            .randomErasing(RandomErasing()),
        ]
        let text = YAML.line(configuration.node, .json)
        #expect(text == """
            {"augment": [{"shift": 2}, {"horizontal_flip": 0.5}, {"rotation": 4}, {"shear": 5}, {"zoom": 0.25}, \
            {"random_erasing": {"area": [0.02, 0.4], "aspect_ratio": [0.3, 3.3333333333333335], "fill": "random", "probability": 0.5}}], \
            "name": "mnist", "normalization": "training", "split_seed": 0, "test_examples": 5, "validation": 10}
            """)
        #expect(readBack(configuration) == configuration)

        var own = DataConfiguration(.hdf5(HDF5Source(path: "a.h5")))
        for normalization in [NormalizationConfiguration.none, .training, .given(mean: [1], std: [2])] {
            own.normalization = normalization
            #expect(readBack(own) == own)
        }
    }
}
