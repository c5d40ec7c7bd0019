// swift-tools-version: 6.2
import PackageDescription

/// A package that uses harness as anybody's does: by a clone and a version. `build` says where the clone is, and which version.
let package = Package(
    name: "outside",
    platforms: [.macOS(.v15)],
    dependencies: [.package(url: "HARNESS_URL", exact: "HARNESS_VERSION")],
    targets: [
        .target(name: "Parts", dependencies: [.product(name: "Harness", package: "harness")]),
        .executableTarget(name: "OutsideTraining", dependencies: ["Parts", .product(name: "Harness", package: "harness")]),
        .executableTarget(
            name: "OutsideCommand",
            dependencies: [
                "Parts", .product(name: "Harness", package: "harness"), .product(name: "HarnessCommands", package: "harness"),
            ]),
    ]
)
