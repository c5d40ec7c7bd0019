import Foundation
import Layers
import TensorCore
import TestSupport
import Testing

@testable import Models

/// Against scikit-image and scikit-learn; Tests/Reference/features.py made the fixtures.
@Suite struct FixedFeatureTests {
    struct Fixture: Decodable, Sendable {
        struct Histograms: Decodable, Sendable {
            let height: Int, width: Int, channels: Int, orientations: Int, cell: Int, block: Int, image: [Float], features: [Double]
        }
        struct Edges: Decodable, Sendable {
            let height: Int, width: Int, sigma: Double, low: Double, high: Double, image: [Float], canny: [Float], sobel: [Double], prewitt: [Double]
        }

        struct Clusters: Decodable, Sendable { let length: Int, points: [Float], start: [Float], centres: [Double] }

        struct Kernels: Decodable, Sendable { let height: Int, width: Int, image: [Float], answers: [String: [Double]] }

        let histograms: [Histograms], edges: [Edges], clusters: [Clusters], kernels: Kernels

        static let all: Fixture = {
            let tests = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
            return try! JSONDecoder().decode(Fixture.self, from: Data(contentsOf: tests.appending(path: "Fixtures/features.json")))
        }()
    }

    /// What an encoder gives of one image, called `name`.
    private func features(_ configuration: some ModelConfiguration, _ image: [Float], _ shape: ImageShape) throws -> [Float] {
        let graph = Graph(), images = graph.input("images", [1, shape.height, shape.width, shape.channels])
        let encoder = configuration.makeEncoder(input: shape, in: graph.root), pooled = encoder.pooled(encoder(images).last)
        #expect(pooled.shape == [1, encoder.width])
        return try evaluate([pooled], feeding: [(images, HostTensor([1, shape.height, shape.width, shape.channels], image))])[0].floats
    }

