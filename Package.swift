// swift-tools-version: 6.2
import PackageDescription

/// `memcpy`-bound and arithmetic loops: C with `target_clones`, so that one binary serves every x86-64.
let kernelFlags: [CSetting] = [.unsafeFlags(["-O3", "-fno-math-errno", "-fno-trapping-math", "-ffp-contract=on"])]

let package = Package(
    name: "harness",
    platforms: [.macOS(.v15)],
    products: [
        .executable(name: "harness", targets: ["HarnessCommand"]),
        // Networks, training and recording for programs of one's own, and the command line for programs with models of their own.
        .library(name: "Harness", targets: ["Harness"]),
        .library(name: "HarnessCommands", targets: ["Commands"]),
    ],
    dependencies: [
        .package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.2"),
        .package(url: "https://github.com/jpsim/Yams", from: "6.2.2"),
    ],
    targets: [
        // C libraries
        .systemLibrary(name: "CHDF5", pkgConfig: "hdf5", providers: [.apt(["libhdf5-dev"])]),
        .systemLibrary(name: "CZlib", pkgConfig: "zlib", providers: [.apt(["zlib1g-dev"])]),
        // OpenSSL's SHA-256: Debian's libhdf5-dev brings it, and Swift's own package takes longer to build than all else here.
        .systemLibrary(name: "CCrypto", pkgConfig: "libcrypto", providers: [.apt(["libssl-dev"])]),
        // JPEG, PNG and WebP: libjpeg-turbo, libpng, libwebp.
        .target(
            name: "CImages", cSettings: [.unsafeFlags(["-O3", "-ffp-contract=off"])],
            linkerSettings: [.linkedLibrary("jpeg"), .linkedLibrary("png"), .linkedLibrary("webp")]),
        // MATLAB files, by libmatio, of which nothing but its results is seen.
        .target(name: "CMatrices", linkerSettings: [.linkedLibrary("matio")]),
        .target(name: "COneDNN", linkerSettings: [.linkedLibrary("dnnl")]),
        .target(name: "CKernels", cSettings: kernelFlags),

        // The libraries, each depending only on those above it. Every module that a target imports is named here: a change of one that
        // is not would leave the target's old object code, with an old idea of the module's types, in the program.
        .target(name: "Configuration", dependencies: ["Yams"]),
        .target(name: "Checksums", dependencies: ["CCrypto"]),
        // What trainings are measured by: plain values that training, the run store and reports share.
        .target(name: "Measures", dependencies: ["Configuration"]),
        .target(name: "HDF5", dependencies: ["CHDF5", "Configuration"]),
        .target(name: "TensorCore", dependencies: ["COneDNN", "CKernels", "Configuration"]),
        .target(name: "Layers", dependencies: ["TensorCore", "Configuration"]),
        .target(name: "Models", dependencies: ["Layers", "TensorCore", "Configuration"]),
        .target(name: "VisionData", dependencies: ["TensorCore", "HDF5", "CImages", "CMatrices", "CZlib", "Checksums", "Configuration"]),
        .target(name: "Training", dependencies: ["Measures", "VisionData", "TensorCore", "CKernels", "Checksums", "Configuration"]),
        .target(name: "Tasks", dependencies: ["Training", "Measures", "Layers", "VisionData", "TensorCore", "Configuration"]),
        .target(name: "RunStore", dependencies: ["Measures", "HDF5", "Checksums", "Configuration"]),
        .target(
            name: "Experiments",
            dependencies: [
                "Models", "Layers", "Tasks", "Training", "RunStore", "Measures", "VisionData", "TensorCore", "HDF5", "Checksums", "Configuration",
            ]),
        // Charts in SVG and pictures in PNG, of nothing but numbers.
        .target(name: "Figures", dependencies: ["CImages"]),
        .target(name: "Reports", dependencies: ["RunStore", "Measures", "Figures", "Configuration"]),

        // The command line, as a library and as the program
        .target(
            name: "Commands",
            dependencies: [
                "Experiments", "Reports", "Figures", "RunStore", "Models", "Training", "Measures", "VisionData", "TensorCore", "HDF5", "Configuration",
                .product(name: "ArgumentParser", package: "swift-argument-parser"),
            ]),
        .executableTarget(name: "HarnessCommand", dependencies: ["Commands", "Models"]),

        // The umbrella
        .target(
            name: "Harness",
            dependencies: [
                "Configuration", "Experiments", "Figures", "HDF5", "Layers", "Measures", "Models", "Reports", "RunStore", "Tasks", "TensorCore",
                "Training", "VisionData",
            ]),

        // Tests
        .target(name: "TestSupport", dependencies: ["CZlib", "TensorCore", "HDF5", "RunStore", "Measures", "Tasks", "Training", "VisionData"], path: "Tests/TestSupport"),
        .target(name: "AllocationCounter", path: "Tests/AllocationCounter"),
        .testTarget(name: "ConfigurationTests", dependencies: ["Configuration"]),
        .testTarget(name: "ChecksumsTests", dependencies: ["Checksums"]),
        .testTarget(name: "HDF5Tests", dependencies: ["HDF5", "Configuration", "TestSupport"]),
        .testTarget(name: "TensorCoreTests", dependencies: ["TensorCore", "CKernels", "TestSupport"]),
        .testTarget(name: "LayersTests", dependencies: ["Layers", "TensorCore", "Configuration", "TestSupport"]),
        .testTarget(
            name: "ModelsTests",
            dependencies: ["Models", "Tasks", "Training", "Measures", "Layers", "TensorCore", "Configuration", "TestSupport", "VisionData", "AllocationCounter"]),
        .testTarget(name: "VisionDataTests", dependencies: ["TestSupport", "VisionData", "TensorCore", "HDF5", "CZlib", "Configuration"]),
        .testTarget(name: "TrainingTests", dependencies: ["Training", "Tasks", "Measures", "VisionData", "TensorCore", "Configuration", "TestSupport"]),
        .testTarget(name: "RunStoreTests", dependencies: ["RunStore", "Measures", "HDF5", "Configuration", "TestSupport"]),
        .testTarget(
            name: "ExperimentsTests",
            dependencies: ["Experiments", "HDF5", "Layers", "Models", "Reports", "Tasks", "Training", "RunStore", "Measures", "VisionData", "TensorCore", "Checksums", "Configuration", "TestSupport"]),
        .testTarget(name: "FiguresTests", dependencies: ["Figures"]),
        .testTarget(name: "ReportsTests", dependencies: ["Reports", "Figures", "RunStore", "Measures", "Tasks", "Configuration", "TestSupport"]),
        .testTarget(name: "CommandTests", dependencies: ["RunStore", "Measures", "HDF5", "TensorCore", "TestSupport"]),
    ]
)
