import Harness

/// `{gated: {width: 8}}` in definitions, and a backbone for hybrids.
public struct GatedConfiguration: BackboneConfiguration {
    public static let family = "gated"
    public static let documentation = "Two convolutions, of which one gates the other."

    public var width = 8

    public init() {}

    public static let options: [Key<GatedConfiguration>] = [
        Key("width", \.width, .integer(in: 1...1024), role: .width, "Channels of the convolutions.")
    ]

    public var stageNames: [String] { ["gated"] }

    public func makeBackbone(input: ImageShape, through stage: String, in scope: Scope) -> any Backbone { makeEncoder(input: input, in: scope) }

    public func makeEncoder(input: ImageShape, in scope: Scope) -> any ImageEncoder {
        GatedEncoder(channels: input.channels, width: width, in: scope)
    }

    public func makeHead(inputs: Int, outputs: Int, in scope: Scope) -> any Layer { Linear(inputs, outputs, in: scope["head"]) }
}
