// swift-tools-version: 6.2
import PackageDescription

/// A package that uses harness as anybody's does: by a clone and a version. `build` says where the clone is.
let package = Package(
    name: "outside",
    platforms: [.macOS(.v15)],
    dependencies: [.package(url: "HARNESS_URL", exact: "0.0.1")],
    targets: [
        .target(name: "Gated", dependencies: [.product(name: "Harness", package: "harness")]),
        .executableTarget(name: "OutsideTraining", dependencies: ["Gated", .product(name: "Harness", package: "harness")]),
        .executableTarget(
            name: "OutsideCommand",
            dependencies: [
                "Gated", .product(name: "Harness", package: "harness"), .product(name: "HarnessCommands", package: "harness"),
            ]),
    ]
)