    @Test(arguments: Fixture.all.histograms.indices) func histogramsAreThoseOfScikitImage(index: Int) throws {
        let fixture = Fixture.all.histograms[index]
        var configuration = HOGConfiguration()
        (configuration.orientations, configuration.pixelsPerCell, configuration.cellsPerBlock) = (fixture.orientations, fixture.cell, fixture.block)
        let found = try features(configuration, fixture.image, ImageShape(height: fixture.height, width: fixture.width, channels: fixture.channels))
        #expect(found.count == fixture.features.count)
        for (found, expected) in zip(found, fixture.features) { #expect(abs(Double(found) - expected) < 1e-5) }
    }

    @Test(arguments: Fixture.all.edges.indices) func edgesAreThoseOfScikitImage(index: Int) throws {
        let fixture = Fixture.all.edges[index], shape = ImageShape(height: fixture.height, width: fixture.width, channels: 1)
        var configuration = EdgesConfiguration()
        configuration.pool = 1
        (configuration.filters, configuration.sigma, configuration.low, configuration.high) = ([.canny], fixture.sigma, fixture.low, fixture.high)
        #expect(try features(configuration, fixture.image, shape) == fixture.canny)
        #expect((1..<fixture.canny.count / 4).contains(fixture.canny.count { $0 > 0 }), "there are edges")
        for (filter, expected) in [(EdgesConfiguration.Filter.sobel, fixture.sobel), (.prewitt, fixture.prewitt)] {
            configuration.filters = [filter]
            let found = try features(configuration, fixture.image, shape)
            // At the border scikit-image repeats the outermost pixel, and here the image is mirrored around it.
            for row in 1..<fixture.height - 1 {
                for column in 1..<fixture.width - 1 {
                    let place = row * fixture.width + column
                    #expect(abs(Double(found[place]) - expected[place]) < 2e-6)
                }
            }
        }
    }

    @Test(arguments: ImageKernel.allCases) func kernelsAreThoseOfSciPy(_ kernel: ImageKernel) throws {
        let fixture = Fixture.all.kernels, expected = try #require(fixture.answers[kernel.rawValue])
        let graph = Graph(), image = graph.input("image", [1, fixture.height, fixture.width, 1])
        let found = try evaluate([image.filtered(by: kernel.values, side: kernel.side)], feeding: [(image, HostTensor(image.shape, fixture.image))])[0].floats
        #expect(found.count == expected.count)
        for (found, expected) in zip(found, expected) { #expect(abs(Double(found) - expected) < 2e-6) }
    }

    /// Pooled answers of several filters lie side by side, cell after cell.
    @Test func filtersStandSideBySide() throws {
        let fixture = Fixture.all.edges[0], shape = ImageShape(height: fixture.height, width: fixture.width, channels: 1)
        var configuration = EdgesConfiguration()
        configuration.filters = [.laplacian, .canny]
        let found = try features(configuration, fixture.image, shape), columns = fixture.width / 4
        var sum: Float = 0
        for row in 4..<8 { for column in 8..<12 { sum += fixture.canny[row * fixture.width + column] } }
        #expect(found.count == 2 * (fixture.height / 4) * columns && found[(columns + 2) * 2 + 1] == sum / 16)
    }

    @Test(arguments: Fixture.all.clusters.indices) func centresAreThoseOfScikitLearn(index: Int) throws {
        let fixture = Fixture.all.clusters[index], count = fixture.start.count / fixture.length
        let found = try KMeans(clusters: count, iterations: 300, stream: PhiloxStream(seed: 0, name: "fit")).centres(of: fixture.points, length: fixture.length, startingAt: fixture.start)
        #expect(found.count == fixture.centres.count)
        for (found, expected) in zip(found, fixture.centres) { #expect(abs(Double(found) - expected) < 1e-5) }
    }

    /// Three clouds are found from any start, in the order in which they were drawn; the same stream gives the same bits.
    @Test func centresOfCloudsAreFound() throws {
        let clouds: [(Float, Float)] = [(0, 0), (10, 0), (0, 10)]
        var draws = PhiloxStream(seed: 1, name: "clouds").draws(time: 0, sample: 0)
        let points = (0..<60).flatMap { place in [clouds[place % 3].0 + draws.uniform(-1, 1), clouds[place % 3].1 + draws.uniform(-1, 1)] }
        let means = (0..<3).map { cloud in
            (0..<2).map { axis in stride(from: cloud, to: 60, by: 3).reduce(0.0) { $0 + Double(points[$1 * 2 + axis]) } / 20 }
        }
        for seed in 0..<5 {
            let means_ = try KMeans(clusters: 3, iterations: 50, stream: PhiloxStream(seed: UInt64(seed), name: "fit")).centres(of: points, length: 2)
            let found = (0..<3).map { (Double(means_[$0 * 2]), Double(means_[$0 * 2 + 1])) }
            for mean in means { #expect(found.contains { abs($0.0 - mean[0]) < 1e-5 && abs($0.1 - mean[1]) < 1e-5 }, "\(seed)") }
            #expect(try means_ == KMeans(clusters: 3, iterations: 50, stream: PhiloxStream(seed: UInt64(seed), name: "fit")).centres(of: points, length: 2))
        }
        // As many centres as different points, though one of them is there three times.
        let few = try KMeans(clusters: 2, iterations: 10, stream: PhiloxStream(seed: 3, name: "fit")).centres(of: [1, 1, 1, 5], length: 1)
        #expect(few.sorted() == [1, 5])
    }

    /// A descriptor has norm 1, a flat patch zeros, and a gradient to the right falls to the first orientation.
    @Test func descriptorsOfPatches() {
        let shape = ImageShape(height: 8, width: 16, channels: 1), descriptors = DenseDescriptors(image: shape, patch: 8, stride: 8)
        let image = (0..<128).map { $0 % 16 < 8 ? Float($0 % 16) : 9 }, values = image.withUnsafeBufferPointer { descriptors.values($0.baseAddress!) }
        #expect(descriptors.count == 2 && values.count == 256)
        #expect(abs(values[..<128].reduce(0) { $0 + $1 * $1 } - 1) < 1e-5)
        #expect((0..<128).allSatisfy { ($0 % 8 == 0) == (values[$0] > 0) })
        #expect(values[136..<256].filter { $0 != 0 }.count <= 4)
        let flat = [Float](repeating: 2, count: 128).withUnsafeBufferPointer { descriptors.values($0.baseAddress!) }
        #expect(flat.allSatisfy { $0 == 0 })
    }

    /// The histogram of nearest words, against a plain search.
    @Test func wordsAreTheNearest() throws {
        let shape = ImageShape(height: 16, width: 16, channels: 1), fixture = Fixture.all.histograms[3]
        var configuration = BagOfWordsConfiguration()
        (configuration.words, configuration.patch, configuration.stride) = (5, 8, 2)
        let graph = Graph(), images = graph.input("images", [1, 16, 16, 1]), encoder = configuration.makeEncoder(input: shape, in: graph.root)
        let pooled = encoder.pooled(encoder(images).last), store = try ParameterStore(graph, from: Initializers(seed: 0))
        var draws = PhiloxStream(seed: 2, name: "noise").draws(time: 0, sample: 0)
        let noisy = (0..<8).map { _ in fixture.image.map { $0 + draws.uniform(-0.2, 0.2) } }
        try configuration.fit(store, input: shape, seed: 0, count: 8) { number, body in noisy[number].withUnsafeBufferPointer { body($0.baseAddress!) } }
        let codebook = try #require(store.tensor(named: "codebook")).floats
        let all = fixture.image.withUnsafeBufferPointer { DenseDescriptors(image: shape, patch: 8, stride: 2).values($0.baseAddress!) }
        var counts = [Float](repeating: 0, count: 5)
        for patch in 0..<25 {
            let distances = (0..<5).map { word in (0..<128).reduce(Float(0)) { sum, place in
                let difference = all[patch * 128 + place] - codebook[word * 128 + place]
                return sum + difference * difference
            } }
            counts[distances.firstIndex(of: distances.min()!)!] += 1
        }
        let found = try evaluate([pooled], feeding: [(images, HostTensor([1, 16, 16, 1], fixture.image))], store: store)[0].floats
        for (found, count) in zip(found, counts) { #expect(abs(found - (count / 25).squareRoot()) < 1e-5) }
    }
}
